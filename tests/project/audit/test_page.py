"""The log of one organization, for its administrators and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from cameras.models import Camera
from project.accounts.models import Organization, User
from project.audit.models import AuditEntry, Viewing
from tests.cameras.views.rows import client_of

pytestmark = pytest.mark.django_db


def entry(club: Organization | None, who: str, **more: Any) -> AuditEntry:
    facts = {"action": "watch", "subject": "Gate"} | more
    return AuditEntry.objects.create(who=who, organization=club, **facts)


def page(user: User, **asked: str) -> str:
    answer = client_of(user).get(reverse("audit", args=["club"]), asked)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("name", ["audit", "audit-file"])
def test_it_is_the_administrators_alone(
    club: Organization, operator: User, outsider: User, name: str
) -> None:
    address = reverse(name, args=["club"])
    assert client_of(operator).get(address).status_code == 403
    assert client_of(outsider).get(address).status_code == 404
    assert not AuditEntry.objects.filter(action__in=("read log", "export log")).exists()


def test_an_administrator_sees_their_own_organization_s_entries(
    club: Organization, admin: User, outsider: User
) -> None:
    entry(club, "anna-of-us")
    entry(Organization.objects.get(slug="other"), "bert-of-them")
    entry(None, "carl-of-nobody")
    said = page(admin)
    settings = reverse("organization", args=["club"])
    assert f'href="{settings}" aria-current="page"' in said
    assert "anna-of-us" in said
    assert "bert-of-them" not in said
    assert "carl-of-nobody" not in said
    assert AuditEntry.objects.filter(action="read log", organization=club, who="admin").exists()


@pytest.mark.postgres
def test_days_are_those_of_the_organization(club: Organization, admin: User) -> None:
    """In Berlin it is past midnight."""
    at = timezone.datetime.fromisoformat("2026-03-01T23:30:00+00:00")  # type: ignore[attr-defined]
    entry(club, "anna", at=at)
    assert "2 Mar 2026, 00:30:00" in page(admin, since="2026-03-02", until="2026-03-02")
    assert "anna" not in page(admin, until="2026-03-01")


@pytest.mark.postgres
def test_it_is_filtered_and_paged(club: Organization, admin: User, camera: Camera) -> None:
    for number in range(120):
        entry(club, f"p{number:03}", camera_id=camera.pk)
    entry(club, "other", action="sign in", subject="other")
    said = page(admin, camera="gate")
    assert "p119" in said
    assert "p019" not in said
    assert "other" not in said.partition("<table")[2]
    oldest = AuditEntry.objects.get(who="p020").pk
    assert f"camera=gate&amp;before={oldest}" in said
    assert "p019" in page(admin, camera="gate", before=str(oldest))
    assert "Nothing was found" in page(admin, who="nobody at all")
    reads = AuditEntry.objects.filter(action="read log").order_by("pk")
    assert list(reads.values_list("subject", flat=True)) == [
        "camera gate", "who nobody at all",
    ]  # fmt: skip


def test_who_watches_now_is_shown(club: Organization, admin: User, outsider: User) -> None:
    for organization, who in ((club, "anna"), (Organization.objects.get(slug="other"), "bert")):
        Viewing.objects.create(
            who=who, organization=organization, subject="Gate", action="watch", process="p"
        )
    said = page(admin)
    assert "Watching now" in said
    assert "anna" in said
    assert "bert" not in said


def test_names_are_text(club: Organization, admin: User) -> None:
    entry(club, "<script>alert(1)</script>", subject="<img src=x>", detail="<b>")
    said = page(admin, who="<script>")
    assert "<script>alert" not in said
    assert "<img src=x>" not in said
    assert "<b>&lt;b&gt;" not in said
