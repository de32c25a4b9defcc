"""Failed sign-ins from many addresses: a few a minute are listed, the others are counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.db.models import F
from django.test import Client
from django.urls import reverse

from project.accounts.models import User
from project.accounts.throttling.attempts import NOWHERE
from project.audit import failed_sign_ins
from project.audit.failed_sign_ins import WINDOW, write_unlisted
from project.audit.log import Action
from project.audit.models import AuditEntry

pytestmark = pytest.mark.django_db
LIMIT, LISTED = 8, 3


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the limit: a slow machine needs more than the window for 30 sign-ins."""
    monkeypatch.setattr(failed_sign_ins, "MAX_LISTED", LISTED)


def sign_in(number: int, name: str = "") -> None:
    """Fail to sign in, from an address of its own."""
    form = {"username": name or f"nobody-{number}", "password": "wrong"}
    address = f"198.51.{number // 250}.{number % 250 + 1}"
    Client(REMOTE_ADDR=address).post(reverse("signin"), form)


def a_minute_passes() -> None:
    counts = AccessAttempt.objects.filter(ip_address=NOWHERE)
    counts.update(attempt_time=F("attempt_time") - WINDOW)


def listed(action: str = Action.SIGN_IN_FAILED) -> list[str]:
    rows = AuditEntry.objects.filter(action=action).order_by("pk")
    return list(rows.values_list("subject", flat=True))


@pytest.mark.postgres
@pytest.mark.usefixtures("few")
def test_flood_makes_a_few_entries_and_a_count() -> None:
    for number in range(LISTED + 12):
        sign_in(number)
    assert listed() == [f"nobody-{number}" for number in range(LISTED)]
    write_unlisted()
    assert len(listed()) == LISTED, "the minute is not over"
    a_minute_passes()
    write_unlisted()
    write_unlisted()
    assert listed()[LISTED:] == ["12 more failed sign-ins under other names"]
    entry = AuditEntry.objects.latest("pk")
    assert (entry.who, "not listed" in entry.detail) == ("nobody known", True)


@pytest.mark.postgres
@pytest.mark.usefixtures("few")
def test_next_minute_lists_again_and_writes_the_previous_count() -> None:
    for number in range(LISTED + 2):
        sign_in(number)
    a_minute_passes()
    for number in range(LISTED + 1):
        sign_in(500 + number)
    expected = [
        "2 more failed sign-ins under other names",
        *(f"nobody-{500 + n}" for n in range(LISTED)),
    ]
    assert listed()[LISTED:] == expected
    write_unlisted(include_open=True)
    assert listed()[2 * LISTED + 1 :] == ["1 more failed sign-ins under other names"]
    sign_in(900)
    assert len(listed()) == 2 * LISTED + 2, "the minute is not over"


@pytest.mark.usefixtures("few")
def test_invented_names_do_not_hide_a_user(viewer: User, settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 2
    for number in range(LISTED + 5):
        sign_in(number)
    for _ in range(2):
        sign_in(999, "viewer")
    assert listed()[LISTED:] == ["viewer"] * 2
    assert listed(Action.LOCKED_OUT) == ["viewer"]


@pytest.mark.usefixtures("few")
def test_lockouts_of_many_addresses_are_bounded(viewer: User) -> None:
    for address in range(LISTED + 3):
        for _ in range(LIMIT):
            sign_in(address, "viewer")
    assert listed(Action.LOCKED_OUT) == ["viewer"] * LISTED
    a_minute_passes()
    write_unlisted()
    assert "3 more lockouts, and tries while locked out" in listed()
    assert f"{(LISTED + 3) * LIMIT - LISTED} more failed sign-ins under names of people" in listed()


@pytest.mark.postgres
@pytest.mark.usefixtures("few")
def test_unwritten_count_outlasts_lockouts() -> None:
    """Rows of failures are deleted after the cool-off, but not those with unwritten counts."""
    for number in range(LISTED + 2):
        sign_in(number)
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(hours=1))
    sign_in(500)
    assert listed()[LISTED:] == ["2 more failed sign-ins under other names", "nobody-500"]
