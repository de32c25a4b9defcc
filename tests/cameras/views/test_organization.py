"""An organization's settings and members."""

from __future__ import annotations

import pytest
from django.urls import reverse

from project.accounts.models import Membership, Organization, Role, User
from tests.cameras.views.rows import client_of

pytestmark = pytest.mark.django_db


def test_invalid_settings_get_an_error_sentence(club: Organization, admin: User) -> None:
    client, address = client_of(admin), reverse("organization", args=["club"])
    bad = {"name": "Club", "time_zone": "UTC", "host": "http://x/"}
    assert "must be a bare host" in client.post(address, bad).content.decode()
    good = {"name": "New club", "time_zone": "Asia/Tokyo", "host": "cameras.example.org"}
    assert client.post(address, good).status_code == 302
    club.refresh_from_db()
    assert (club.name, club.time_zone) == ("New club", "Asia/Tokyo")
    assert club.metadata == {"serverHostURL": "cameras.example.org"}


@pytest.mark.postgres
def test_administrators_can_only_raise_the_days_of_the_audit_log(
    club: Organization, admin: User
) -> None:
    client, address = client_of(admin), reverse("organization", args=["club"])
    form = {"name": "Club", "time_zone": "UTC"}
    refused = client.post(address, form | {"audit_days": "30"})
    assert refused.status_code == 200
    assert "kept for 365 days, and this can only be raised here" in refused.content.decode()
    club.refresh_from_db()
    assert club.audit_days == 365
    for days in ("365", "", "400"):
        assert client.post(address, form | {"audit_days": days}).status_code == 302
    club.refresh_from_db()
    assert club.audit_days == 400


@pytest.mark.postgres
def test_last_administrator_cannot_be_removed(
    club: Organization, admin: User, viewer: User
) -> None:
    client = client_of(admin)
    mine = Membership.objects.get(user=admin)
    client.post(reverse("member-change", args=["club", mine.pk]), {"role": "viewer"})
    client.post(reverse("member-remove", args=["club", mine.pk]))
    mine.refresh_from_db()
    assert mine.role == Role.ADMIN
    other = Membership.objects.get(user=viewer)
    client.post(reverse("member-change", args=["club", other.pk]), {"role": "admin"})
    client.post(reverse("member-remove", args=["club", mine.pk]))
    assert not Membership.objects.filter(pk=mine.pk).exists()


def test_members_of_other_organizations_cannot_be_removed(
    club: Organization, admin: User, outsider: User
) -> None:
    theirs = Membership.objects.get(user=outsider)
    address = reverse("member-remove", args=["club", theirs.pk])
    assert client_of(admin).post(address).status_code == 404
    assert Membership.objects.filter(pk=theirs.pk).exists()
