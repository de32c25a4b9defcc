"""The access matrix of the pages: every one, every method that does something, every asker.

What it expects stands in `pages.txt`. A route without a row fails, a row without a route as well.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.gate import routes
from tests.gate.askers import GONE, Crowd
from tests.gate.bodies import body
from tests.gate.table import OVER, SIGN_IN, Row, rows
from tests.installation import Installation, installed

ROWS = rows("pages.txt")
ASKERS = ("nobody", "outsider", "removed", "viewer", "operator", "admin")
TOKEN = "b" * 32
NOTHING_DONE = {302, 400, 403, 404, 405, OVER}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One of its own: so many bad links would lock everybody else out."""
    with installed(tmp_path_factory.mktemp("pages")) as own:
        own.serve()
        yield own


@pytest.fixture(scope="module")
def crowd(house: Installation) -> Crowd:
    return Crowd(house, "gate-pages")


@pytest.fixture(scope="module")
def line(house: Installation) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=house.url, timeout=20) as client:
        yield client


def _status(
    line: httpx.Client, crowd: Crowd, asker: str, row: Row, method: str, *, forged: bool = False
) -> int:
    facts = crowd.facts(asker)
    line.cookies.clear()
    session = crowd.askers[asker].session
    cookies = [f"sideline_csrf={TOKEN}"] + ([f"sideline_session={session}"] if session else [])
    headers = {
        "Cookie": "; ".join(cookies),
        "Origin": "http://evil.example" if forged else str(line.base_url).rstrip("/"),
        "X-CSRFToken": TOKEN,
    }
    form = body(row.body, facts) if method not in ("GET", "HEAD") else None
    path = row.path.format(**facts) + crowd.askers[asker].query
    with line.stream(method, path, data=form, headers=headers) as answer:
        if answer.status_code == 302 and "/signin" in answer.headers["location"]:
            return SIGN_IN
        return OVER if answer.status_code in (410, 429) else answer.status_code


def test_every_page_has_a_row_and_every_row_a_page() -> None:
    doors = {name for name in routes.doors() if not name.startswith(("admin:", "api-"))}
    assert {row.door for row in ROWS} == doors | {"api-schema", "api-docs"}


def test_size(capsys: pytest.CaptureFixture[str]) -> None:
    asked = len(ROWS) * (len(ASKERS) + len(GONE) + 2)
    with capsys.disabled():
        print(f"\n[matrix of the pages: {len(ROWS)} rows, more than {asked} requests]")
    assert asked > 400


@pytest.mark.parametrize("row", [row for row in ROWS if row.door != "signout"], ids=str)
def test_row(line: httpx.Client, crowd: Crowd, row: Row) -> None:
    for asker in (*ASKERS, *GONE):
        expected = row.statuses["nobody" if asker in GONE else asker]
        assert _status(line, crowd, asker, row, row.method) == expected, asker


def _silent() -> list[tuple[Row, str]]:
    told = {(row.door, row.method) for row in ROWS}
    first = {row.door: row for row in reversed(ROWS)}
    return [
        (row, method)
        for door, row in first.items()
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if (door, method) not in told
    ]


@pytest.mark.parametrize(("row", "method"), _silent(), ids=lambda one: str(one).split()[0])
def test_other_methods_do_nothing(line: httpx.Client, crowd: Crowd, row: Row, method: str) -> None:
    """Nor do they fail. A page that takes any method must answer it as it answers GET."""
    for asker in ("nobody", "outsider", "admin"):
        status = _status(line, crowd, asker, row, method)
        same = row.method == "GET" and status == row.statuses[asker]
        assert same or status in NOTHING_DONE | {SIGN_IN}, asker


# `shared`: who knows its address may open it; see the view.
FORMS = [row for row in ROWS if row.method == "POST" and row.door != "shared"]


@pytest.mark.parametrize("row", FORMS, ids=str)
def test_form_from_elsewhere_is_refused(line: httpx.Client, crowd: Crowd, row: Row) -> None:
    status = _status(line, crowd, "admin", row, "POST", forged=True)
    assert status == 403


def test_signing_out_ends_the_session(house: Installation, line: httpx.Client) -> None:
    crowd = Crowd(house, "gate-out")
    row = next(row for row in ROWS if row.door == "signout")
    wall = next(row for row in ROWS if row.door == "wall")
    for asker in ASKERS:
        assert _status(line, crowd, asker, row, "POST") == SIGN_IN
        assert _status(line, crowd, asker, wall, "GET") == SIGN_IN


def test_addresses_that_are_secrets_are_not_told_on(house: Installation, crowd: Crowd) -> None:
    with contextlib.closing(httpx.Client(base_url=house.url)) as client:
        for path in (f"/shared/{crowd.told['shared']}", "/signin/x", "/invitations/x"):
            answer = client.get(path)
            assert re.search("no-referrer|same-origin", answer.headers["referrer-policy"])
            assert "no-store" in answer.headers["cache-control"], path
