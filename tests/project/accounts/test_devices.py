"""Device cookies: a browser in which a user has signed in is not locked by failures of others."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from axes.models import AccessAttempt
from django.contrib.auth.tokens import default_token_generator
from django.core import signing
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from project.accounts.models import Invitation, Membership, Organization, User
from project.accounts.throttling import devices
from project.accounts.throttling.attempts import ADDRESS_LIMIT, NOWHERE
from project.accounts.throttling.devices import COOKIE, PEOPLE_MOST
from project.audit.models import AuditEntry
from tests.cameras.views.rows import PASSWORD, person
from tests.installation import KEEPER, Installation, submit
from tests.project.accounts.codes import Clock, code, enrol, first_step, is_signed_in
from tests.project.accounts.test_attempts import spray
from tests.sockets import refusal

pytestmark = pytest.mark.django_db
LIMIT, DEVICES = 8, 4
SCHOOL, ELSEWHERE = "192.0.2.1", "192.0.2.2"


def sign_in(browser: Client, name: str, password: str = PASSWORD, address: str = SCHOOL) -> int:
    form = {"username": name, "password": password}
    return browser.post(reverse("signin"), form, REMOTE_ADDR=address).status_code


def sign_in_by_api(browser: Client, name: str, password: str = PASSWORD) -> int:
    form = json.dumps({"username": name, "password": password})
    url = reverse("api-login")
    response = browser.post(url, form, content_type="application/json", REMOTE_ADDR=SCHOOL)
    return response.status_code


def known_browser(*names: str) -> Client:
    """Return a client in which these users have signed in and out, one after the other."""
    browser = Client()
    for name in names:
        assert sign_in(browser, name, address="203.0.113.1") == 302
        browser.post(reverse("signout"))
    return browser


def browser_with(cookie: str) -> Client:
    """Return a client with this device cookie."""
    browser = Client()
    browser.cookies[COOKIE] = cookie
    return browser


def copy_of(browser: Client) -> Client:
    """Return a client with a stolen copy of the device cookie."""
    return browser_with(browser.cookies[COOKIE].value)


def device_rows() -> Any:
    return AccessAttempt.objects.filter(ip_address=NOWHERE, user_agent__startswith="a known device")


def test_known_device_is_not_locked_with_its_address(viewer: User, admin: User) -> None:
    browser = known_browser("viewer")
    spray(ADDRESS_LIMIT + 5)
    assert sign_in(Client(), "viewer") == 429
    assert sign_in(browser, "viewer") == 302
    assert sign_in_by_api(browser, "viewer") == 200


def test_known_device_is_not_locked_by_failures_of_others_under_its_name(viewer: User) -> None:
    browser = known_browser("viewer")
    for _ in range(LIMIT + 1):
        sign_in(Client(), "viewer", "wrong")
    assert sign_in(Client(), "viewer") == 429
    assert sign_in(browser, "viewer") == 302
    assert sign_in(Client(), "viewer") == 429, "failures of others are not cleared"


def test_device_cookie_is_valid_for_its_user_only(viewer: User, admin: User) -> None:
    browser = known_browser("viewer")
    spray(ADDRESS_LIMIT + 5)
    assert sign_in(browser, "admin") == 429
    for _ in range(LIMIT):
        assert sign_in(browser, "viewer", "wrong") in (200, 429)
    assert not AccessAttempt.objects.filter(username="viewer", ip_address=SCHOOL).exists()


@pytest.mark.postgres
def test_stolen_device_cookie_gives_a_limited_number_of_attempts(viewer: User) -> None:
    thief = copy_of(known_browser("viewer"))
    spray(ADDRESS_LIMIT + 5)
    guesses = [sign_in(thief, "viewer", f"guess {n}") for n in range(LIMIT - 1)]
    assert set(guesses) == {200}
    assert sign_in_by_api(thief, "viewer", "another guess") == 429, "this attempt reaches the limit"
    for address in (SCHOOL, ELSEWHERE, "203.0.113.77"):
        assert sign_in(thief, "viewer", address=address) == 429
    assert sign_in(Client(), "viewer", address=ELSEWHERE) == 302, "other browsers are not locked"
    device_rows().update(attempt_time=timezone.now() - timedelta(minutes=11))
    assert sign_in(thief, "viewer") == 302


@pytest.mark.postgres
def test_failures_and_lock_of_a_device_are_in_the_audit_log(viewer: User) -> None:
    browser = known_browser("viewer")
    for _ in range(LIMIT + 5):
        sign_in(browser, "viewer", "wrong")
    failures = AuditEntry.objects.filter(action="fail to sign in", subject="viewer")
    assert failures.count() == LIMIT + 1
    assert "while locked out" in failures.order_by("-pk")[0].detail
    assert AuditEntry.objects.filter(action="be locked out", subject="viewer").count() == 1
    assert device_rows().get().failures_since_start == LIMIT + 5


def test_right_password_clears_the_failures_of_the_device(viewer: User) -> None:
    browser = known_browser("viewer")
    sign_in(browser, "viewer", "wrong")
    assert device_rows().count() == 1
    assert sign_in(browser, "viewer") == 302
    assert not device_rows().exists()


def test_device_cookie_is_invalid_after_a_password_change(viewer: User) -> None:
    elsewhere, browser = known_browser("viewer"), known_browser("viewer")
    sign_in(browser, "viewer", address="203.0.113.1")
    new = {"old_password": PASSWORD, "new_password1": "wing-back-9", "new_password2": "wing-back-9"}
    assert browser.post(reverse("password"), new).status_code == 302
    spray(ADDRESS_LIMIT + 5)
    assert sign_in(elsewhere, "viewer", "wing-back-9") == 429
    browser.post(reverse("signout"))
    assert sign_in(browser, "viewer", "wing-back-9") == 302, (
        "the browser of the change gets a new cookie"
    )


def test_device_cookie_is_invalid_after_a_password_reset_by_mail(viewer: User) -> None:
    thief = copy_of(known_browser("viewer"))
    viewer.refresh_from_db()
    link = reverse("reset", args=[viewer.pk.hex, default_token_generator.make_token(viewer)])
    new = {"new_password1": "wing-back-9", "new_password2": "wing-back-9"}
    assert Client().post(link, new, REMOTE_ADDR=ELSEWHERE).status_code == 302
    spray(ADDRESS_LIMIT)
    assert sign_in(thief, "viewer", "wing-back-9") == 429


def test_password_change_keeps_the_device_number_and_clears_only_its_failures(viewer: User) -> None:
    browser = known_browser("viewer")
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
def test_concurrent_attempts_log_one_lock(viewer: User) -> None:
    """The lock is logged once, even if another request counts in between."""
    browser = known_browser("viewer")
    for _ in range(LIMIT - 1):
        sign_in(browser, "viewer", "wrong")
    device_rows().update(failures_since_start=LIMIT)
    for _ in range(3):
        sign_in(browser, "viewer", "wrong")
    entries = AuditEntry.objects.filter(detail__contains="while locked out")
    assert entries.count() == 1


def test_old_and_forged_device_cookies_are_ignored(
    viewer: User, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = known_browser("viewer").cookies[COOKIE].value
    spray(ADDRESS_LIMIT + 5)
    forged = (
        cookie[:-1] + ("A" if cookie[-1] != "A" else "B"),
        "7" + cookie[1:] if cookie[0] != "7" else "8" + cookie[1:],
        "",
        "....",
        "x" * 5000,
        "1:2:" + "3" * 43,
    )
    for text in forged:
        assert sign_in(browser_with(text), "viewer") == 429
    monkeypatch.setattr(devices, "LIFE", timedelta(seconds=-1))
    assert sign_in(browser_with(cookie), "viewer") == 429


def test_forged_device_cookie_does_not_reveal_usernames(
    viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work is the same, and done once per request, whether or not the name exists."""
    signer, calls = signing.TimestampSigner, dict[str, int]()

    class CountingSigner(signer):  # type: ignore[misc, valid-type]
        def unsign(self, *args: Any, **kwargs: Any) -> Any:
            calls[name] = calls.get(name, 0) + 1
            return super().unsign(*args, **kwargs)

    monkeypatch.setattr(signing, "TimestampSigner", CountingSigner)
    forged = browser_with(".".join(["1:2:" + "3" * 43] * PEOPLE_MOST))
    for name in ("viewer", "nobody"):
        assert sign_in(forged, name, "wrong") == 200
    assert calls == dict.fromkeys(("viewer", "nobody"), PEOPLE_MOST)


