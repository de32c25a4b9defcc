"""The access matrix of the API and of the sockets: every door, every method, every asker.

What it expects stands in `api.txt`. A route without a row fails, a row without a route as well.
A server is asked by bearer token; cookies and what does nothing are tried in this process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.gate import routes
from tests.gate.bodies import body
from tests.gate.callers import ASKERS, GONE, Crowd
from tests.gate.inprocess import InProcess
from tests.gate.tables import Row, rows
from tests.installation import Installation
from tests.publishers import outcome
from tests.sockets import refusal

ROWS = rows("api.txt")
# A look at a door that may be looked at; DRF answers OPTIONS with what it takes.
LIKE_GET = {"HEAD", "OPTIONS"}
NOTHING_DONE = {400, 401, 403, 404, 405}
# Those that answer with pictures or events need a server to answer somebody.
LIVE = {"api-camera-snapshot", "api-camera-mjpeg", "api-message-events"}

# HTTP status of a refused handshake, close code after it, or 200; as `ASKERS`.
SOCKETS = {
    "stream": (403, 4404, 4404, 4403, 200, 200, 200, 200),
    "publish": (403, 4404, 4404, 4403, 4403, 4403, 200, 200),
}
TRY_SOCKET = {"stream": refusal, "publish": outcome}


@dataclass(frozen=True, slots=True)
class Doors:
    """The API of a server, and of this process; each has rows of its own."""

    installation: Installation
    client: httpx.Client
    crowd: Crowd
    here: InProcess
    here_crowd: Crowd

    def ask(
        self,
        asker: str,
        row: Row,
        *,
        cookie: bool = False,
        method: str = "",
        server: bool = False,
    ) -> int:
        """The status; what is refused is refused as a problem. Streams are not read.

        A server is asked if `server`, or if no other may answer.
        """
        server = server or row.door in LIVE
        crowd = self.crowd if server else self.here_crowd
        one, facts, method = crowd.askers[asker], crowd.facts(asker), method or row.method
        if row.door == "api-logout" and asker in ASKERS and asker != "nobody":
            one = crowd.spare(asker)
        headers, path = one.bearer, row.path + one.query
        if "?" in row.path:
            path = row.path + one.query.replace("?", "&")
        if cookie:
            headers = {"Cookie": f"sideline_session={one.session}"} if one.session else {}
        sent = body(row.body, facts)
        ask = self._server if server else self._here
        status, kind, problem = ask(method, path.format(**facts), sent, headers)
        if status >= 400 and method != "HEAD":
            assert kind == "application/problem+json", (row, asker)
            assert problem["status"] == status, (row, asker)
        return status

    def _server(
        self, method: str, path: str, sent: Any, headers: dict[str, str]
    ) -> tuple[int, str, Any]:
        self.client.cookies.clear()
        with self.client.stream(method, path, json=sent, headers=headers) as answer:
            refused = answer.status_code >= 400 and method != "HEAD"
            problem = json.loads(answer.read()) if refused else None
            return answer.status_code, answer.headers.get("content-type", ""), problem

    def _here(
        self, method: str, path: str, sent: Any, headers: dict[str, str]
    ) -> tuple[int, str, Any]:
        answer = self.here.ask(method, path, headers, sent)
        refused = answer.status_code >= 400 and method != "HEAD"
        problem = json.loads(answer.content) if refused else None
        return answer.status_code, answer.headers.get("content-type", ""), problem


@pytest.fixture(scope="module")
def doors(installation: Installation, here: InProcess) -> Iterator[Doors]:
    with httpx.Client(base_url=installation.url, timeout=60) as client:
        yield Doors(installation, client, Crowd(installation, "gate"), here, Crowd(here, "gate"))


def test_every_route_of_the_api_has_a_row_and_every_row_a_route() -> None:
    names = {name for name in routes.doors() if name.startswith("api-")}
    assert {row.door for row in ROWS} == names - {"api-schema", "api-docs"}
    assert set(SOCKETS) == routes.sockets()
    assert len(ROWS) * (len(ASKERS) + len(GONE)) > 500


def expected(row: Row, asker: str) -> int:
    return row.statuses["nobody" if asker in GONE else asker]


@pytest.mark.postgres
@pytest.mark.parametrize("asker", [*ASKERS, *GONE])
def test_all_rows(doors: Doors, asker: str) -> None:
    """Of a server; credentials that are none are refused in this process."""
    wrong = {}
    for row in ROWS:
        status = doors.ask(asker, row, server=asker in ASKERS)
        if status != expected(row, asker):
            wrong[str(row)] = status
    assert wrong == {}


def _silent_methods() -> list[Row]:
    """All doors and methods that no row speaks of."""
    told = {(row.door, row.method) for row in ROWS}
    paths = {row.door: row.path for row in ROWS}
    return [
        Row(door, method, path, "empty", {})
        for door, path in paths.items()
        for method in routes.METHODS
        if (door, method) not in told and method not in LIKE_GET
    ]


@pytest.mark.parametrize("asker", ASKERS)
def test_other_methods_do_nothing(doors: Doors, asker: str) -> None:
    statuses = {str(row): doors.ask(asker, row) for row in _silent_methods()}
    assert {row: one for row, one in statuses.items() if one not in NOTHING_DONE} == {}


@pytest.mark.parametrize("asker", ASKERS)
def test_head_tells_no_more_than_get(doors: Doors, asker: str) -> None:
    wrong = {}
    for row in ROWS:
        if row.method == "GET":
            status = doors.ask(asker, row, method="HEAD")
            if status not in (row.statuses[asker], 405):
                wrong[str(row)] = status
    assert wrong == {}


BY_COOKIE = [row for row in ROWS if row.door not in ("api-login", "api-logout")]


@pytest.mark.parametrize(
    "asker", ["nobody", "outsider", "removed", "viewer", "operator", "admin", *GONE]
)
def test_all_rows_by_cookie(doors: Doors, asker: str) -> None:
    """A session is as good as a token with all scopes; to write it needs the page's token too."""
    wrong = {}
    for row in BY_COOKIE:
        right = expected(row, asker)
        if row.method not in ("GET", "HEAD") and right != 401:
            right = 403
        status = doors.ask(asker, row, cookie=True)
        if status != right:
            wrong[str(row)] = status
    assert wrong == {}


