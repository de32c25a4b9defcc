"""The audit log as a page and as CSV: of one organization, or of all in the admin."""

from __future__ import annotations

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from project.accounts.access import actor_for_request, signed_in_user
from project.accounts.credentials import actor_for
from project.accounts.models import Organization
from project.accounts.views.organizations import get_administered
from project.audit.export import csv_response
from project.audit.filters import AuditFilter
from project.audit.log import Action, log_action
from project.audit.models import AuditEntry, AuditEntryQuerySet, Viewing, single_line
from project.search import SearchTimeout, time_limit

PAGE_SIZE = 100
MAX_OPEN_VIEWS = 200  # of "Watching now"
SAME_READING = timedelta(minutes=1)
FOR_ADMINS = "The audit log is read by the organization's administrators."


@never_cache
@login_required
def audit(request: HttpRequest, slug: str) -> HttpResponse:
    """Show an organization's log; 404 to outsiders, 403 to members who do not administer it."""
    return show_log(request, get_administered(request, slug, FOR_ADMINS))


@never_cache
@login_required
def audit_file(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Export an organization's log, to the same people."""
    return export_log(request, get_administered(request, slug, FOR_ADMINS))


@require_GET
def show_log(request: HttpRequest, organization: Organization | None) -> HttpResponse:
    """Show a page of the newest entries that match. `?before=` is the id of the last one shown.

    Without an organization those of all, for staff. The reading makes an entry, but pages of the
    same list within a minute make one.
    """
    asked = _filter_of(request, organization)
    entries = AuditEntry.objects.visible_to(actor_for_request(request), organization)
    matching = asked.apply(entries).order_by("-pk")
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:  # fits a 64-bit integer
        matching = matching.filter(pk__lt=int(before))
    try:
        with time_limit():
            page = list(matching[: PAGE_SIZE + 1])
    except SearchTimeout as error:
        messages.error(request, error.sentence)
        page = []
    subject = _subject(asked)
    earlier = AuditEntry.objects.filter(
        user=signed_in_user(request), action=Action.READ_LOG, subject=subject,
        organization=organization, at__gte=timezone.now() - SAME_READING,
    )  # fmt: skip
    if not earlier.exists():
        log_action(request, Action.READ_LOG, subject, organization)
    watching = Viewing.objects.all()
    if organization is not None:
        watching = watching.filter(organization=organization)
    context = {
        "organization": organization,
        "watching": watching[:MAX_OPEN_VIEWS],
        "entries": page[:PAGE_SIZE],
        "filter": asked,
        "before": page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None,
    }
    return render(request, "audit/audit.html", context)


@require_GET
def export_log(request: HttpRequest, organization: Organization | None) -> HttpResponseBase:
    """Export all entries that match, as CSV, as long as the reader may read them."""
    asked = _filter_of(request, organization)
    credential = actor_for_request(request).credential

    def entries() -> AuditEntryQuerySet:
        return asked.apply(AuditEntry.objects.visible_to(actor_for(credential), organization))

    log_action(request, Action.EXPORT_LOG, _subject(asked), organization)
    return csv_response(request, entries, f"audit-{organization.slug}" if organization else "audit")


def _filter_of(request: HttpRequest, organization: Organization | None) -> AuditFilter:
    zone = ZoneInfo(organization.time_zone) if organization else UTC
    return AuditFilter(request.GET, zone, has_all=organization is None)


def _subject(asked: AuditFilter) -> str:
    """Return the subject of the entry about a reading."""
    return single_line(asked.describe() or "everything", 200)