@pytest.mark.parametrize("https", [False, True])
def test_attributes_of_the_device_cookie(viewer: User, settings: Any, https: bool) -> None:
    settings.SESSION_COOKIE_SECURE = https
    User.objects.filter(pk=viewer.pk).update(email="viewer@example.org")
    cookie = known_browser("viewer").cookies[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], bool(cookie["secure"])) == (True, "Lax", https)
    assert (cookie["max-age"], cookie["path"]) == (180 * 24 * 3600, "/")
    assert not any(text in cookie.value for text in ("viewer", str(viewer.pk), viewer.pk.hex))


def test_device_cookie_is_set_only_after_the_second_step(viewer: User, clock: Clock) -> None:
    enrolled = enrol(viewer, clock)
    browser = first_step(viewer)
    assert COOKIE not in browser.cookies
    spray(ADDRESS_LIMIT + 5)
    locked = browser.post("/signin/code", {"code": enrolled.recovery[0]}, REMOTE_ADDR=SCHOOL)
    assert locked.status_code == 429
    passed = browser.post("/signin/code", {"code": enrolled.recovery[0]}, REMOTE_ADDR=ELSEWHERE)
    assert passed.status_code == 302
    browser.post(reverse("signout"))
    assert sign_in(browser, "viewer") == 302
    passed = browser.post("/signin/code", {"code": code(enrolled.secret, at=clock.now)})
    assert passed.status_code == 302
    assert is_signed_in(browser)


