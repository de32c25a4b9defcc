"""A browser in which somebody has signed in is not shut out by what strangers try."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from axes.models import AccessAttempt
from django.core import signing
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from project.accounts.models import Invitation, Membership, Organization, User
from project.accounts.throttling import devices
from project.accounts.throttling.devices import COOKIE, PEOPLE_MOST
from project.accounts.throttling.limits import ADDRESS_LIMIT
from project.accounts.throttling.tries import NOWHERE
from project.audit.models import AuditEntry
from tests.cameras.views.rows import PASSWORD, person
from tests.installation import KEEPER, Installation, submit
from tests.project.accounts.codes import Clock, code, enrol, first_step, is_in
from tests.project.accounts.test_attempts import spray
from tests.sockets import refusal

pytestmark = pytest.mark.django_db
LIMIT, NUMBERS_HERE = 8, 4
SCHOOL, ELSEWHERE = "192.0.2.1", "192.0.2.2"


def sign_in(browser: Client, name: str, password: str = PASSWORD, address: str = SCHOOL) -> int:
    form = {"username": name, "password": password}
    return browser.post(reverse("signin"), form, REMOTE_ADDR=address).status_code


def sign_in_by_api(browser: Client, name: str, password: str = PASSWORD) -> int:
    form = json.dumps({"username": name, "password": password})
    where = reverse("api-login")
    answer = browser.post(where, form, content_type="application/json", REMOTE_ADDR=SCHOOL)
    return answer.status_code


def known(*names: str) -> Client:
    """A browser in which these have signed in, one after the other, and out again."""
    browser = Client()
    for name in names:
        assert sign_in(browser, name, address="203.0.113.1") == 302
        browser.post(reverse("signout"))
    return browser


def holding(cookie: str) -> Client:
    browser = Client()
    browser.cookies[COOKIE] = cookie
    return browser


def copy_of(browser: Client) -> Client:
    """A thief's."""
    return holding(browser.cookies[COOKIE].value)


def device_rows() -> Any:
    return AccessAttempt.objects.filter(ip_address=NOWHERE, user_agent__startswith="a known device")


def test_a_spray_does_not_shut_out_who_is_known(viewer: User, admin: User) -> None:
    browser = known("viewer")
    spray(ADDRESS_LIMIT + 5)
    assert sign_in(Client(), "viewer") == 429
    assert sign_in(browser, "viewer") == 302
    assert sign_in_by_api(browser, "viewer") == 200


def test_nor_do_wrong_tries_under_the_same_name(viewer: User) -> None:
    browser = known("viewer")
    for _ in range(LIMIT + 1):
        sign_in(Client(), "viewer", "wrong")
    assert sign_in(Client(), "viewer") == 429
    assert sign_in(browser, "viewer") == 302
    assert sign_in(Client(), "viewer") == 429, "the strangers are not forgiven"


def test_it_is_for_that_person_only(viewer: User, admin: User) -> None:
    browser = known("viewer")
    spray(ADDRESS_LIMIT + 5)
    assert sign_in(browser, "admin") == 429
    for _ in range(LIMIT):
        assert sign_in(browser, "viewer", "wrong") in (200, 429)
    assert not AccessAttempt.objects.filter(username="viewer", ip_address=SCHOOL).exists()


@pytest.mark.postgres
def test_a_stolen_one_gives_so_many_guesses_wherever_and_no_more(viewer: User) -> None:
    thief = copy_of(known("viewer"))
    spray(ADDRESS_LIMIT + 5)
    guesses = [sign_in(thief, "viewer", f"guess {n}") for n in range(LIMIT - 1)]
    assert set(guesses) == {200}
    assert sign_in_by_api(thief, "viewer", "another guess") == 429, "the last is told already"
    for address in (SCHOOL, ELSEWHERE, "203.0.113.77"):
        assert sign_in(thief, "viewer", address=address) == 429
    assert sign_in(Client(), "viewer", address=ELSEWHERE) == 302, "others are not concerned"
    device_rows().update(attempt_time=timezone.now() - timedelta(minutes=11))
    assert sign_in(thief, "viewer") == 302


