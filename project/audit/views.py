"""Who watched what and who changed what, for an organization's own administrators."""

from __future__ import annotations

from datetime import tzinfo
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from project.accounts.access import actor_of, grant_in, withdrawn
from project.accounts.models import Organization
from project.accounts.views.organizations import administered
from project.audit.export import as_file, note_reading
from project.audit.filters import Looked
from project.audit.log import Action
from project.audit.models import AuditEntry, AuditEntryQuerySet, Viewing

ON_A_PAGE = 100
WATCHING_MOST = 200  # who watches now
FOR_ADMINS = "The audit log is read by the organization's administrators."


def _found(request: HttpRequest, slug: str) -> tuple[Organization, AuditEntryQuerySet]:
    """The organization and its entries; 404 to outsiders, 403 to members."""
    found = administered(request, slug, FOR_ADMINS)
    return found, AuditEntry.objects.visible_to(actor_of(request)).filter(organization=found)


def _looked(request: HttpRequest, organization: Organization) -> Looked:
    zone: tzinfo = ZoneInfo(organization.time_zone)
    return Looked.of(request.GET.dict(), zone)


@never_cache
@login_required
@require_GET
def audit(request: HttpRequest, slug: str) -> HttpResponse:
    """The newest entries, filtered; `before` is the number of the last one that was seen."""
    organization, entries = _found(request, slug)
    looked = _looked(request, organization)
    before = request.GET.get("before", "")
    found = looked.among(entries).order_by("-pk")
    if before.isascii() and before.isdigit() and len(before) < 19:
        found = found.filter(pk__lt=int(before))
    page = list(found[: ON_A_PAGE + 1])
    note_reading(request, looked.sentence(), organization)
    asked = {
        "who": looked.who, "camera": looked.camera, "action": looked.action,
        "since": looked.since, "until": looked.until,
    }  # fmt: skip
    kept = {name: value for name, value in asked.items() if value}
    context = {
        "organization": organization,
        "zone": looked.zone,
        "watching": Viewing.objects.filter(organization=organization)[:WATCHING_MOST],
        "entries": page[:ON_A_PAGE],
        "asked": asked,
        "query": urlencode(kept),
        "actions": [(one, one[0].upper() + one[1:]) for one in Action],
        "older": urlencode(kept | {"before": page[ON_A_PAGE - 1].pk})
        if len(page) > ON_A_PAGE
        else "",
    }
    return render(request, "audit/audit.html", context)


@never_cache
@login_required
@require_GET
def audit_file(request: HttpRequest, slug: str) -> HttpResponseBase:
    """All that the page finds, as CSV."""
    organization, entries = _found(request, slug)
    looked = _looked(request, organization)
    note_reading(request, looked.sentence(), organization, export=True)
    grant = grant_in(actor_of(request), "admin", organization.pk)
    name = f"audit-{organization.slug}"
    return as_file(request, looked.among(entries), name, lambda: not withdrawn([grant]))
