"""Hostile bodies and headers on `actions/send`: each gets a problem, and nothing else happens."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.attacked import (
    MULTIPLIERS,
    SEND,
    SILENCE_S,
    TRACEBACK,
    AttackedServer,
    LegitimateViewer,
    messages,
)
from tests.hostile.peer import exchange, request
from tests.hostile.strategies import (
    BASE64,
    CLASSICS,
    MORE_FACTS,
    NOW,
    NUMBERS,
    ODD_TEXTS,
    PICTURE,
    WORDS,
    as_json,
    dated,
    encoded,
    members,
    nearly,
)
from tests.push_messages import send_body

# This warning would hide the failure.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

CAMERA = "the-camera"  # placeholder for its id
PARCEL = {
    "streamName": WORDS | st.just("webcam"),
    "streamType": st.just("frame") | WORDS,
    "frame": BASE64,
    "timestamp": NUMBERS,
    "camera_id": st.just(CAMERA) | WORDS,
}
GOOD = {"streamName": "webcam", "streamType": "frame", "frame": PICTURE, "timestamp": NOW,
        "camera_id": CAMERA}  # fmt: skip
OBJECTS = members(PARCEL, MORE_FACTS) | nearly(GOOD, PARCEL) | nearly(GOOD, MORE_FACTS)
BODIES = encoded(OBJECTS.map(as_json) | ODD_TEXTS)
KINDS = st.sampled_from([
    "application/json", "application/json", "application/json; charset=utf-16", "text/plain",
    "application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x",
    "application/json; charset=nonsense", "", ";", "\xe9", "application/octet-stream",
])  # fmt: skip
FRAMINGS = st.sampled_from([
    *["whole"] * 24, *["chunks"] * 4, "no length", "longer than announced",
    "shorter than announced", "huge", "negative", "no number", "two lengths", "length and chunks",
    "bad chunk", "endless chunk", "gzip", "expects",
])  # fmt: skip
# Invalid HTTP: the server may close the connection, or send the 400 of its library.
INVALID_HTTP = ("no length", "shorter than announced", "longer than announced", "huge", "negative",
                "no number", "two lengths", "length and chunks", "bad chunk",
                "endless chunk")  # fmt: skip


def chunks(body: bytes) -> bytes:
    half = len(body) // 2
    parts = [part for part in (body[:half], body[half:]) if part]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def encode_request(how: str, body: bytes, headers: list[tuple[str, Any]]) -> bytes:
    """Encode the request, with the length given in this way."""
    length: list[tuple[str, Any]] = [("Content-Length", len(body))]
    chunked = [("Transfer-Encoding", "chunked")]
    match how:
        case "chunks":
            length, body = chunked, chunks(body)
        case "no length":
            length = []
        case "longer than announced":
            length = [("Content-Length", len(body) // 2)]
        case "shorter than announced":
            length = [("Content-Length", len(body) + 9)]
        case "huge":
            length = [("Content-Length", 10**15)]
        case "negative":
            length = [("Content-Length", -5)]
        case "no number":
            length = [("Content-Length", "0x10")]
        case "two lengths":
            length = [*length, ("Content-Length", 3)]
        case "length and chunks":
            length, body = [*length, *chunked], chunks(body)
        case "bad chunk":
            length, body = chunked, b"zz\r\n" + body
        case "endless chunk":
            length, body = chunked, b"f" * 16 + b"\r\n" + body
        case "gzip":
            body = gzip.compress(body)
            length = [("Content-Length", len(body)), ("Content-Encoding", "gzip")]
        case "expects":
            length = [*length, ("Expect", "100-continue")]
    return request(body, SEND, [*headers, *length])


def outcome_of(how: str, status: int, headers: dict[str, str], body: bytes) -> str:
    """Return the outcome of a request. Raises `AssertionError` if it is wrong."""
    if how in INVALID_HTTP:
        assert status < 500, (how, status, body)
        return f"invalid {status}"
    assert status in (202, 400, 403, 404, 413), (how, status, headers, body[:500])
    if status == 202:
        return "duplicate" if json.loads(body)["duplicate"] else "accepted"
    assert headers["content-type"] == "application/problem+json", (how, headers, body[:500])
    problem = json.loads(body)
    assert problem["status"] == status
    assert problem["detail"].strip()
    assert status != 400 or "errors" in problem, problem
    return str(status)


def attack(target: AttackedServer, count: int) -> dict[str, int]:
    """Send `CLASSICS`, two valid bodies and `count` others; return the number of each outcome."""
    outcomes: dict[str, int] = {}
    cameras = st.sampled_from([target.scenario.push, target.scenario.push, target.scenario.plaza])

    @messages(count)
    @given(how=FRAMINGS, kind=KINDS, body=BODIES, camera=cameras)
    def send(how: str, kind: str, body: bytes, camera: str) -> None:
        target.count(body, count // 3)
        post(how, kind, body, camera)

    def post(how: str, kind: str, body: bytes, camera: str) -> None:
        body = dated(body.replace(CAMERA.encode(), camera.encode()))
        bearer = target.scenario["operator"].bearer
        headers = [("Host", f"127.0.0.1:{target.installation.port}"), ("Connection", "close"),
                   ("Content-Type", kind), *bearer.items()]  # fmt: skip
        data = encode_request(how, body, headers)
        outcome = outcome_of(
            how, *exchange(target.installation.port, data, hang_up=how in INVALID_HTTP)
        )
        outcomes[outcome] = outcomes.get(outcome, 0) + 1

    for text in CLASSICS:
        post("whole", "application/json", text.encode(), target.scenario.push)
    for camera in (target.scenario.push, target.scenario.plaza):
        post("whole", "application/json", json.dumps(send_body(camera)).encode(), camera)
    send()
    return outcomes


@pytest.mark.postgres
@pytest.mark.parametrize("factor", MULTIPLIERS)
def test_hostile_bodies_and_headers(target: AttackedServer, factor: int) -> None:
    with target.attack() as watcher:
        outcomes = attack(target, 90 * factor)
    if factor > 1:
        watcher.assert_served_in_time()
    assert target.sent == 90 * factor
    assert outcomes["400"] > 20 * factor
    assert outcomes["accepted"] > 0
    assert outcomes["duplicate"] > 0


@pytest.mark.timing
def test_viewer_is_served_in_time_during_the_attack(target: AttackedServer) -> None:
    with target.attack() as watcher:
        attack(target, 30)
    watcher.assert_served_in_time()


@pytest.mark.timing
def test_large_form_of_an_unauthenticated_client_does_not_block_others(
    target: AttackedServer,
) -> None:
    """Parsing the form on the event loop would block it for ten seconds."""
    url = target.installation.url
    form = b"a=b&" * (11 * 2**20 // 4)

    def post(kind: str) -> float:
        began = time.monotonic()
        answer = httpx.post(url + SEND, content=form, headers={"Content-Type": kind}, timeout=60)
        assert answer.status_code == 401
        return time.monotonic() - began

    plain = post("text/plain")
    assert post("application/x-www-form-urlencoded") < plain * 3 + 1
    with LegitimateViewer(target.installation, target.scenario) as watcher:
        post("application/x-www-form-urlencoded")
    assert watcher.worst_silence < SILENCE_S


def test_form_without_a_boundary_gets_a_problem(target: AttackedServer) -> None:
    answer = httpx.post(
        target.installation.url + SEND,
        content=b"x",
        headers={"Content-Type": "multipart/form-data"},
    )
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_client_cannot_set_the_root_path(target: AttackedServer) -> None:
    logged = len(target.installation.logged())
    for path in (b"/elsewhere", b"\xe9"):
        answer = httpx.get(
            f"{target.installation.url}/healthz", headers={b"Daphne-Root-Path": path}
        )
        assert answer.status_code == 200, answer.text
    assert TRACEBACK not in target.installation.logged()[logged:]
