"""An organization's settings and members."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth import get_user
from django.test import Client
from django.urls import reverse

from cameras.models import (
    Membership,
    Organization,
    Role,
    SignInLink,
    User,
)
from tests.cameras.pages.rows import client_of

pytestmark = pytest.mark.django_db


def test_settings_are_validated_in_words(club: Organization, admin: User) -> None:
    client, address = client_of(admin), reverse("organization", args=["club"])
    bad = {"name": "Club", "time_zone": "UTC", "host": "http://x/"}
    assert "must be a bare host" in client.post(address, bad).content.decode()
    good = {"name": "New club", "time_zone": "Asia/Tokyo", "host": "cameras.example.org"}
    assert client.post(address, good).status_code == 302
    club.refresh_from_db()
    assert (club.name, club.time_zone) == ("New club", "Asia/Tokyo")
    assert club.metadata == {"serverHostURL": "cameras.example.org"}


def test_a_new_person_gets_a_link_that_is_shown_once(club: Organization, admin: User) -> None:
    client = client_of(admin)
    address = reverse("member-add", args=["club"])
    page = client.post(address, {"username": "fresh", "role": "viewer"}).content.decode()
    found = re.search(r"http://testserver(/signin/[\w-]+)", page)
    assert found
    assert not User.objects.get(username="fresh").has_usable_password()
    assert found[1] not in client.get(reverse("organization", args=["club"])).content.decode()
    newcomer = Client()
    assert "Sign in as fresh" in newcomer.get(found[1]).content.decode()
    assert newcomer.post(found[1]).status_code == 302
    assert get_user(newcomer).get_username() == "fresh"  # type: ignore[arg-type]
    assert Client().post(found[1]).status_code == 410


def test_nobody_gets_a_link_for_an_account_that_exists(
    club: Organization, admin: User, outsider: User
) -> None:
    address = reverse("member-add", args=["club"])
    answer = client_of(admin).post(address, {"username": "outsider", "role": "viewer"})
    assert answer.status_code == 302
    assert not SignInLink.objects.exists()
    assert Membership.objects.filter(user=outsider, organization=club).exists()


def test_the_last_administrator_stays(club: Organization, admin: User, viewer: User) -> None:
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


def test_members_of_other_organizations_cannot_be_reached_through_ones_own(
    club: Organization, admin: User, outsider: User
) -> None:
    theirs = Membership.objects.get(user=outsider)
    address = reverse("member-remove", args=["club", theirs.pk])
    assert client_of(admin).post(address).status_code == 404
    assert Membership.objects.filter(pk=theirs.pk).exists()