@pytest.mark.postgres
def test_the_log_has_the_tries_and_the_lock_of_a_device(viewer: User) -> None:
    browser = known("viewer")
    for _ in range(LIMIT + 5):
        sign_in(browser, "viewer", "wrong")
    failures = AuditEntry.objects.filter(action="fail to sign in", subject="viewer")
    assert failures.count() == LIMIT + 1
    assert "while locked out" in failures.order_by("-pk")[0].detail
    assert AuditEntry.objects.filter(action="be locked out", subject="viewer").count() == 1
    assert device_rows().get().failures_since_start == LIMIT + 5


def test_the_right_password_forgives_the_device(viewer: User) -> None:
    browser = known("viewer")
    sign_in(browser, "viewer", "wrong")
    assert device_rows().count() == 1
    assert sign_in(browser, "viewer") == 302
    assert not device_rows().exists()


def test_it_ends_with_the_password(viewer: User) -> None:
    elsewhere, browser = known("viewer"), known("viewer")
    sign_in(browser, "viewer", address="203.0.113.1")
    new = {"old_password": PASSWORD, "new_password1": "wing-back-9", "new_password2": "wing-back-9"}
    assert browser.post(reverse("password"), new).status_code == 302
    spray(ADDRESS_LIMIT + 5)
    assert sign_in(elsewhere, "viewer", "wing-back-9") == 429
    browser.post(reverse("signout"))
    assert sign_in(browser, "viewer", "wing-back-9") == 302, "where it was changed it is renewed"


def test_a_new_password_leaves_it_the_device_it_was_and_forgives_that_alone(viewer: User) -> None:
    browser = known("viewer")
    for _ in range(3):
        sign_in(Client(), "viewer", "wrong")
        sign_in(browser, "viewer", "wrong")
    assert device_rows().get().failures_since_start == 3
    sign_in(browser, "viewer")
    number = browser.cookies[COOKIE].value.split(":")[0]
    sign_in(copy_of(browser), "viewer", "wrong")
    new = {"old_password": PASSWORD, "new_password1": "wing-back-9", "new_password2": "wing-back-9"}
    assert browser.post(reverse("password"), new, REMOTE_ADDR=SCHOOL).status_code == 302
    assert browser.cookies[COOKIE].value.split(":")[0] == number
    assert not device_rows().exists()
    assert AccessAttempt.objects.get(ip_address=SCHOOL).failures_since_start == 3


@pytest.mark.postgres
def test_two_tries_at_once_are_told_apart(viewer: User) -> None:
    """The log has the lock, whoever counts in between."""
    browser = known("viewer")
    for _ in range(LIMIT - 1):
        sign_in(browser, "viewer", "wrong")
    device_rows().update(failures_since_start=LIMIT + 1)
    for _ in range(3):
        sign_in(browser, "viewer", "wrong")
    told = AuditEntry.objects.filter(detail__contains="while locked out")
    assert told.count() == 1


