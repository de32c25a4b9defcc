"""The access matrix of the pages: every route, every method, every caller.

The expected statuses are in `pages.txt`. A route without a row fails, and a row without a route.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.gate import routes
from tests.gate.bodies import body
from tests.gate.callers import REJECTED, Callers
from tests.gate.inprocess import ORIGIN, InProcessClient
from tests.gate.tables import GONE, SIGN_IN, Row, rows
from tests.installation import Installation, installed
from tests.waiting import until

ROWS = rows("pages.txt")
CALLERS = ("nobody", "outsider", "removed", "viewer", "operator", "admin")
TOKEN = "b" * 32
NO_EFFECT = {302, 400, 403, 404, 405, GONE}


@pytest.fixture(scope="module")
def callers(in_process: InProcessClient) -> Callers:
    return Callers(in_process, "gate")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An own installation: the tests add cameras and get their address locked."""
    with installed(tmp_path_factory.mktemp("pages")) as installation:
        installation.serve()
        yield installation


@pytest.fixture(scope="module")
def server_callers(server: Installation) -> Callers:
    """Wait until the demo camera has a picture, which `camera-still` needs."""
    callers = Callers(server, "gate")
    until(lambda: server.state(callers.scenario.plaza) == "live", 60, "the demo camera")
    return callers


@pytest.fixture(scope="module")
def http_request(server: Installation) -> Iterator[Callable[..., Any]]:
    """Return a function like `InProcessClient.request` for the server."""
    with httpx.Client(base_url=server.url, timeout=60) as client:

        def request(
            method: str, path: str, headers: dict[str, str], data: Any = None, form: bool = False
        ) -> httpx.Response:
            client.cookies.clear()
            return client.request(method, path, headers=headers, data=data)

        yield request


def _status(
    request: Callable[..., Any],
    callers: Callers,
    caller: str,
    row: Row,
    method: str,
    *,
    origin: str = ORIGIN,
) -> int:
    values = callers.values(caller)
    session = callers.by_name[caller].session
    cookies = [f"sideline_csrf={TOKEN}"] + ([f"sideline_session={session}"] if session else [])
    headers = {
        "Cookie": "; ".join(cookies),
        "Origin": origin,
        "X-CSRFToken": TOKEN,
    }
    form = body(row.body, values) if method not in ("GET", "HEAD") else None
    path = row.path.format(**values) + callers.by_name[caller].query
    response = request(method, path, headers, form, form=True)
    if response.status_code == 302 and "/signin" in response.headers["location"]:
        return SIGN_IN
    return GONE if response.status_code in (410, 429) else response.status_code


def test_every_page_has_a_row_and_every_row_a_page() -> None:
    names = {name for name in routes.http_routes() if not name.startswith(("admin:", "api-"))}
    assert {row.route for row in ROWS} == names | routes.DOCUMENTS
    assert len(ROWS) * (len(CALLERS) + len(REJECTED) + 2) > 400


@pytest.mark.postgres
@pytest.mark.parametrize("caller", [*CALLERS, *REJECTED])
def test_all_rows(in_process: InProcessClient, callers: Callers, caller: str) -> None:
    wrong = {}
    for row in ROWS:
        if row.route == "signout":
            continue
        status = _status(in_process.request, callers, caller, row, row.method)
        if status != row.statuses["nobody" if caller in REJECTED else caller]:
            wrong[str(row)] = status
    assert wrong == {}


@pytest.mark.extended
@pytest.mark.parametrize("caller", ["admin", "viewer", "expired"])
def test_all_rows_over_http(
    server: Installation, server_callers: Callers, http_request: Callable[..., Any], caller: str
) -> None:
    """Requests through Daphne and its limits get the same statuses."""
    wrong = {}
    for row in ROWS:
        if row.route == "signout":
            continue
        status = _status(http_request, server_callers, caller, row, row.method, origin=server.url)
        if status != row.statuses["nobody" if caller in REJECTED else caller]:
            wrong[str(row)] = status
    assert wrong == {}


def _unlisted_methods() -> list[tuple[Row, str]]:
    listed = {(row.route, row.method) for row in ROWS}
    first = {row.route: row for row in reversed(ROWS)}
    return [
        (row, method)
        for route, row in first.items()
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if (route, method) not in listed
    ]


@pytest.mark.parametrize("caller", ["nobody", "outsider", "admin"])
def test_other_methods_have_no_effect(
    in_process: InProcessClient, callers: Callers, caller: str
) -> None:
    """And they do not fail. A page that takes any method must answer it like GET."""
    wrong = {}
    for row, method in _unlisted_methods():
        status = _status(in_process.request, callers, caller, row, method)
        same = row.method == "GET" and status == row.statuses[caller]
        if not same and status not in NO_EFFECT | {SIGN_IN}:
            wrong[row.route, method] = status
    assert wrong == {}


def test_cross_origin_forms_are_refused(in_process: InProcessClient, callers: Callers) -> None:
    # `shared` has no CSRF check: its address is the secret; see the view.
    forms = [row for row in ROWS if row.method == "POST" and row.route != "shared"]
    statuses = {
        str(row): _status(
            in_process.request, callers, "admin", row, "POST", origin="http://evil.example"
        )
        for row in forms
    }
    assert {row: status for row, status in statuses.items() if status != 403} == {}


def test_signing_out_ends_the_session(in_process: InProcessClient) -> None:
    callers = Callers(in_process, "gate-out")
    row = next(row for row in ROWS if row.route == "signout")
    wall = next(row for row in ROWS if row.route == "wall")
    for caller in CALLERS:
        assert _status(in_process.request, callers, caller, row, "POST") == SIGN_IN
        assert _status(in_process.request, callers, caller, wall, "GET") == SIGN_IN


def test_secret_urls_are_not_sent_as_referrer(
    in_process: InProcessClient, callers: Callers
) -> None:
    for path in (f"/shared/{callers.created['shared']}", "/signin/x", "/invitations/x"):
        response = in_process.request("GET", path, {})
        assert re.search("no-referrer|same-origin", response.headers["referrer-policy"])
        assert "no-store" in response.headers["cache-control"], path
