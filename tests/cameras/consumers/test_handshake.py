"""Refused WebSocket handshakes: the status, and a problem that says why."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from project.middleware import ErrorBoundary
from project.problems import refuse_handshake
from tests.installation import Installation
from tests.people import Scenario
from tests.sockets import next_frame, watching

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Version": "13",
}


def refused(
    installation: Installation, path: str, origin: str | None = None, **headers: str
) -> Any:
    """Return the problem with which a handshake is refused."""
    url = f"ws://127.0.0.1:{installation.port}{path}"
    with pytest.raises(InvalidStatus) as error:
        connect(url, origin=origin, additional_headers=headers, proxy=None)  # type: ignore[arg-type]
    response = error.value.response
    assert response.headers["Content-Type"] == "application/problem+json"
    assert int(response.headers["Content-Length"]) == len(response.body)
    problem = json.loads(response.body)
    assert problem["status"] == response.status_code
    return problem


def test_refusal_says_which_credential_is_wrong(
    installation: Installation, scenario: Scenario
) -> None:
    path = f"/ws/stream/{scenario.plaza}"
    cookie = {"Cookie": f"sideline_session={scenario['viewer'].session}"}
    stale = {"Cookie": "sideline_session=" + "0" * 32}
    causes: dict[str, Any] = {
        "needs a credential": refused(installation, path),
        "ticket is unknown": refused(installation, f"{path}?ticket=nonsense"),
        "token is unknown": refused(installation, path, Authorization="Bearer nonsense"),
        "must be “Bearer": refused(installation, path, Authorization="Basic bm9uc2Vuc2U="),
        "stream key": refused(installation, f"/ws/stream/sk_{'x' * 30}", "http://evil.example"),
        "Origin is not trusted": refused(installation, path, "http://evil.example", **cookie),
        "no Origin was sent": refused(installation, path, **cookie),
        "session has ended": refused(installation, path, installation.url, **stale),
    }
    for words, problem in causes.items():
        assert problem["status"] == 403, words
        assert words in problem["detail"]
    publish = refused(installation, f"/ws/publish/{scenario.push}?ticket=nonsense")
    assert (publish["status"], "ticket" in publish["detail"]) == (403, True)


def test_other_refusals_have_their_own_status(
    installation: Installation, scenario: Scenario
) -> None:
    assert refused(installation, "/ws/nothing")["status"] == 404
    assert refused(installation, "/api/v1/cameras")["status"] == 404
    cookie = f"sideline_session={scenario['viewer'].session}"
    url = f"{installation.url}/ws/stream/{scenario.plaza}"
    evil = {"Host": "evil.example", "Origin": "http://evil.example", "Cookie": cookie}
    broken = {"Sec-WebSocket-Version": "99"}
    for changes, status in ((evil, 400), (broken, 400), ({"Sec-WebSocket-Key": "x"}, 400)):
        response = httpx.get(url, headers=UPGRADE | changes, timeout=30)
        assert response.status_code == response.json()["status"] == status, changes
        assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("query", ["fps=abc", "width=500", "width=", "fps=5&fps=07"])
def test_unknown_value_is_refused_and_uses_up_no_ticket(
    installation: Installation, scenario: Scenario, query: str
) -> None:
    body = {"camera": scenario.plaza, "purpose": "watch"}
    with installation.api() as api:
        ticket = api.post("/tickets", json=body).json()["ticket"]
    path = f"/ws/stream/{scenario.plaza}?ticket={ticket}"
    problem = refused(installation, f"{path}&{query}")
    field = query.partition("=")[0]
    assert problem["status"] == 400
    assert problem["errors"] == {field: [problem["detail"]]}
    assert {"width": "320 or 640", "fps": "1, 5 or 10"}[field] in problem["detail"]
    with watching(installation, scenario.plaza, query=f"?ticket={ticket}&nocache=1") as viewer:
        assert next_frame(viewer)["camera_id"] == scenario.plaza


@pytest.mark.parametrize("extensions", [{}, {"websocket.http.response": {}}])
async def test_server_without_the_extension_gets_a_plain_refusal(
    extensions: dict[str, Any],
) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await refuse_handshake({"extensions": extensions}, send, 404, "Nothing here.")
    if extensions:
        assert [each["type"].rpartition(".")[2] for each in sent] == ["start", "body"]
    else:
        assert sent == [{"type": "websocket.close"}]


async def test_failure_before_the_handshake_is_no_refusal() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("a secret")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "extensions": {"websocket.http.response": {}}}
    await ErrorBoundary(broken)(scope, None, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1011}]