def test_one_that_is_old_or_forged_is_none(
    viewer: User, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = known("viewer").cookies[COOKIE].value
    spray(ADDRESS_LIMIT + 5)
    forged = (
        cookie[:-1] + ("A" if cookie[-1] != "A" else "B"),
        "7" + cookie[1:] if cookie[0] != "7" else "8" + cookie[1:],
        "",
        "....",
        "x" * 5000,
        "1:2:" + "3" * 43,
    )
    for one in forged:
        assert sign_in(holding(one), "viewer") == 429
    monkeypatch.setattr(devices, "LIFE", timedelta(seconds=-1))
    assert sign_in(holding(cookie), "viewer") == 429


def test_a_forged_one_tells_no_names(viewer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """As much work, once in a request, whether somebody has the name."""
    signer, work = signing.TimestampSigner, dict[str, int]()

    class Watched(signer):  # type: ignore[misc, valid-type]
        def unsign(self, *given: Any, **more: Any) -> Any:
            work[name] = work.get(name, 0) + 1
            return super().unsign(*given, **more)

    monkeypatch.setattr(signing, "TimestampSigner", Watched)
    forged = holding(".".join(["1:2:" + "3" * 43] * PEOPLE_MOST))
    for name in ("viewer", "nobody"):
        assert sign_in(forged, name, "wrong") == 200
    assert work == dict.fromkeys(("viewer", "nobody"), PEOPLE_MOST)


@pytest.mark.parametrize("https", [False, True])
def test_what_the_browser_is_given(viewer: User, settings: Any, https: bool) -> None:
    settings.SESSION_COOKIE_SECURE = https
    User.objects.filter(pk=viewer.pk).update(email="viewer@example.org")
    given = known("viewer").cookies[COOKIE]
    assert (given["httponly"], given["samesite"], bool(given["secure"])) == (True, "Lax", https)
    assert (given["max-age"], given["path"]) == (180 * 24 * 3600, "/")
    assert not any(one in given.value for one in ("viewer", str(viewer.pk), viewer.pk.hex))


def test_nobody_is_known_before_the_last_step(viewer: User, clock: Clock) -> None:
    mine = enrol(viewer, clock)
    browser = first_step(viewer)
    assert COOKIE not in browser.cookies
    spray(ADDRESS_LIMIT + 5)
    held_up = browser.post("/signin/code", {"code": mine.recovery[0]}, REMOTE_ADDR=SCHOOL)
    assert held_up.status_code == 429
    passed = browser.post("/signin/code", {"code": mine.recovery[0]}, REMOTE_ADDR=ELSEWHERE)
    assert passed.status_code == 302
    browser.post(reverse("signout"))
    assert sign_in(browser, "viewer") == 302
    passed = browser.post("/signin/code", {"code": code(mine.secret, at=clock.now)})
    assert passed.status_code == 302
    assert is_in(browser)


def test_wrong_codes_are_tries_of_the_device_too(viewer: User, clock: Clock) -> None:
    mine = enrol(viewer, clock)
    browser = copy_of(mine.client)
    for _ in range(LIMIT):
        assert sign_in(browser, "viewer") == 302, "the first step forgives nothing"
        answer = browser.post("/signin/code", {"code": "a" * 16}, REMOTE_ADDR=SCHOOL)
    assert answer.status_code == 429
    assert device_rows().get().failures_since_start == LIMIT
    assert sign_in(browser, "viewer") == 429
    assert sign_in(Client(), "viewer") == 302


def test_a_device_stays_the_one_it_was_and_a_person_has_so_many(
    viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "NUMBERS", NUMBERS_HERE)
    first = known("viewer")
    before = first.cookies[COOKIE].value
    sign_in(first, "viewer")
    assert first.cookies[COOKIE].value.split(":")[0] == before.split(":")[0]
    for _ in range(3 * NUMBERS_HERE):
        browser = known("viewer")
        sign_in(browser, "viewer", "wrong")
    assert device_rows().count() <= NUMBERS_HERE


def test_a_few_people_share_a_browser(club: Organization) -> None:
    names = [f"coach-{number}" for number in range(PEOPLE_MOST + 1)]
    for name in names:
        person(name, club, "viewer")
    browser = known(*names)
    spray(ADDRESS_LIMIT + 5)
    assert sign_in(browser, names[0]) == 429, "the fifth took the place of the first"
    for name in names[1:]:
        assert sign_in(browser, name) == 302
        browser.post(reverse("signout"))


def test_who_joins_by_invitation_is_known(admin: User) -> None:
    home = Membership.objects.get(user=admin).organization
    text = Invitation(organization=home, created_by=admin, role="viewer").issue()
    browser = Client()
    form = {"username": "new", "password1": PASSWORD, "password2": PASSWORD}
    assert browser.post(reverse("invitation", args=[text]), form).status_code == 302
    assert COOKIE in browser.cookies


def test_alone_it_opens_nothing(installation: Installation) -> None:
    with httpx.Client(base_url=installation.url, timeout=30) as keeper:
        assert submit(keeper, keeper.get("/signin"), KEEPER).status_code == 302
        cookie = keeper.cookies[COOKIE]
    with httpx.Client(base_url=installation.url, cookies={COOKIE: cookie}, timeout=30) as stranger:
        assert stranger.get("/").headers["Location"].startswith("/signin")
        assert stranger.get("/signin/code").headers["Location"] == "/signin"
        assert stranger.get("/api/v1/cameras").status_code == 401
        bearer = {"Authorization": f"Bearer {cookie}"}
        assert stranger.get("/api/v1/cameras", headers=bearer).status_code == 401
    camera = "00000000-0000-0000-0000-000000000001"
    for name in (COOKIE, "sideline_session"):
        headers = {"Cookie": f"{name}={cookie}"}
        assert refusal(installation, camera, headers=headers, origin=installation.url) == 403
    assert refusal(installation, camera, query=f"?ticket={cookie}") == 403
