"""The audit page of an organization, for its administrators only."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from cameras.models import Camera
from project.accounts.models import Organization, User
from project.audit.models import AuditEntry, Viewing
from project.search import SearchTimeout, time_limit
from tests.cameras.views.rows import client_of

pytestmark = pytest.mark.django_db


def entry(club: Organization | None, who: str, **more: Any) -> AuditEntry:
    fields = {"action": "watch", "subject": "Gate"} | more
    return AuditEntry.objects.create(who=who, organization=club, **fields)


def page(user: User, **query: str) -> str:
    answer = client_of(user).get(reverse("audit", args=["club"]), query)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("name", ["audit", "audit-file"])
def test_only_administrators_can_read_the_log(
    club: Organization, operator: User, outsider: User, name: str
) -> None:
    address = reverse(name, args=["club"])
    assert client_of(operator).get(address).status_code == 403
    assert client_of(outsider).get(address).status_code == 404
    assert not AuditEntry.objects.filter(action__in=("read log", "export log")).exists()


def test_administrator_sees_entries_of_own_organization_only(
    club: Organization, admin: User, outsider: User
) -> None:
    entry(club, "anna-of-us")
    entry(Organization.objects.get(slug="other"), "bert-of-them")
    entry(None, "carl-of-nobody")
    html = page(admin)
    settings = reverse("organization", args=["club"])
    assert f'href="{settings}" aria-current="page"' in html
    assert "anna-of-us" in html
    assert "bert-of-them" not in html
    assert "carl-of-nobody" not in html
    assert AuditEntry.objects.filter(action="read log", organization=club, who="admin").exists()


@pytest.mark.postgres
def test_days_use_the_time_zone_of_the_organization(club: Organization, admin: User) -> None:
    """In Berlin, the entry is after midnight."""
    at = timezone.datetime.fromisoformat("2026-03-01T23:30:00+00:00")  # type: ignore[attr-defined]
    entry(club, "anna", at=at)
    assert "2 Mar 2026, 00:30:00" in page(admin, since="2026-03-02", until="2026-03-02")
    assert "anna" not in page(admin, until="2026-03-01")


@pytest.mark.postgres
def test_log_is_filtered_and_paged(club: Organization, admin: User, camera: Camera) -> None:
    for number in range(120):
        entry(club, f"p{number:03}", camera_id=camera.pk)
    entry(club, "other", action="sign in", subject="other")
    html = page(admin, camera="gate")
    assert "p119" in html
    assert "p019" not in html
    assert "other" not in html.partition("<table")[2]
    oldest = AuditEntry.objects.get(who="p020").pk
    assert f"camera=gate&amp;before={oldest}" in html
    assert "p019" in page(admin, camera="gate", before=str(oldest))
    assert "Nothing was found" in page(admin, who="nobody at all")
    reads = AuditEntry.objects.filter(action="read log").order_by("pk")
    assert list(reads.values_list("subject", flat=True)) == [
        "camera gate", "who nobody at all",
    ]  # fmt: skip


def test_filter_is_never_dropped_in_silence(club: Organization, admin: User) -> None:
    entry(club, "anna")
    assert "Nothing was found" in page(admin, who="anna" * 40)
    assert "Enter a valid date." in page(admin, since="yesterday")


def test_current_viewers_are_shown(club: Organization, admin: User, outsider: User) -> None:
    for organization, who in ((club, "anna"), (Organization.objects.get(slug="other"), "bert")):
        Viewing.objects.create(
            who=who, organization=organization, subject="Gate", action="watch", openings=14
        )
    html = page(admin)
    assert "Watching now" in html
    assert "14 times" in html
    assert "anna" in html
    assert "bert" not in html


def test_row_of_several_openings_can_be_expanded(club: Organization, admin: User) -> None:
    began = timezone.datetime.fromisoformat("2026-03-01T10:00:00+00:00")  # type: ignore[attr-defined]
    ended = began + timezone.timedelta(hours=1)  # type: ignore[attr-defined]
    times = {"at": ended, "started_at": began, "ended_at": ended}
    entry(club, "anna", openings=1, **times)
    assert "<details>" not in page(admin, who="anna")
    entry(club, "anna", openings=1204, action="take snapshot", **times)
    _, _, row = page(admin, who="anna").partition("<details>")
    for part in ("1,204 times", "1 Mar 2026, 11:00:00", "1 Mar 2026, 12:00:00", "take snapshot"):
        assert part in row.partition("</details>")[0]


def test_names_are_escaped(club: Organization, admin: User) -> None:
    entry(club, "<script>alert(1)</script>", subject="<img src=x>", detail="<b>")
    html = page(admin, who="<script>")
    assert "<script>alert" not in html
    assert "<img src=x>" not in html
    assert "<b>&lt;b&gt;" not in html


@pytest.mark.postgres
def test_filter_that_takes_too_long_ends_with_a_sentence(
    club: Organization, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [AuditEntry(who="a" * 150, organization=club, action="watch") for _ in range(2000)]
    AuditEntry.objects.bulk_create(entries)
    limit = 0.0 if connection.vendor == "sqlite" else 0.001
    monkeypatch.setattr("project.audit.views.time_limit", lambda: time_limit(limit))
    assert SearchTimeout.sentence in page(admin, who="aab")
