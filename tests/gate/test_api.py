"""The access matrix of the API and the sockets: every route, every method, every caller.

The expected statuses are in `api.txt`. A route without a row fails, and a row without a route.
Bearer tokens are tested against a server; cookies and methods without effect in this process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from tests.gate import routes
from tests.gate.bodies import body
from tests.gate.callers import CALLERS, REJECTED, Callers
from tests.gate.inprocess import InProcessClient
from tests.gate.tables import Row, rows
from tests.installation import Installation
from tests.people import basic
from tests.publishers import outcome
from tests.sockets import refusal

ROWS = rows("api.txt")
# HEAD is answered like GET; DRF answers OPTIONS with a description of the view.
LIKE_GET = {"HEAD", "OPTIONS"}
NO_EFFECT = {400, 401, 403, 404, 405}
# Routes that answer with frames or events need a server.
LIVE = {"api-camera-snapshot", "api-camera-mjpeg", "api-message-events"}

# In the order of `CALLERS`: HTTP status of a refused handshake, close code, or 200.
SOCKETS = {
    "stream": (403, 4404, 4404, 4403, 200, 200, 200, 200),
    "publish": (403, 4404, 4404, 4403, 4403, 4403, 200, 200),
}
CONNECT = {"stream": refusal, "publish": outcome}


@dataclass(frozen=True, slots=True)
class Api:
    """The API of a server and of this process, each with its own rows."""

    installation: Installation
    client: httpx.Client
    callers: Callers
    in_process: InProcessClient
    local_callers: Callers

    def status(
        self,
        caller: str,
        row: Row,
        *,
        cookie: bool = False,
        method: str = "",
        server: bool = False,
        headers: dict[str, str] | None = None,
    ) -> int:
        """Return the status of a row's request. Asserts that errors are problems (RFC 9457).

        `headers` are sent in place of the caller's bearer token.
        The request goes to the server if `server` or if the route needs one. Streams are not read.
        """
        server = server or row.route in LIVE
        callers = self.callers if server else self.local_callers
        credentials, values = callers.by_name[caller], callers.values(caller)
        method = method or row.method
        if row.route == "api-logout" and caller in CALLERS and caller != "nobody":
            credentials = callers.with_spare_token(caller)
        headers, path = headers or credentials.bearer, row.path + credentials.query
        if "?" in row.path:
            path = row.path + credentials.query.replace("?", "&")
        if cookie:
            headers = (
                {"Cookie": f"sideline_session={credentials.session}"} if credentials.session else {}
            )
        data = body(row.body, values)
        send = self._to_server if server else self._in_process
        status, content_type, problem = send(method, path.format(**values), data, headers)
        if status >= 400 and method != "HEAD":
            assert content_type == "application/problem+json", (row, caller)
            assert problem["status"] == status, (row, caller)
        return status

    def _to_server(
        self, method: str, path: str, data: Any, headers: dict[str, str]
    ) -> tuple[int, str, Any]:
        self.client.cookies.clear()
        with self.client.stream(method, path, json=data, headers=headers) as response:
            is_error = response.status_code >= 400 and method != "HEAD"
            problem = json.loads(response.read()) if is_error else None
            return response.status_code, response.headers.get("content-type", ""), problem

    def _in_process(
        self, method: str, path: str, data: Any, headers: dict[str, str]
    ) -> tuple[int, str, Any]:
        response = self.in_process.request(method, path, headers, data)
        is_error = response.status_code >= 400 and method != "HEAD"
        problem = json.loads(response.content) if is_error else None
        return response.status_code, response.headers.get("content-type", ""), problem


@pytest.fixture(scope="module")
def api(installation: Installation, in_process: InProcessClient) -> Iterator[Api]:
    with httpx.Client(base_url=installation.url, timeout=60) as client:
        callers, local_callers = Callers(installation, "gate"), Callers(in_process, "gate")
        yield Api(installation, client, callers, in_process, local_callers)


def test_every_route_of_the_api_has_a_row_and_every_row_a_route() -> None:
    names = {name for name in routes.http_routes() if name.startswith("api-")}
    assert {row.route for row in ROWS} == names - routes.DOCUMENTS
    assert set(SOCKETS) == routes.websocket_routes()
    assert len(ROWS) * (len(CALLERS) + len(REJECTED)) > 500


def expected(row: Row, caller: str) -> int:
    return row.statuses["nobody" if caller in REJECTED else caller]


@pytest.mark.postgres
@pytest.mark.parametrize("caller", [*CALLERS, *REJECTED])
def test_all_rows(api: Api, caller: str) -> None:
    """Against a server; callers with invalid credentials in this process."""
    wrong = {}
    for row in ROWS:
        status = api.status(caller, row, server=caller in CALLERS)
        if status != expected(row, caller):
            wrong[str(row)] = status
    assert wrong == {}


def _unlisted_methods() -> list[Row]:
    """Return a row for each route and method that the table does not list."""
    listed = {(row.route, row.method) for row in ROWS}
    paths = {row.route: row.path for row in ROWS}
    return [
        Row(route, method, path, "empty", {})
        for route, path in paths.items()
        for method in routes.METHODS
        if (route, method) not in listed and method not in LIKE_GET
    ]


@pytest.mark.parametrize("caller", CALLERS)
def test_other_methods_have_no_effect(api: Api, caller: str) -> None:
    statuses = {str(row): api.status(caller, row) for row in _unlisted_methods()}
    assert {row: status for row, status in statuses.items() if status not in NO_EFFECT} == {}


@pytest.mark.parametrize("caller", CALLERS)
def test_head_answers_like_get(api: Api, caller: str) -> None:
    wrong = {}
    for row in ROWS:
        if row.method == "GET":
            status = api.status(caller, row, method="HEAD")
            if status not in (row.statuses[caller], 405):
                wrong[str(row)] = status
    assert wrong == {}


BY_COOKIE = [row for row in ROWS if row.route not in ("api-login", "api-logout")]


@pytest.mark.parametrize(
    "caller", ["nobody", "outsider", "removed", "viewer", "operator", "admin", *REJECTED]
)
def test_all_rows_by_cookie(api: Api, caller: str) -> None:
    """A session counts like a token with all scopes; writing also needs the CSRF token."""
    wrong = {}
    for row in BY_COOKIE:
        wanted = expected(row, caller)
        if row.method not in ("GET", "HEAD") and wanted != 401:
            wanted = 403
        status = api.status(caller, row, cookie=True)
        if status != wanted:
            wrong[str(row)] = status
    assert wrong == {}


PICTURES = [row for row in ROWS if row.route in ("api-camera-snapshot", "api-camera-mjpeg")]


@pytest.mark.parametrize("caller", [*CALLERS, *REJECTED])
def test_stream_key_in_place_of_the_id_is_enough_unless_a_token_is_sent(
    api: Api, caller: str
) -> None:
    """It is used before the cookie."""
    by_token = "nobody" if caller == "ticket" else caller
    wrong = {}
    for row in PICTURES:
        by_key = replace(row, path=row.path.replace("{plaza}", "{key}"))
        wanted = 200 if by_token == "nobody" else expected(row, caller)
        for cookie, status in ((False, wanted), (True, 200)):
            found = api.status(caller, by_key, cookie=cookie, server=True)
            if found != status:
                wrong[f"{row} {cookie=}"] = found
    assert wrong == {}


BASIC = {"key": 200, "push_key": 404, "reader": 200, "admin": 401, "nonsense": 401}


@pytest.mark.parametrize("password", BASIC)
def test_basic_opens_pictures_and_nothing_else(api: Api, password: str) -> None:
    """`push_key` is that of another camera; the administrator's token may do more."""
    wrong = {}
    for row in ROWS:
        callers = api.callers if row.route in LIVE else api.local_callers
        secrets = {"key": callers.scenario.key, "push_key": callers.scenario.push_key}
        known = callers.by_name.get(password)
        secret = known.token if known else secrets.get(password, password)
        status = api.status("nobody", row, headers=basic(secret))
        wanted = BASIC[password] if row in PICTURES else row.statuses["nobody"]
        if status != wanted:
            wrong[str(row)] = status
    assert wrong == {}


