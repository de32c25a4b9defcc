"""Wrong tries are counted on every door, by name and address and by address alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.db.models import QuerySet
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from project.accounts.models import Invitation, Organization, SignInLink, User
from project.accounts.throttling.attempts import TURN, network_of
from project.accounts.throttling.limits import ADDRESS_LIMIT, TURN_TAKEN
from project.accounts.throttling.tries import NOWHERE
from project.audit.models import AuditEntry
from tests.cameras.views.rows import PASSWORD
from tests.project.accounts.codes import Clock, enrol, first_step

pytestmark = pytest.mark.django_db
LIMIT = 8


def sign_in(name: str, password: str = "wrong", address: str = "192.0.2.1") -> int:
    form = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address).post(reverse("signin"), form).status_code


def write_tries(names: int) -> None:
    """The rows of so many names that were wrong once each: a door takes its time."""
    now = timezone.now()
    AccessAttempt.objects.bulk_create(
        AccessAttempt(
            username=f"somebody-{number}", ip_address="192.0.2.1", user_agent="",
            failures_since_start=1, attempt_time=now,
        )
        for number in range(names)
    )  # fmt: skip


def spray(tries: int) -> None:
    """Each with a name that is tried once, those from the limit on at the door. A turn that was
    taken then lasts until it passes."""
    write_tries(ADDRESS_LIMIT - 1)
    for number in range(ADDRESS_LIMIT - 1, tries):
        sign_in(f"somebody-{number}")
    the_turn_lasts()


def of_addresses() -> QuerySet[Any]:
    return AccessAttempt.objects.exclude(ip_address=NOWHERE)  # type: ignore[no-any-return]


def the_turn_lasts() -> None:
    """However slow the machine is."""
    later = timezone.now() + timedelta(hours=1)
    AccessAttempt.objects.filter(user_agent=TURN_TAKEN).update(attempt_time=later)


def a_turn_passes() -> None:
    past = timezone.now() - TURN
    AccessAttempt.objects.filter(user_agent=TURN_TAKEN).update(attempt_time=past)


def _api(browser: Client) -> Any:
    form = json.dumps({"username": "viewer", "password": "no"})
    return browser.post(reverse("api-login"), form, content_type="application/json")


NEW = {"old_password": "no", "new_password1": "wing-back-9", "new_password2": "wing-back-9"}
DOORS: dict[str, Callable[[Client], Any]] = {
    "page": lambda one: one.post(reverse("signin"), {"username": "viewer", "password": "no"}),
    "API": _api,
    "second step": lambda one: one.post("/signin/code", {"code": "a" * 16}),
    "present password": lambda one: one.post(reverse("password"), NEW),
    "proof": lambda one: one.post(reverse("second-factor-off"), {"proof": "no"}),
    "e-mail": lambda one: one.post(reverse("email"), {"email": "a@example.org", "password": "no"}),
    "sign-in link": lambda one: one.post("/signin/a-guess"),
    "sign-in link, looked at": lambda one: one.get("/signin/a-guess"),
    "reset": lambda one: one.get("/signin/reset/" + "0" * 32 + "/a-guess"),
    "invitation": lambda one: one.post("/invitations/a-guess"),
    "share link": lambda one: one.get("/shared/a-guess"),
}
MINE = ("present password", "proof", "e-mail")


@pytest.mark.parametrize("door", DOORS)
def test_every_door_is_locked_after_wrong_tries(viewer: User, clock: Clock, door: str) -> None:
    mine = enrol(viewer, clock)
    nobody = first_step(viewer) if door == "second step" else Client()
    answers = [DOORS[door](mine.client if door in MINE else nobody) for _ in range(LIMIT + 1)]
    statuses = [one.status_code for one in answers]
    assert 429 not in statuses[: LIMIT - 1]
    assert statuses[-2:] == [429, 429]
    assert answers[-1]["Retry-After"] == "600"


def test_a_lock_says_when_to_come_again(viewer: User) -> None:
    answers = [DOORS["page"](Client()) for _ in range(LIMIT)]
    assert "wrong. Try again in 10 minutes" in answers[-1].content.decode()


@pytest.mark.postgres
def test_a_lock_is_of_one_name_at_one_address(viewer: User, admin: User) -> None:
    for _ in range(LIMIT):
        sign_in("viewer")
    assert sign_in("viewer", PASSWORD) == 429
    assert sign_in("viewer", PASSWORD, "192.0.2.2") == 302
    assert sign_in("admin", PASSWORD) == 302


def test_one_address_cannot_try_a_password_on_everybody(viewer: User) -> None:
    for number in range(ADDRESS_LIMIT):
        sign_in(f"somebody-{number}")
    assert sign_in("victim-0", PASSWORD) == 429
    the_turn_lasts()
    statuses = {sign_in(f"victim-{number}", PASSWORD) for number in range(1, 10)}
    assert statuses == {429}
    assert AccessAttempt.objects.filter(username__startswith="victim").count() == 1, "examined"
    assert sign_in("viewer", PASSWORD) == 429
    assert Client(REMOTE_ADDR="192.0.2.1").get("/signin/a-guess").status_code == 429
    assert sign_in("viewer", PASSWORD, "192.0.2.2") == 302


def test_rows_that_tests_make_are_those_that_the_door_makes() -> None:
    def made() -> list[dict[str, Any]]:
        rows = of_addresses().order_by("pk").values()
        return [{**row, "id": 0, "attempt_time": 0} for row in rows]

    for number in range(3):
        sign_in(f"somebody-{number}")
    by_the_door = made()
    AccessAttempt.objects.all().delete()
    write_tries(3)
    assert made() == by_the_door


@pytest.mark.postgres
def test_a_program_that_invents_names_locks_nobody_out_behind_its_address(
    viewer: User, admin: User
) -> None:
    spray(ADDRESS_LIMIT + 5)  # the first of the five takes the turn
    assert sign_in("viewer", PASSWORD) == 429
    a_turn_passes()
    assert sign_in("viewer", PASSWORD) == 302
    the_turn_lasts()
    assert sign_in("admin", PASSWORD) == 429, "the turns are shared"
    a_turn_passes()
    assert sign_in("admin", PASSWORD) == 302


def test_who_was_wrong_while_the_address_is_locked_has_no_further_turn(viewer: User) -> None:
    spray(ADDRESS_LIMIT)
    assert sign_in("viewer") == 429
    a_turn_passes()
    assert sign_in("viewer", PASSWORD) == 429


@pytest.mark.postgres
def test_tries_while_locked_out_leave_no_rows(
    viewer: User, caplog: pytest.LogCaptureFixture
) -> None:
    spray(ADDRESS_LIMIT + 1)
    rows, entries = of_addresses().count(), AuditEntry.objects.count()
    caplog.clear()
    browser = Client(REMOTE_ADDR="192.0.2.1")
    for number in range(20):
        form = {"username": f"{number:0140}", "password": "wrong"}
        answer = browser.post(reverse("api-login"), form, content_type="application/json")
        assert answer.status_code == 429
    assert of_addresses().count() - rows == 2  # of the address, however many tries
    assert AuditEntry.objects.count() - entries == 1
    assert "while locked out" in AuditEntry.objects.latest("pk").detail
    warned = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert warned == ["sign-ins from 192.0.2.1 go on while they are locked out"]


@pytest.mark.postgres
def test_a_lock_of_an_address_lasts_until_its_tries_have_paused(viewer: User) -> None:
    spray(ADDRESS_LIMIT + 3)
    late = timezone.now() - timedelta(minutes=11)
    AccessAttempt.objects.filter(user_agent="").update(attempt_time=late)
    sign_in("somebody-new")  # who takes no turn: the last is a moment ago
    assert sign_in("viewer", PASSWORD) == 429
    AccessAttempt.objects.update(attempt_time=late)
    assert sign_in("viewer", PASSWORD) == 302


@pytest.mark.postgres
def test_one_program_that_never_gives_up_locks_nobody_else_out(viewer: User) -> None:
    for _ in range(LIMIT + 2):
        sign_in("forgotten-script")
    of_addresses().filter(username="forgotten-script").update(failures_since_start=ADDRESS_LIMIT)
    assert sign_in("forgotten-script") == 429
    assert sign_in("viewer", PASSWORD) == 302


def test_signing_in_with_ones_own_account_does_not_forget_the_address(
    viewer: User,
) -> None:
    write_tries(ADDRESS_LIMIT - 1)
    assert sign_in("viewer", PASSWORD) == 302
    sign_in("one-more")
    sign_in("who-takes-the-turn")
    the_turn_lasts()
    assert sign_in("viewer", PASSWORD) == 429


@pytest.mark.postgres
def test_what_was_typed_is_not_kept(viewer: User, clock: Clock) -> None:
    form = {"username": "viewer", "password": "nearly-right", "code": "123456"}
    Client(HTTP_USER_AGENT="x" * 300).post(reverse("signin") + "?token=abc", form)
    Client().post("/signin/a-guess", form)
    kept = str(list(AccessAttempt.objects.values()))
    assert not any(one in kept for one in ("nearly-right", "123456", "abc", "a-guess"))
    assert of_addresses().count() == 2


@pytest.mark.postgres
def test_a_row_does_not_grow_with_what_browsers_call_themselves(viewer: User) -> None:
    for number in range(LIMIT):
        form = {"username": "viewer", "password": "wrong"}
        Client(HTTP_USER_AGENT=f"browser {number}").post(reverse("signin"), form)
    assert of_addresses().get().failures_since_start == LIMIT


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("", None),
        ("somewhere", None),
    ],
)
def test_an_address_is_a_client(peer: str, counted: str | None) -> None:
    assert network_of(RequestFactory(REMOTE_ADDR=peer).get("/")) == counted


def test_links_that_were_right_once_are_no_guesses(viewer: User, admin: User) -> None:
    invitation = Invitation(organization=admin.memberships.get().organization, created_by=admin)
    asked = reverse("invitation", args=[invitation.issue()])
    invitation.revoke()
    signed = reverse("signin-link", args=[SignInLink.issue(viewer)])
    assert Client().post(signed).status_code == 302
    for _ in range(LIMIT + 1):
        for path in (asked, signed):
            assert {Client().get(path).status_code, Client().post(path).status_code} == {410}
    assert not AccessAttempt.objects.exists()


def test_a_header_is_not_believed_about_the_address(viewer: User, club: Organization) -> None:
    form = {"username": "viewer", "password": "wrong"}
    for number in range(LIMIT):
        Client(HTTP_X_FORWARDED_FOR=f"198.51.100.{number}").post(reverse("signin"), form)
    assert Client().post(reverse("signin"), form).status_code == 429
