"""Answers to `/ws/publish/` messages: acknowledged, duplicate, or a problem."""

from __future__ import annotations

import base64
import contextlib
import struct
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.installation import Installation
from tests.people import Scenario
from tests.publishers import answer, exchange, padded, publishing, seed_frame, v1_frame
from tests.push_messages import now, send_body
from tests.sockets import jpeg


def test_acknowledgement_names_the_seq_or_else_the_timestamp(
    installation: Installation, scenario: Scenario, camera: str
) -> None:
    at = now()
    with publishing(installation, camera, headers=scenario["operator"].bearer) as device:
        assert exchange(device, v1_frame(timestamp=at, seq=7, width=1, more=[1])) == {"ack": 7}
        assert exchange(device, v1_frame(timestamp=at + 1)) == {"ack": at + 1}
        assert exchange(device, v1_frame(timestamp=at + 2.5, seq="x")) == {"ack": at + 2}
    with publishing(installation, camera, headers=scenario["operator"].bearer, v1=False) as device:
        assert exchange(device, seed_frame(camera, timestamp=at + 3, seq=1)) == {"ack": 1}


def test_frame_that_is_not_newer_is_a_duplicate(
    installation: Installation, scenario: Scenario, camera: str
) -> None:
    at = now()
    with publishing(installation, camera, headers=scenario["operator"].bearer) as device:
        assert exchange(device, v1_frame(timestamp=at, seq=1)) == {"ack": 1}
        assert exchange(device, v1_frame(timestamp=at, seq=2)) == {
            "ack": 2,
            "duplicate": True,
        }
        assert exchange(device, v1_frame(timestamp=at - 9, seq=3)) == {
            "ack": 3,
            "duplicate": True,
        }
        echoed = _send(installation, scenario, camera, at)
        assert echoed == {"accepted": True, "duplicate": True}
        assert _send(installation, scenario, camera, at + 5) == {
            "accepted": True,
            "duplicate": False,
        }
        assert exchange(device, v1_frame(timestamp=at + 5))["duplicate"]


def _send(installation: Installation, scenario: Scenario, camera: str, at: int) -> Any:
    url = f"{installation.url}/api/v1/actions/actions/send"
    body = send_body(camera, timestamp=at)
    return httpx.post(url, json=body, headers=scenario["operator"].bearer, timeout=30).json()


@pytest.mark.postgres
def test_exactly_one_of_many_equal_frames_is_accepted(
    installation: Installation, scenario: Scenario, camera: str
) -> None:
    message = v1_frame(timestamp=now())
    with contextlib.ExitStack() as many:
        devices = [
            many.enter_context(
                publishing(installation, camera, headers=scenario["operator"].bearer)
            )
            for _ in range(8)
        ]
        for device in devices:
            device.send(message)
        said = [answer(device) for device in devices]
    assert sorted(one.get("duplicate", False) for one in said) == [False] + [True] * 7


WIDE = bytearray(jpeg())
_AT = WIDE.index(b"\xff\xc0") + 5
WIDE[_AT : _AT + 4] = (100).to_bytes(2, "big") + (30_000).to_bytes(2, "big")
BAD_V1: list[tuple[str, Callable[[], bytes | str]]] = [
    ("header", lambda: b""),
    ("header", lambda: b"\0\0"),
    ("header", lambda: b"\0\0\0\0" + jpeg()),
    ("header", lambda: b"\xff\xff\xff\xff" + jpeg()),
    ("header", lambda: struct.pack(">I", 500) + b"{}"),
    ("header", lambda: struct.pack(">I", 2) + b"[]" + jpeg()),
    ("header", lambda: struct.pack(">I", 40_000) + b"[" * 40_000 + jpeg()),
    ("header", lambda: v1_frame(timestamp=float("nan"))),
    ("header", lambda: '{"ack": 1}'),
    ("timestamp", lambda: v1_frame(timestamp=...)),
    ("timestamp", lambda: v1_frame(timestamp="soon")),
    ("timestamp", lambda: v1_frame(timestamp=True)),
    ("timestamp", lambda: v1_frame(timestamp=10**400)),
    ("timestamp", lambda: v1_frame(timestamp=now() + 3_600_000)),
    ("frame", lambda: v1_frame(b"")),
    ("frame", lambda: v1_frame(b"\x89PNG\r\n\x1a\n" + b"\0" * 64)),
    ("frame", lambda: v1_frame(jpeg()[:-40])),
    ("frame", lambda: v1_frame(bytes(WIDE))),
    ("frame", lambda: v1_frame(padded(9))),
]
BAD_SEED: list[tuple[str, Callable[[], bytes | str]]] = [
    ("body", lambda: ""),
    ("body", lambda: "[]"),
    ("body", lambda: "[" * 100_000),
    ("body", lambda: '{"a":[' + "1," * 2_000_000),
    ("body", lambda: seed_frame("x", timestamp=12345).replace("12345", "Infinity")),
    ("body", lambda: seed_frame("x", more=[[1, 2]] * 20_000)),
    ("timestamp", lambda: seed_frame("x", timestamp=12345).replace("12345", "1e999")),
    ("timestamp", lambda: seed_frame("x", timestamp=...)),
    ("timestamp", lambda: seed_frame("x", timestamp=0)),
    ("frame", lambda: seed_frame("x", frame=...)),
    ("frame", lambda: seed_frame("x", frame=7)),
    ("frame", lambda: seed_frame("x", frame="no base64!")),
    ("frame", lambda: seed_frame("x", frame="data:image/jpeg;base64,/9j/")),
    ("frame", lambda: seed_frame("x", frame="A" * 200_000 + "!")),
    ("frame", lambda: seed_frame("x", frame=base64.b64encode(jpeg()[:-40]).decode())),
    ("frame", lambda: '{"a": {"frame": "' + "A" * 100_000 + '"}, ' + seed_frame("x")[1:]),
]


@pytest.mark.postgres
def test_bad_message_gets_a_problem_is_not_stored_and_does_not_close(
    installation: Installation, scenario: Scenario, camera: str
) -> None:
    with contextlib.ExitStack() as held:
        devices = {
            v1: held.enter_context(
                publishing(installation, camera, headers=scenario["operator"].bearer, v1=v1)
            )
            for v1 in (True, False)
        }
        for v1, bad in ((True, BAD_V1), (False, BAD_SEED)):
            for field, made in bad:
                message = made()
                said = exchange(devices[v1], message)
                assert (said["type"], said["status"]) == ("problem", 400), (message[:80], said)
                assert said["field"] == field, (message[:80], said)
                assert said["detail"].endswith(".")
        clocks = f"PushClock.objects.filter(camera='{camera}').count()"
        script = f"print('ROWS', {clocks})"
        assert "ROWS 0" in installation.manage("shell", "-v0", "-c", script)
        assert "ack" in exchange(devices[True], v1_frame())
        assert "ack" in exchange(devices[False], seed_frame(camera))
    assert "Traceback" not in installation.logged()


def test_problem_has_the_number_of_the_message_if_it_could_be_parsed(
    installation: Installation, scenario: Scenario, camera: str
) -> None:
    with publishing(installation, camera, headers=scenario["operator"].bearer) as device:
        assert exchange(device, v1_frame(b"no picture", seq=12))["ack"] == 12
        assert exchange(device, v1_frame(seq=13, timestamp=0))["ack"] == 13
        assert "ack" not in exchange(device, b"nonsense")
