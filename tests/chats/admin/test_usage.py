"""Usage by day: numbers, and the pages that show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chats.models import Assistant, Quota
from chats.models import quotas as clock
from chats.usage_report import Day, usage_of
from project.accounts.models import Organization, User
from tests.cameras.views.rows import client_of


def add_usage(
    club: Organization, ago: int, tokens_in: int, tokens_out: int, answers: int = 1
) -> None:
    day = Quota.today(club) - timedelta(days=ago)
    Quota.objects.create(
        organization=club, day=day, tokens_in=tokens_in, tokens_out=tokens_out, answers=answers
    )


@pytest.mark.postgres
@pytest.mark.django_db
def test_days_are_consecutive_and_end_with_today(club: Organization) -> None:
    add_usage(club, 0, 100, 20, 2)
    add_usage(club, 29, 7, 3)
    add_usage(club, 30, 999, 999)
    found = usage_of([club])[club.pk]
    assert len(found.days) == 30
    assert found.today.day == Quota.today(club)
    assert [day.tokens for day in found.days if day.tokens] == [10, 120]
    total = found.total
    assert (total.tokens_in, total.tokens_out, total.answers) == (107, 23, 3)


@pytest.mark.postgres
@pytest.mark.django_db
def test_rows_of_users_are_not_counted_twice(club: Organization, viewer: User) -> None:
    day = Quota.reserve(club, viewer, 500, together=None, each=None)
    Quota.settle(club.pk, viewer.pk, day, reserved=500, tokens_in=40, tokens_out=60)
    assert usage_of([club])[club.pk].today == Day(day, 40, 60, 1)


@pytest.mark.postgres
@pytest.mark.django_db
def test_reserved_tokens_reduce_what_is_left(club: Organization, viewer: User) -> None:
    assert usage_of([club])[club.pk].left == 10_000_000, "of an organization that set no limit"
    Assistant.objects.create(organization=club, daily_tokens=1000, daily_tokens_each=400)
    add_usage(club, 0, 100, 20)
    Quota.reserve(club, viewer, 300, together=1000, each=400)
    found = usage_of([club])[club.pk]
    assert (found.reserved, found.left, found.limit, found.each) == (300, 580, 1000, 400)
    Assistant.objects.update(daily_tokens=10)
    assert usage_of([club])[club.pk].left == 0


@pytest.mark.django_db
def test_today_depends_on_the_time_zone_of_the_organization(
    club: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Organization.objects.create(name="Far", slug="far", time_zone="Pacific/Kiritimati")

    class Late(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2026, 3, 1, 12, 30, tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr(clock, "datetime", Late)
    found = usage_of([club, far])
    assert str(found[club.pk].today.day) == "2026-03-01"
    assert str(found[far.pk].today.day) == "2026-03-02"


@pytest.mark.postgres
@pytest.mark.django_db
def test_many_organizations_need_three_queries(django_assert_num_queries: Any) -> None:
    many = [Organization.objects.create(name=f"O{n}", slug=f"o{n}") for n in range(6)]
    for one in many:
        add_usage(one, 1, 5, 5)
    with django_assert_num_queries(3):
        assert len(usage_of(many)) == 6
    with django_assert_num_queries(0):
        assert usage_of([]) == {}


@pytest.mark.django_db
def test_days_are_a_table_without_inline_style(club: Organization, admin: User) -> None:
    add_usage(club, 3, 12_345, 678, 9)
    page = client_of(admin).get(reverse("assistant", args=["club"])).content.decode()
    usage = page[page.index('<div class="usage">') :]
    assert "style=" not in usage
    assert '<meter max="13023" value="13023">' in usage
    assert "<td>12,345</td><td>678</td><td>9</td>" in usage


@pytest.mark.django_db
def test_admin_shows_all_organizations_in_pages(
    club: Organization, staff: Client, viewer: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(11):
        add_usage(Organization.objects.create(name=f"Club {number}", slug=f"c{number}"), 1, 5, 5)
    with django_assert_max_num_queries(10):
        first = staff.get(reverse("admin:chats_usage")).content.decode()
    assert "Page 1 of 2" in first
    assert "Club 0" in first
    assert "Nothing was asked in these 30 days." in first
    assert "Club 9" in staff.get(reverse("admin:chats_usage"), {"p": 2}).content.decode()
    assert client_of(viewer).get(reverse("admin:chats_usage")).status_code == 302
