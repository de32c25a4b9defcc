"""The access matrix of the pages: every one, every method that does something, every asker.

What it expects stands in `pages.txt`. A route without a row fails, a row without a route as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.gate import routes
from tests.gate.bodies import body
from tests.gate.callers import GONE, Crowd
from tests.gate.inprocess import ORIGIN, InProcess
from tests.gate.tables import OVER, SIGN_IN, Row, rows
from tests.installation import Installation, installed
from tests.waiting import until

ROWS = rows("pages.txt")
ASKERS = ("nobody", "outsider", "removed", "viewer", "operator", "admin")
TOKEN = "b" * 32
NOTHING_DONE = {302, 400, 403, 404, 405, OVER}


@pytest.fixture(scope="module")
def crowd(here: InProcess) -> Crowd:
    return Crowd(here, "gate")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One that may be full of cameras, and locked against who tries bad links."""
    with installed(tmp_path_factory.mktemp("pages")) as alone:
        alone.serve()
        yield alone


@pytest.fixture(scope="module")
def its_crowd(server: Installation) -> Crowd:
    """Once there is a picture, which a row is about."""
    crowd = Crowd(server, "gate")
    until(lambda: server.state(crowd.cast.plaza) == "live", 60, "the demo camera")
    return crowd


@pytest.fixture(scope="module")
def over_http(server: Installation) -> Iterator[Callable[..., Any]]:
    """As `InProcess.ask`, of the server."""
    with httpx.Client(base_url=server.url, timeout=60) as client:

        def ask(
            method: str, path: str, headers: dict[str, str], data: Any = None, form: bool = False
        ) -> httpx.Response:
            client.cookies.clear()
            return client.request(method, path, headers=headers, data=data)

        yield ask


def _status(
    ask: Callable[..., Any],
    crowd: Crowd,
    asker: str,
    row: Row,
    method: str,
    *,
    origin: str = ORIGIN,
) -> int:
    facts = crowd.facts(asker)
    session = crowd.askers[asker].session
    cookies = [f"sideline_csrf={TOKEN}"] + ([f"sideline_session={session}"] if session else [])
    headers = {
        "Cookie": "; ".join(cookies),
        "Origin": origin,
        "X-CSRFToken": TOKEN,
    }
    form = body(row.body, facts) if method not in ("GET", "HEAD") else None
    path = row.path.format(**facts) + crowd.askers[asker].query
    answer = ask(method, path, headers, form, form=True)
    if answer.status_code == 302 and "/signin" in answer.headers["location"]:
        return SIGN_IN
    return OVER if answer.status_code in (410, 429) else answer.status_code


def test_every_page_has_a_row_and_every_row_a_page() -> None:
    doors = {name for name in routes.doors() if not name.startswith(("admin:", "api-"))}
    assert {row.door for row in ROWS} == doors | {"api-schema", "api-docs"}
    assert len(ROWS) * (len(ASKERS) + len(GONE) + 2) > 400


@pytest.mark.postgres
@pytest.mark.parametrize("asker", [*ASKERS, *GONE])
def test_all_rows(here: InProcess, crowd: Crowd, asker: str) -> None:
    wrong = {}
    for row in ROWS:
        if row.door == "signout":
            continue
        status = _status(here.ask, crowd, asker, row, row.method)
        if status != row.statuses["nobody" if asker in GONE else asker]:
            wrong[str(row)] = status
    assert wrong == {}


@pytest.mark.extended
@pytest.mark.parametrize("asker", ["admin", "viewer", "expired"])
def test_all_rows_over_http(
    server: Installation, its_crowd: Crowd, over_http: Callable[..., Any], asker: str
) -> None:
    """What Daphne and its guard make of a request changes no answer."""
    wrong = {}
    for row in ROWS:
        if row.door == "signout":
            continue
        status = _status(over_http, its_crowd, asker, row, row.method, origin=server.url)
        if status != row.statuses["nobody" if asker in GONE else asker]:
            wrong[str(row)] = status
    assert wrong == {}


def _silent() -> list[tuple[Row, str]]:
    told = {(row.door, row.method) for row in ROWS}
    first = {row.door: row for row in reversed(ROWS)}
    return [
        (row, method)
        for door, row in first.items()
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if (door, method) not in told
    ]


@pytest.mark.parametrize("asker", ["nobody", "outsider", "admin"])
def test_other_methods_do_nothing(here: InProcess, crowd: Crowd, asker: str) -> None:
    """Nor do they fail. A page that takes any method must answer it as it answers GET."""
    wrong = {}
    for row, method in _silent():
        status = _status(here.ask, crowd, asker, row, method)
        same = row.method == "GET" and status == row.statuses[asker]
        if not same and status not in NOTHING_DONE | {SIGN_IN}:
            wrong[row.door, method] = status
    assert wrong == {}


def test_forms_from_elsewhere_are_refused(here: InProcess, crowd: Crowd) -> None:
    # `shared`: who knows its address may open it; see the view.
    forms = [row for row in ROWS if row.method == "POST" and row.door != "shared"]
    found = {
        str(row): _status(here.ask, crowd, "admin", row, "POST", origin="http://evil.example")
        for row in forms
    }
    assert {row: status for row, status in found.items() if status != 403} == {}


def test_signing_out_ends_the_session(here: InProcess) -> None:
    crowd = Crowd(here, "gate-out")
    row = next(row for row in ROWS if row.door == "signout")
    wall = next(row for row in ROWS if row.door == "wall")
    for asker in ASKERS:
        assert _status(here.ask, crowd, asker, row, "POST") == SIGN_IN
        assert _status(here.ask, crowd, asker, wall, "GET") == SIGN_IN


def test_addresses_that_are_secrets_are_not_told_on(here: InProcess, crowd: Crowd) -> None:
    for path in (f"/shared/{crowd.told['shared']}", "/signin/x", "/invitations/x"):
        answer = here.ask("GET", path, {})
        assert re.search("no-referrer|same-origin", answer.headers["referrer-policy"])
        assert "no-store" in answer.headers["cache-control"], path