@pytest.mark.parametrize(("door", "purpose"), [("stream", "watch"), ("publish", "publish")])
def test_living_ticket_for_another_camera(doors: Doors, door: str, purpose: str) -> None:
    crowd = doors.crowd
    other = crowd.facts("viewer")["doomed_camera"] if door == "publish" else crowd.cast.push
    made = doors.client.post(
        "/api/v1/tickets",
        json={"camera": other, "purpose": purpose},
        headers=crowd.askers["operator"].bearer,
    )
    assert made.status_code == 201, made.text
    camera = {"stream": crowd.cast.plaza, "publish": crowd.cast.push}[door]
    found = TRY_SOCKET[door](doors.installation, camera, query=f"?ticket={made.json()['ticket']}")
    assert found == 4404


@pytest.mark.parametrize("door", sorted(SOCKETS))
def test_socket(doors: Doors, door: str) -> None:
    installation, crowd = doors.installation, doors.crowd
    camera = {"stream": crowd.cast.plaza, "publish": crowd.cast.push}[door]
    for asker, right in zip(ASKERS, SOCKETS[door], strict=True):
        headers = crowd.askers[asker].bearer
        assert TRY_SOCKET[door](installation, camera, headers=headers) == right, asker
    for asker in ("outsider", "removed", "viewer", "operator", "admin"):
        headers = {"Cookie": f"sideline_session={crowd.askers[asker].session}"}
        found = TRY_SOCKET[door](installation, camera, headers=headers, origin=installation.url)
        assert found == SOCKETS[door][ASKERS.index(asker)], asker
    for asker in GONE:
        gone = crowd.askers[asker]
        found = TRY_SOCKET[door](installation, camera, headers=gone.bearer, query=gone.query)
        assert found == 403, asker