@pytest.mark.parametrize(("route", "purpose"), [("stream", "watch"), ("publish", "publish")])
def test_valid_ticket_for_another_camera_is_closed_with_4404(
    api: Api, route: str, purpose: str
) -> None:
    callers = api.callers
    other = (
        callers.values("viewer")["deletable_camera"]
        if route == "publish"
        else callers.scenario.push
    )
    response = api.client.post(
        "/api/v1/tickets",
        json={"camera": other, "purpose": purpose},
        headers=callers.by_name["operator"].bearer,
    )
    assert response.status_code == 201, response.text
    camera = {"stream": callers.scenario.plaza, "publish": callers.scenario.push}[route]
    query = f"?ticket={response.json()['ticket']}"
    assert CONNECT[route](api.installation, camera, query=query) == 4404


@pytest.mark.parametrize("route", sorted(SOCKETS))
def test_sockets_answer_every_caller_as_listed(api: Api, route: str) -> None:
    installation, callers = api.installation, api.callers
    camera = {"stream": callers.scenario.plaza, "publish": callers.scenario.push}[route]
    for caller, wanted in zip(CALLERS, SOCKETS[route], strict=True):
        headers = callers.by_name[caller].bearer
        assert CONNECT[route](installation, camera, headers=headers) == wanted, caller
    for caller in ("outsider", "removed", "viewer", "operator", "admin"):
        headers = {"Cookie": f"sideline_session={callers.by_name[caller].session}"}
        status = CONNECT[route](installation, camera, headers=headers, origin=installation.url)
        assert status == SOCKETS[route][CALLERS.index(caller)], caller
    for caller in REJECTED:
        invalid = callers.by_name[caller]
        status = CONNECT[route](installation, camera, headers=invalid.bearer, query=invalid.query)
        assert status == 403, caller
