"""The access matrix of the API and of the sockets: every door, every method, every asker.

What it expects stands in `api.txt`. A route without a row fails, a row without a route as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.gate import routes
from tests.gate.askers import ASKERS, GONE, Asker, Crowd
from tests.gate.bodies import body
from tests.gate.table import Row, rows
from tests.installation import Installation
from tests.publishers import outcome
from tests.sockets import refusal

ROWS = rows("api.txt")
# A look at a door that may be looked at; DRF answers OPTIONS with what it takes.
LIKE_GET = {"HEAD", "OPTIONS"}
NOTHING_DONE = {400, 401, 403, 404, 405}

# HTTP status of a refused handshake, close code after it, or 200; as `ASKERS`.
SOCKETS = {
    "stream": (403, 4404, 4404, 4403, 200, 200, 200, 200),
    "publish": (403, 4404, 4404, 4403, 4403, 4403, 200, 200),
}
TRY_SOCKET = {"stream": refusal, "publish": outcome}


@pytest.fixture(scope="module")
def crowd(house: Installation) -> Crowd:
    return Crowd(house, "gate")


@pytest.fixture(scope="module")
def line(house: Installation) -> Iterator[Line]:
    with httpx.Client(base_url=house.url, timeout=20) as client:
        yield Line(client)


@dataclass(frozen=True, slots=True)
class Line:
    """One client for everybody, which keeps nothing from one request to the next."""

    client: httpx.Client

    def ask(
        self, method: str, path: str, sent: str, facts: dict[str, str], headers: dict[str, str]
    ) -> tuple[int, Any]:
        """The status, and the problem where it is one. Streams are not read."""
        self.client.cookies.clear()
        with self.client.stream(
            method, path.format(**facts), json=body(sent, facts), headers=headers
        ) as answer:
            if answer.status_code < 400 or method == "HEAD":
                return answer.status_code, None
            answer.read()
            assert answer.headers["content-type"] == "application/problem+json"
            return answer.status_code, answer.json()

    def knock(self, row: Row, asker: Asker, facts: dict[str, str]) -> tuple[int, Any]:
        """A row of the table, by somebody's bearer token."""
        query = asker.query if "?" not in row.path else asker.query.replace("?", "&")
        return self.ask(row.method, row.path + query, row.body, facts, asker.bearer)


def test_every_route_of_the_api_has_a_row_and_every_row_a_route() -> None:
    doors = {name for name in routes.doors() if name.startswith("api-")}
    assert {row.door for row in ROWS} == doors - {"api-schema", "api-docs"}
    assert set(SOCKETS) == routes.sockets()


def test_size(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = len(_silent_methods())
    asked = len(ROWS) * (len(ASKERS) + len(GONE)) + quiet * len(ASKERS)
    with capsys.disabled():
        print(f"\n[matrix of the API: {len(ROWS)} rows, {quiet} that do nothing, {asked} requests]")
    assert asked > 500


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(line: Line, crowd: Crowd, row: Row) -> None:
    for asker in (*ASKERS, *GONE):
        knocking = crowd.askers[asker]
        if row.door == "api-logout" and asker in ASKERS and asker != "nobody":
            knocking = crowd.spare(asker)
        expected = row.statuses["nobody" if asker in GONE else asker]
        status, problem = line.knock(row, knocking, crowd.facts(asker))
        assert status == expected, (asker, problem)
        if status >= 400 and row.method != "HEAD":
            assert problem["status"] == status


def _silent_methods() -> list[tuple[str, str, str]]:
    """Door, method and path of all that no row speaks of."""
    told = {(row.door, row.method) for row in ROWS}
    paths = {row.door: row.path for row in ROWS}
    return [
        (door, method, path)
        for door, path in paths.items()
        for method in routes.METHODS
        if (door, method) not in told and method not in LIKE_GET
    ]


@pytest.mark.parametrize(("door", "method", "path"), _silent_methods())
def test_other_methods_do_nothing(
    line: Line, crowd: Crowd, door: str, method: str, path: str
) -> None:
    for asker in ASKERS:
        knocking = crowd.askers[asker]
        status, _ = line.ask(method, path, "empty", crowd.facts(asker), knocking.bearer)
        assert status in NOTHING_DONE, asker


@pytest.mark.parametrize("row", [row for row in ROWS if row.method == "GET"], ids=str)
def test_head_tells_no_more_than_get(line: Line, crowd: Crowd, row: Row) -> None:
    for asker in ASKERS:
        knocking = crowd.askers[asker]
        status, _ = line.ask("HEAD", row.path, "-", crowd.facts(asker), knocking.bearer)
        assert status in (row.statuses[asker], 405), asker


@pytest.mark.parametrize(("door", "purpose"), [("stream", "watch"), ("publish", "publish")])
def test_living_ticket_for_another_camera(
    house: Installation, line: Line, crowd: Crowd, door: str, purpose: str
) -> None:
    other = crowd.facts("viewer")["doomed_camera"] if door == "publish" else crowd.cast.push
    made = line.client.post(
        "/api/v1/tickets",
        json={"camera": other, "purpose": purpose},
        headers=crowd.askers["operator"].bearer,
    )
    assert made.status_code == 201, made.text
    camera = {"stream": crowd.cast.plaza, "publish": crowd.cast.push}[door]
    found = TRY_SOCKET[door](house, camera, query=f"?ticket={made.json()['ticket']}")
    assert found == 4404


BY_COOKIE = [row for row in ROWS if row.door not in ("api-login", "api-logout")]


@pytest.mark.parametrize("row", BY_COOKIE, ids=str)
def test_row_by_cookie(line: Line, crowd: Crowd, row: Row) -> None:
    """A session is as good as a token with all scopes; to write it needs the page's token too."""
    for asker in ("nobody", "outsider", "removed", "viewer", "operator", "admin", *GONE):
        session = crowd.askers[asker].session
        cookie = {"Cookie": f"sideline_session={session}"} if session else {}
        expected = row.statuses["nobody" if asker in GONE else asker]
        if row.method not in ("GET", "HEAD") and expected != 401:
            expected = 403
        status, problem = line.ask(row.method, row.path, row.body, crowd.facts(asker), cookie)
        assert status == expected, (asker, problem)


@pytest.mark.parametrize("door", sorted(SOCKETS))
def test_socket(house: Installation, crowd: Crowd, door: str) -> None:
    camera = {"stream": crowd.cast.plaza, "publish": crowd.cast.push}[door]
    for asker, expected in zip(ASKERS, SOCKETS[door], strict=True):
        headers = crowd.askers[asker].bearer
        assert TRY_SOCKET[door](house, camera, headers=headers) == expected, asker
    for asker in ("outsider", "removed", "viewer", "operator", "admin"):
        headers = {"Cookie": f"sideline_session={crowd.askers[asker].session}"}
        found = TRY_SOCKET[door](house, camera, headers=headers, origin=house.url)
        assert found == SOCKETS[door][ASKERS.index(asker)], asker
    for asker in GONE:
        gone = crowd.askers[asker]
        found = TRY_SOCKET[door](house, camera, headers=gone.bearer, query=gone.query)
        assert found == 403, asker
