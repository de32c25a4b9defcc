"""Guesses that come all at once, at two processes, are no more than one after the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from project.accounts.throttling.devices import COOKIE
from project.audit.sign_ins import MOST
from tests.installation import Installation, beside, installed, submit
from tests.project.audit.reading import ask

pytestmark = [pytest.mark.timeout(300), pytest.mark.extended, pytest.mark.postgres]
LIMIT, AT_ONCE = 8, 24
PASSWORD = "offside-trap-4-4-2"
NAMES = ["api-stranger", "api-device", "page-stranger", "page-device"]
MAKE = f"""
from project.accounts.models import *
ours = Organization.objects.create(name="Club", slug="club")
for name in {NAMES}:
    coach = User.objects.create_user(name, password="{PASSWORD}")
    Membership.objects.create(user=coach, organization=ours, role="viewer")
"""


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Installation]]:
    """Two processes with one database, behind a proxy: each name comes from an address of its
    own."""
    folder: Path = tmp_path_factory.mktemp("at-once")
    more = {"SIDELINE_DEMO": "0", "SIDELINE_TRUSTED_PROXIES": "127.0.0.1"}
    with installed(folder, **more) as first:
        first.serve()
        with beside(first) as second:
            first.manage("shell", "-v0", "-c", MAKE)
            yield [first, second]


def by_api(
    installation: Installation, name: str, password: str, more: dict[str, str]
) -> httpx.Response:
    form = {"username": name, "password": password}
    return httpx.post(f"{installation.url}/api/v1/auth/login", json=form, headers=more, timeout=120)


def by_page(
    installation: Installation, name: str, password: str, more: dict[str, str]
) -> httpx.Response:
    cookie = more.get("Cookie", "").partition("=")[2]
    known = {COOKIE: cookie} if cookie else {}
    headers = {"X-Forwarded-For": more["X-Forwarded-For"]}
    with httpx.Client(cookies=known, headers=headers, timeout=120) as client:
        page = client.get(f"{installation.url}/signin")
        return submit(client, page, {"username": name, "password": password})


def device_of(installation: Installation, name: str) -> str:
    headers = {"X-Forwarded-For": "198.51.100.250"}
    with httpx.Client(headers=headers, timeout=120) as client:
        form = {"username": name, "password": PASSWORD}
        assert submit(client, client.get(f"{installation.url}/signin"), form).status_code == 302
        return str(client.cookies[COOKIE])


def nothing_is_counted(installation: Installation) -> None:
    """So that the log lists each of the next failed sign-ins."""
    ask(installation, "DELETE FROM axes_accessattempt WHERE user_agent LIKE 'failed sign-ins%'")


def the_minute_begins(installation: Installation, at: str) -> None:
    ask(
        installation,
        f"UPDATE axes_accessattempt SET attempt_time = {at}"
        " WHERE user_agent LIKE 'failed sign-ins%'",
    )


def examined(installation: Installation, name: str) -> int:
    """Tries that were wrong, and not refused: the log has each of thirty in a minute."""
    return len(
        ask(
            installation,
            "SELECT id FROM audit_auditentry WHERE action = 'fail to sign in'"
            f" AND subject = '{name}' AND detail NOT LIKE '%while%'",
        )
    )


@pytest.mark.parametrize("name", NAMES)
def test_many_at_once_are_so_many_guesses_and_no_more(
    houses: list[Installation], name: str
) -> None:
    guess = by_api if name.startswith("api") else by_page
    more = {"X-Forwarded-For": f"198.51.100.{1 + NAMES.index(name)}"}
    if name.endswith("device"):
        more["Cookie"] = f"{COOKIE}={device_of(houses[0], name)}"
    nothing_is_counted(houses[0])
    ready = threading.Barrier(AT_ONCE)

    def one(number: int) -> int:
        ready.wait(60)
        return guess(houses[number % 2], name, f"wrong-{number}", more).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(one, range(AT_ONCE)))
    told = [status for status in answers if status not in (429, 503)]
    assert len(told) < LIMIT, answers
    assert answers.count(429) > 0
    assert examined(houses[0], name) == LIMIT
    assert guess(houses[1], name, PASSWORD, more).status_code == 429


def test_two_processes_share_the_bound_of_the_log_and_one_of_them_tells(
    houses: list[Installation],
) -> None:
    """Each try has an address of its own. Last, for it ends one of them."""
    first, second = houses
    nothing_is_counted(first)

    def fail(number: int) -> int:
        url = f"{houses[number % 2].url}/api/v1/auth/login"
        form = {"username": f"nobody-{number}", "password": "wrong"}
        headers = {"X-Forwarded-For": f"203.0.113.{number + 1}"}
        return httpx.post(url, json=form, headers=headers, timeout=60).status_code

    assert fail(0) == 401
    the_minute_begins(first, "'2099-01-01 00:00:00'")  # it lasts, however slow the machine is
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(fail, range(1, MOST + 4))) == {401}
    failed = (
        "SELECT subject FROM audit_auditentry"
        " WHERE action = 'fail to sign in' AND subject LIKE '%nobody-%'"
    )
    assert len(ask(first, failed)) == MOST
    the_minute_begins(first, "CURRENT_TIMESTAMP")
    second.stop()  # the end of a process: what was only counted is told
    (told,) = ask(first, failed.replace("nobody-", "more failed"))
    assert told["subject"] == "4 more failed sign-ins under other names"
