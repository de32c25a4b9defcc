"""Hostile bodies and headers on `actions/send`: a problem for each, and nothing else."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.attacked import HOW_MANY, SEND, SILENCE_S, TRACEBACK, Honest, Siege, messages
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
from tests.parcels import parcel

# Would hide the failure.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

CAMERA = "the-camera"  # stands for its id
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
    *["whole"] * 24, *["chunks"] * 4, "no length", "longer than said",
    "shorter than said", "huge", "negative", "no number", "two lengths", "length and chunks",
    "bad chunk", "endless chunk", "gzip", "expects",
])  # fmt: skip
# Against HTTP itself: the server may hang up, or say 400 in the words of its library.
UNLAWFUL = ("no length", "shorter than said", "longer than said", "huge", "negative", "no number",
            "two lengths", "length and chunks", "bad chunk", "endless chunk")  # fmt: skip


def chunks(body: bytes) -> bytes:
    half = len(body) // 2
    parts = [part for part in (body[:half], body[half:]) if part]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def framed(how: str, body: bytes, headers: list[tuple[str, Any]]) -> bytes:
    """The request, with a length that is said in this way."""
    length: list[tuple[str, Any]] = [("Content-Length", len(body))]
    chunked = [("Transfer-Encoding", "chunked")]
    match how:
        case "chunks":
            length, body = chunked, chunks(body)
        case "no length":
            length = []
        case "longer than said":
            length = [("Content-Length", len(body) // 2)]
        case "shorter than said":
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


def judge(how: str, status: int, headers: dict[str, str], body: bytes) -> str:
    """What became of it; fails where that is wrong."""
    if how in UNLAWFUL:
        assert status < 500, (how, status, body)
        return f"unlawful {status}"
    assert status in (202, 400, 403, 404, 413), (how, status, headers, body[:500])
    if status == 202:
        return "duplicate" if json.loads(body)["duplicate"] else "accepted"
    assert headers["content-type"] == "application/problem+json", (how, headers, body[:500])
    problem = json.loads(body)
    assert problem["status"] == status
    assert problem["detail"].strip()
    assert status != 400 or "errors" in problem, problem
    return str(status)


def attack(siege: Siege, count: int) -> dict[str, int]:
    """The classics, two good ones, and so many more; how many were answered how."""
    outcomes: dict[str, int] = {}
    cameras = st.sampled_from([siege.cast.push, siege.cast.push, siege.cast.plaza])

    @messages(count)
    @given(how=FRAMINGS, kind=KINDS, body=BODIES, camera=cameras)
    def send(how: str, kind: str, body: bytes, camera: str) -> None:
        siege.count(body, count // 3)
        post(how, kind, body, camera)

    def post(how: str, kind: str, body: bytes, camera: str) -> None:
        body = dated(body.replace(CAMERA.encode(), camera.encode()))
        bearer = siege.cast["operator"].bearer
        headers = [("Host", f"127.0.0.1:{siege.installation.port}"), ("Connection", "close"),
                   ("Content-Type", kind), *bearer.items()]  # fmt: skip
        made = framed(how, body, headers)
        outcome = judge(how, *exchange(siege.installation.port, made, hang_up=how in UNLAWFUL))
        outcomes[outcome] = outcomes.get(outcome, 0) + 1

    for text in CLASSICS:
        post("whole", "application/json", text.encode(), siege.cast.push)
    for camera in (siege.cast.push, siege.cast.plaza):
        post("whole", "application/json", json.dumps(parcel(camera)).encode(), camera)
    send()
    return outcomes


@pytest.mark.postgres
@pytest.mark.parametrize("times", HOW_MANY)
def test_bodies_and_headers(siege: Siege, times: int) -> None:
    with siege.withstood() as honest:
        outcomes = attack(siege, 90 * times)
    if times > 1:
        honest.was_served_in_time()
    assert siege.sent == 90 * times
    assert outcomes["400"] > 20 * times
    assert outcomes["accepted"] > 0
    assert outcomes["duplicate"] > 0


@pytest.mark.timing
def test_who_watches_is_served_in_time_meanwhile(siege: Siege) -> None:
    with siege.withstood() as honest:
        attack(siege, 30)
    honest.was_served_in_time()


@pytest.mark.timing
def test_a_strangers_form_of_eleven_megabytes_holds_nobody_up(siege: Siege) -> None:
    """A server that reads forms on its loop stands still for ten seconds."""
    url = siege.installation.url
    form = b"a=b&" * (11 * 2**20 // 4)

    def post(kind: str) -> float:
        began = time.monotonic()
        answer = httpx.post(url + SEND, content=form, headers={"Content-Type": kind}, timeout=60)
        assert answer.status_code == 401
        return time.monotonic() - began

    plain = post("text/plain")
    assert post("application/x-www-form-urlencoded") < plain * 3 + 1
    with Honest(siege.installation, siege.cast) as honest:
        post("application/x-www-form-urlencoded")
    assert honest.worst_silence < SILENCE_S


def test_a_form_without_a_boundary_is_a_problem(siege: Siege) -> None:
    answer = httpx.post(
        siege.installation.url + SEND, content=b"x", headers={"Content-Type": "multipart/form-data"}
    )
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_root_path_is_not_a_clients_to_say(siege: Siege) -> None:
    logged = len(siege.installation.logged())
    for path in (b"/elsewhere", b"\xe9"):
        answer = httpx.get(f"{siege.installation.url}/healthz", headers={b"Daphne-Root-Path": path})
        assert answer.status_code == 200, answer.text
    assert TRACEBACK not in siege.installation.logged()[logged:]
