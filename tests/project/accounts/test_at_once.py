"""Concurrent guesses at two processes are limited like sequential ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from project.accounts.throttling.attempts import ADDRESS_LIMIT
from project.accounts.throttling.devices import COOKIE
from project.audit.failed_sign_ins import MAX_LISTED
from tests.installation import Installation, installed, second_server, submit
from tests.project.audit.reading import ask

pytestmark = [pytest.mark.timeout(300), pytest.mark.extended, pytest.mark.postgres]
LIMIT, AT_ONCE = 8, 50
PASSWORD = "offside-trap-4-4-2"
NAMES = ["api-stranger", "api-device", "page-stranger", "page-device"]
OWNER = "owner"
MAKE = f"""
from project.accounts.models import *
ours = Organization.objects.create(name="Club", slug="club")
for name in {[*NAMES, OWNER]}:
    coach = User.objects.create_user(name, password="{PASSWORD}")
    Membership.objects.create(user=coach, organization=ours, role="viewer")
"""


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Installation]]:
    """Start two processes with one database behind a proxy. Each name has its own address."""
    folder: Path = tmp_path_factory.mktemp("at-once")
    settings = {"SIDELINE_DEMO": "0", "SIDELINE_TRUSTED_PROXIES": "127.0.0.1"}
    with installed(folder, **settings) as first:
        first.serve()
        with second_server(first) as second:
            first.manage("shell", "-v0", "-c", MAKE)
            yield [first, second]


def by_api(
    installation: Installation, name: str, password: str, headers: dict[str, str]
) -> httpx.Response:
    form = {"username": name, "password": password}
    return httpx.post(
        f"{installation.url}/api/v1/auth/login", json=form, headers=headers, timeout=120
    )


def by_page(
    installation: Installation, name: str, password: str, headers: dict[str, str]
) -> httpx.Response:
    cookie = headers.get("Cookie", "").partition("=")[2]
    known = {COOKIE: cookie} if cookie else {}
    forwarded = {"X-Forwarded-For": headers["X-Forwarded-For"]}
    with httpx.Client(cookies=known, headers=forwarded, timeout=120) as client:
        page = client.get(f"{installation.url}/signin")
        return submit(client, page, {"username": name, "password": password})


def device_of(installation: Installation, name: str) -> str:
    headers = {"X-Forwarded-For": "198.51.100.250"}
    with httpx.Client(headers=headers, timeout=120) as client:
        form = {"username": name, "password": PASSWORD}
        assert submit(client, client.get(f"{installation.url}/signin"), form).status_code == 302
        return str(client.cookies[COOKIE])


def clear_counts(installation: Installation) -> None:
    """Delete the counts, so that the log lists each of the next failed sign-ins."""
    ask(installation, "DELETE FROM axes_accessattempt WHERE user_agent LIKE 'failed sign-ins%'")


def set_minute_start(installation: Installation, at: str) -> None:
    """Set the start of the minute in which failures are counted, as an SQL expression."""
    ask(
        installation,
        f"UPDATE axes_accessattempt SET attempt_time = {at}"
        " WHERE user_agent LIKE 'failed sign-ins%'",
    )


def count_checked(installation: Installation, name: str) -> int:
    """Return the number of wrong attempts that were checked, from the audit log."""
    return len(
        ask(
            installation,
            "SELECT id FROM audit_auditentry WHERE action = 'fail to sign in'"
            f" AND subject = '{name}' AND detail NOT LIKE '%while%'",
        )
    )


def run_at_once(attempt: Callable[[int], int]) -> list[int]:
    """Return the results of `AT_ONCE` calls that begin at the same moment."""
    ready = threading.Barrier(AT_ONCE)

    def begin(number: int) -> int:
        ready.wait(60)
        return attempt(number)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(begin, range(AT_ONCE)))


@pytest.mark.parametrize("name", NAMES)
def test_concurrent_guesses_are_limited_like_sequential_ones(
    processes: list[Installation], name: str
) -> None:
    guess = by_api if name.startswith("api") else by_page
    headers = {"X-Forwarded-For": f"198.51.100.{1 + NAMES.index(name)}"}
    if name.endswith("device"):
        headers["Cookie"] = f"{COOKIE}={device_of(processes[0], name)}"
    clear_counts(processes[0])
    statuses = run_at_once(
        lambda n: guess(processes[n % 2], name, f"wrong-{n}", headers).status_code
    )
    checked = [status for status in statuses if status not in (429, 503)]
    assert len(checked) < LIMIT, statuses
    assert statuses.count(429) > 0
    assert count_checked(processes[0], name) == LIMIT
    assert guess(processes[1], name, PASSWORD, headers).status_code == 429


def test_concurrent_guesses_under_many_names_are_limited_at_their_address(
    processes: list[Installation],
) -> None:
    left, headers = 3, {"X-Forwarded-For": "198.51.100.50"}
    for number in range(ADDRESS_LIMIT - left):
        ask(
            processes[0],
            "INSERT INTO axes_accessattempt (username, ip_address, user_agent, http_accept,"
            " path_info, get_data, post_data, failures_since_start, attempt_time)"
            f" VALUES ('failed-{number}', '198.51.100.50', '', '', '', '', '', 1,"
            " CURRENT_TIMESTAMP)",
        )
    statuses = run_at_once(
        lambda n: by_api(processes[n % 2], f"sprayed-{n}", "wrong", headers).status_code
    )
    assert set(statuses) <= {401, 429}
    assert statuses.count(401) <= left, statuses
    assert by_api(processes[1], OWNER, PASSWORD, headers).status_code == 429
    checked = ask(processes[0], "SELECT id FROM axes_accessattempt WHERE username LIKE 'sprayed-%'")
    assert len(checked) <= left


def test_right_password_among_concurrent_guesses_gives_one_more_limit(
    processes: list[Installation],
) -> None:
    """A success clears the failures, also those that are being checked at that moment."""
    headers = {"X-Forwarded-For": "198.51.100.60"}
    clear_counts(processes[0])
    passwords = [PASSWORD if number == 0 else f"wrong-{number}" for number in range(AT_ONCE)]
    statuses = run_at_once(
        lambda n: by_api(processes[n % 2], OWNER, passwords[n], headers).status_code
    )
    assert set(statuses) <= {200, 401, 429}
    assert LIMIT - 1 <= count_checked(processes[0], OWNER) <= 2 * LIMIT - 1


def test_two_processes_share_the_limit_of_logged_failures(
    processes: list[Installation],
) -> None:
    """Each attempt has its own address. Must be last: it stops a process."""
    first, second = processes
    clear_counts(first)

    def fail(number: int) -> int:
        url = f"{processes[number % 2].url}/api/v1/auth/login"
        form = {"username": f"nobody-{number}", "password": "wrong"}
        headers = {"X-Forwarded-For": f"203.0.113.{number + 1}"}
        return httpx.post(url, json=form, headers=headers, timeout=60).status_code

    assert fail(0) == 401
    set_minute_start(first, "'2099-01-01 00:00:00'")  # the minute does not end during the test
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(fail, range(1, MAX_LISTED + 4))) == {401}
    failed = (
        "SELECT subject FROM audit_auditentry"
        " WHERE action = 'fail to sign in' AND subject LIKE '%nobody-%'"
    )
    assert len(ask(first, failed)) == MAX_LISTED
    set_minute_start(first, "CURRENT_TIMESTAMP")
    second.stop()  # a process that ends logs what it has only counted
    (entry,) = ask(first, failed.replace("nobody-", "more failed"))
    assert entry["subject"] == "4 more failed sign-ins under other names"
