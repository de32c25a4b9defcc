"""The audit log of one organization, for its administrators: a page and an export."""

from __future__ import annotations

from datetime import tzinfo
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from project.accounts.access import actor_for_request, grant_in_organization, revoked_grants
from project.accounts.models import Organization
from project.accounts.views.organizations import get_administered
from project.audit.export import csv_response, log_reading
from project.audit.filters import AuditFilter
from project.audit.log import Action
from project.audit.models import AuditEntry, AuditEntryQuerySet, Viewing
from project.search import SearchTimeout, time_limit

PAGE_SIZE = 100
MAX_OPEN_VIEWS = 200  # of "Watching now"
FOR_ADMINS = "The audit log is read by the organization's administrators."


def _organization_entries(
    request: HttpRequest, slug: str
) -> tuple[Organization, AuditEntryQuerySet]:
    """Return the organization and its entries; 404 to outsiders, 403 to other members."""
    organization = get_administered(request, slug, FOR_ADMINS)
    visible = AuditEntry.objects.visible_to(actor_for_request(request))
    return organization, visible.filter(organization=organization)


def _filter_of(request: HttpRequest, organization: Organization) -> AuditFilter:
    zone: tzinfo = ZoneInfo(organization.time_zone)
    return AuditFilter.from_query(request.GET.dict(), zone)


@never_cache
@login_required
@require_GET
def audit(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a page of the newest entries that match. `?before=` is the id of the last one shown."""
    organization, entries = _organization_entries(request, slug)
    audit_filter = _filter_of(request, organization)
    before = request.GET.get("before", "")
    matching = audit_filter.apply(entries).order_by("-pk")
    if before.isascii() and before.isdigit() and len(before) < 19:  # fits a 64-bit integer
        matching = matching.filter(pk__lt=int(before))
    try:
        with time_limit():
            page = list(matching[: PAGE_SIZE + 1])
    except SearchTimeout as error:
        messages.error(request, error.sentence)
        page = []
    log_reading(request, audit_filter.describe(), organization)
    filters = {
        "who": audit_filter.who, "camera": audit_filter.camera, "action": audit_filter.action,
        "since": audit_filter.since, "until": audit_filter.until,
    }  # fmt: skip
    query = {name: value for name, value in filters.items() if value}
    older = {**query, "before": page[PAGE_SIZE - 1].pk} if len(page) > PAGE_SIZE else {}
    context = {
        "organization": organization,
        "zone": audit_filter.zone,
        "watching": Viewing.objects.filter(organization=organization)[:MAX_OPEN_VIEWS],
        "entries": page[:PAGE_SIZE],
        "filters": filters,
        "query": urlencode(query),
        "actions": [(action, action[0].upper() + action[1:]) for action in Action],
        "older": urlencode(older),
    }
    return render(request, "audit/audit.html", context)


@never_cache
@login_required
@require_GET
def audit_file(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Export all entries that match, as CSV."""
    organization, entries = _organization_entries(request, slug)
    audit_filter = _filter_of(request, organization)
    log_reading(request, audit_filter.describe(), organization, export=True)
    grant = grant_in_organization(actor_for_request(request), "admin", organization.pk)
    return csv_response(
        request, audit_filter.apply(entries), f"audit-{organization.slug}",
        lambda: not revoked_grants([grant]),
    )  # fmt: skip