def test_wrong_codes_count_for_the_device(viewer: User, clock: Clock) -> None:
    enrolled = enrol(viewer, clock)
    browser = copy_of(enrolled.client)
    for _ in range(LIMIT):
        assert sign_in(browser, "viewer") == 302, "the first step clears no failures"
        answer = browser.post("/signin/code", {"code": "a" * 16}, REMOTE_ADDR=SCHOOL)
    assert answer.status_code == 429
    assert device_rows().get().failures_since_start == LIMIT
    assert sign_in(browser, "viewer") == 429
    assert sign_in(Client(), "viewer") == 302


def test_device_number_is_kept_and_bounded(viewer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "NUMBERS", DEVICES)
    first = known_browser("viewer")
    before = first.cookies[COOKIE].value
    sign_in(first, "viewer")
    assert first.cookies[COOKIE].value.split(":")[0] == before.split(":")[0]
    for _ in range(3 * DEVICES):
        browser = known_browser("viewer")
        sign_in(browser, "viewer", "wrong")
    assert device_rows().count() <= DEVICES


def test_device_cookie_holds_a_few_users(club: Organization) -> None:
    names = [f"coach-{number}" for number in range(PEOPLE_MOST + 1)]
    for name in names:
        person(name, club, "viewer")
    browser = known_browser(*names)
    spray(ADDRESS_LIMIT + 5)
    assert sign_in(browser, names[0]) == 429, "the fifth user has replaced the first"
    for name in names[1:]:
        assert sign_in(browser, name) == 302
        browser.post(reverse("signout"))


def test_accepting_an_invitation_sets_the_device_cookie(admin: User) -> None:
    own = Membership.objects.get(user=admin)
    text = Invitation(organization=own.organization, membership=own, role="viewer").issue()
    browser = Client()
    form = {"username": "new", "password1": PASSWORD, "password2": PASSWORD}
    assert browser.post(reverse("invitation", args=[text]), form).status_code == 302
    assert COOKIE in browser.cookies


def test_device_cookie_alone_gives_no_access(installation: Installation) -> None:
    with httpx.Client(base_url=installation.url, timeout=30) as keeper:
        assert submit(keeper, keeper.get("/signin"), KEEPER).status_code == 302
        cookie = keeper.cookies[COOKIE]
    with httpx.Client(base_url=installation.url, cookies={COOKIE: cookie}, timeout=30) as other:
        assert other.get("/").headers["Location"].startswith("/signin")
        assert other.get("/signin/code").headers["Location"] == "/signin"
        assert other.get("/api/v1/cameras").status_code == 401
        bearer = {"Authorization": f"Bearer {cookie}"}
        assert other.get("/api/v1/cameras", headers=bearer).status_code == 401
    camera = "00000000-0000-0000-0000-000000000001"
    for name in (COOKIE, "sideline_session"):
        headers = {"Cookie": f"{name}={cookie}"}
        assert refusal(installation, camera, headers=headers, origin=installation.url) == 403
    assert refusal(installation, camera, query=f"?ticket={cookie}") == 403
