"""Failures are counted at every entry point, by name and address, and by address alone."""

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
from project.accounts.throttling.attempts import ADDRESS_LIMIT, NOWHERE, client_network
from project.audit.models import AuditEntry
from tests.cameras.views.rows import PASSWORD
from tests.project.accounts.codes import Clock, enrol, first_step

pytestmark = pytest.mark.django_db
LIMIT = 8


def sign_in(name: str, password: str = "wrong", address: str = "192.0.2.1") -> int:
    form = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address).post(reverse("signin"), form).status_code


def create_failures(names: int) -> None:
    """Create the rows of `names` names with one failure each, which is faster than requests."""
    now = timezone.now()
    AccessAttempt.objects.bulk_create(
        AccessAttempt(
            username=f"somebody-{number}", ip_address="192.0.2.1", user_agent="",
            failures_since_start=1, attempt_time=now,
        )
        for number in range(names)
    )  # fmt: skip


def spray(attempts: int) -> None:
    """Let `attempts` names fail once each, those from the limit on by requests."""
    create_failures(ADDRESS_LIMIT - 1)
    for number in range(ADDRESS_LIMIT - 1, attempts):
        sign_in(f"somebody-{number}")


def address_rows() -> QuerySet[Any]:
    return AccessAttempt.objects.exclude(ip_address=NOWHERE)  # type: ignore[no-any-return]


def _api(browser: Client) -> Any:
    form = json.dumps({"username": "viewer", "password": "no"})
    return browser.post(reverse("api-login"), form, content_type="application/json")


NEW = {"old_password": "no", "new_password1": "wing-back-9", "new_password2": "wing-back-9"}
ENTRY_POINTS: dict[str, Callable[[Client], Any]] = {
    "page": lambda client: client.post(reverse("signin"), {"username": "viewer", "password": "no"}),
    "API": _api,
    "second step": lambda client: client.post("/signin/code", {"code": "a" * 16}),
    "present password": lambda client: client.post(reverse("password"), NEW),
    "proof": lambda client: client.post(reverse("second-factor-off"), {"proof": "no"}),
    "e-mail": lambda client: client.post(
        reverse("email"), {"email": "a@example.org", "password": "no"}
    ),
    "sign-in link": lambda client: client.post("/signin/a-guess"),
    "sign-in link, GET": lambda client: client.get("/signin/a-guess"),
    "reset": lambda client: client.get("/signin/reset/" + "0" * 32 + "/a-guess"),
    "invitation": lambda client: client.post("/invitations/a-guess"),
    "share link": lambda client: client.get("/shared/a-guess"),
}
SIGNED_IN = ("present password", "proof", "e-mail")


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_every_entry_point_is_locked_after_failures(
    viewer: User, clock: Clock, entry_point: str
) -> None:
    enrolled = enrol(viewer, clock)
    anonymous = first_step(viewer) if entry_point == "second step" else Client()
    responses = [
        ENTRY_POINTS[entry_point](enrolled.client if entry_point in SIGNED_IN else anonymous)
        for _ in range(LIMIT + 1)
    ]
    statuses = [response.status_code for response in responses]
    assert 429 not in statuses[: LIMIT - 1]
    assert statuses[-2:] == [429, 429]
    assert responses[-1]["Retry-After"] == "600"


def test_lockout_page_says_when_to_retry(viewer: User) -> None:
    responses = [ENTRY_POINTS["page"](Client()) for _ in range(LIMIT)]
    assert "wrong. Try again in 10 minutes" in responses[-1].content.decode()


@pytest.mark.postgres
def test_lock_applies_to_one_name_at_one_address(viewer: User, admin: User) -> None:
    for _ in range(LIMIT):
        sign_in("viewer")
    assert sign_in("viewer", PASSWORD) == 429
    assert sign_in("viewer", PASSWORD, "192.0.2.2") == 302
    assert sign_in("admin", PASSWORD) == 302


def test_one_address_cannot_try_a_password_on_many_names(viewer: User) -> None:
    for number in range(ADDRESS_LIMIT):
        sign_in(f"somebody-{number}")
    statuses = {sign_in(f"victim-{number}", PASSWORD) for number in range(10)}
    assert statuses == {429}
    assert not AccessAttempt.objects.filter(username__startswith="victim").exists()
    assert sign_in("viewer", PASSWORD) == 429
    assert Client(REMOTE_ADDR="192.0.2.1").get("/signin/a-guess").status_code == 429
    assert sign_in("viewer", PASSWORD, "192.0.2.2") == 302


def test_helper_creates_the_rows_that_the_view_creates() -> None:
    def rows_without_times() -> list[dict[str, Any]]:
        rows = address_rows().order_by("pk").values()
        return [{**row, "id": 0, "attempt_time": 0} for row in rows]

    for number in range(3):
        sign_in(f"somebody-{number}")
    created_by_view = rows_without_times()
    AccessAttempt.objects.all().delete()
    create_failures(3)
    assert rows_without_times() == created_by_view


@pytest.mark.postgres
def test_attempts_while_locked_create_no_rows(
    viewer: User, caplog: pytest.LogCaptureFixture
) -> None:
    spray(ADDRESS_LIMIT)
    rows, entries = address_rows().count(), AuditEntry.objects.count()
    caplog.clear()
    browser = Client(REMOTE_ADDR="192.0.2.1")
    for number in range(20):
        form = {"username": f"{number:0140}", "password": "wrong"}
        answer = browser.post(reverse("api-login"), form, content_type="application/json")
        assert answer.status_code == 429
    assert address_rows().count() - rows == 1  # of the address, for any number of attempts
    assert AuditEntry.objects.count() - entries == 1
    assert "while locked out" in AuditEntry.objects.latest("pk").detail
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["sign-ins from 192.0.2.1 continue while locked out"]


@pytest.mark.postgres
def test_address_stays_locked_until_its_attempts_pause(viewer: User) -> None:
    spray(ADDRESS_LIMIT + 3)
    late = timezone.now() - timedelta(minutes=11)
    AccessAttempt.objects.filter(user_agent="").update(attempt_time=late)
    sign_in("somebody-new")
    assert sign_in("viewer", PASSWORD) == 429
    AccessAttempt.objects.update(attempt_time=late)
    assert sign_in("viewer", PASSWORD) == 302


@pytest.mark.postgres
def test_one_persistent_program_does_not_lock_out_others(viewer: User) -> None:
    for _ in range(LIMIT + 2):
        sign_in("forgotten-script")
    address_rows().filter(username="forgotten-script").update(failures_since_start=ADDRESS_LIMIT)
    assert sign_in("forgotten-script") == 429
    assert sign_in("viewer", PASSWORD) == 302


def test_own_sign_in_does_not_clear_the_failures_of_the_address(
    viewer: User,
) -> None:
    create_failures(ADDRESS_LIMIT - 1)
    assert sign_in("viewer", PASSWORD) == 302
    sign_in("one-more")
    assert sign_in("viewer", PASSWORD) == 429


@pytest.mark.postgres
def test_submitted_values_are_not_stored(viewer: User, clock: Clock) -> None:
    form = {"username": "viewer", "password": "nearly-right", "code": "123456"}
    Client(HTTP_USER_AGENT="x" * 300).post(reverse("signin") + "?token=abc", form)
    Client().post("/signin/a-guess", form)
    stored = str(list(AccessAttempt.objects.values()))
    assert not any(text in stored for text in ("nearly-right", "123456", "abc", "a-guess"))
    assert address_rows().count() == 2


@pytest.mark.postgres
def test_user_agents_do_not_create_further_rows(viewer: User) -> None:
    for number in range(LIMIT):
        form = {"username": "viewer", "password": "wrong"}
        Client(HTTP_USER_AGENT=f"browser {number}").post(reverse("signin"), form)
    assert address_rows().get().failures_since_start == LIMIT


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
def test_client_address_is_normalized(peer: str, counted: str | None) -> None:
    assert client_network(RequestFactory(REMOTE_ADDR=peer).get("/")) == counted


def test_used_and_revoked_links_are_not_counted(viewer: User, admin: User) -> None:
    own = admin.memberships.get()
    invitation = Invitation(organization=own.organization, membership=own)
    invited = reverse("invitation", args=[invitation.issue()])
    invitation.revoke()
    signed = reverse("signin-link", args=[SignInLink(user=viewer).issue()])
    assert Client().post(signed).status_code == 302
    for _ in range(LIMIT + 1):
        for path in (invited, signed):
            assert {Client().get(path).status_code, Client().post(path).status_code} == {410}
    assert not AccessAttempt.objects.exists()


def test_forwarded_header_of_an_untrusted_peer_is_ignored(viewer: User, club: Organization) -> None:
    form = {"username": "viewer", "password": "wrong"}
    for number in range(LIMIT):
        Client(HTTP_X_FORWARDED_FOR=f"198.51.100.{number}").post(reverse("signin"), form)
    assert Client().post(reverse("signin"), form).status_code == 429
