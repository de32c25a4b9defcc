"""`/ws/publish/`: who may send a camera's pictures, and what becomes of each message."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from cameras.live.publishers import Publisher
from tests.installation import Installation, installed
from tests.parcels import now, parcel
from tests.people import Cast, assemble
from tests.publishers import answer, asked, outcome, publishing, seed_parcel, v1_parcel
from tests.sockets import ended, frame, jpeg, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def cast(house: Installation) -> Cast:
    return assemble(house, "publish")


@pytest.fixture
def camera(house: Installation) -> Iterator[str]:
    """A push camera of one's own, since a timestamp is accepted once."""
    made = house.add_camera(name=f"Device {uuid.uuid4()}", kind="push")
    yield made
    with house.api() as api:
        api.delete(f"/cameras/{made}")


@pytest.mark.parametrize("v1", [True, False])
def test_it_works(house: Installation, cast: Cast, camera: str, v1: bool) -> None:
    """Who watches sees the very bytes that were sent, however they were wrapped."""
    sent: dict[int, bytes] = {}

    def appears(device: ClientConnection, viewer: ClientConnection) -> dict[str, Any] | None:
        at, picture = now(), jpeg(shade=len(sent) % 200)
        sent[at] = picture
        encoded = base64.b64encode(picture).decode()
        found = [{"class": "person", "confidence": 0.5, "bbox": [1, 2, 3, 4]}] * 40
        said = asked(
            device,
            v1_parcel(picture, timestamp=at)
            if v1
            else seed_parcel(camera, frame=encoded, timestamp=at, detections=found),
        )
        assert said == {"ack": at}
        with contextlib.suppress(TimeoutError):
            return frame(viewer, 0.2)
        return None

    operator, viewer = cast["operator"].bearer, cast["viewer"].bearer
    with (
        publishing(house, camera, headers=operator, v1=v1) as device,
        watching(house, camera, headers=viewer) as watcher,
    ):
        assert device.subprotocol == ("sideline.v1" if v1 else None)
        seen = until(lambda: appears(device, watcher), 15, "a published frame")
    assert base64.b64decode(seen["frame"]) == sent[seen["timestamp"]]


def test_no_credential_is_refused_at_the_handshake(house: Installation, cast: Cast) -> None:
    assert outcome(house, cast.push) == 403
    assert outcome(house, cast.push, headers={"Authorization": "Bearer nonsense"}) == 403
    assert outcome(house, "sk_nonsense-nonsense-nonsense") == 403


def test_cookie_needs_a_trusted_origin(house: Installation, cast: Cast) -> None:
    headers = {"Cookie": f"sideline_session={cast['operator'].session}"}
    assert outcome(house, cast.push, headers=headers, origin=house.url) == 200
    assert outcome(house, cast.push, headers=headers) == 403
    assert outcome(house, cast.push, headers=headers, origin="http://evil.example") == 403


def test_outsider_cannot_publish_and_learns_nothing(house: Installation, cast: Cast) -> None:
    for who in ("outsider", "operator"):
        assert outcome(house, str(uuid.uuid4()), headers=cast[who].bearer) == 4404
        assert outcome(house, "no-uuid", headers=cast[who].bearer) == 4404
    assert outcome(house, cast.push, headers=cast["outsider"].bearer) == 4404


def test_publishing_needs_the_role_and_the_scope(house: Installation, cast: Cast) -> None:
    for who in ("viewer", "reader", "chatter"):
        assert outcome(house, cast.push, headers=cast[who].bearer) == 4403, who
    for who in ("operator", "admin", "publisher"):
        assert outcome(house, cast.push, headers=cast[who].bearer) == 200, who


def test_stream_key_never_publishes(house: Installation, cast: Cast) -> None:
    assert outcome(house, cast.push_key) == 4403
    assert outcome(house, cast.key) == 4403


def test_camera_that_the_server_reads_itself_is_closed_with_the_reason(
    house: Installation, cast: Cast
) -> None:
    with (
        publishing(house, cast.plaza, headers=cast["operator"].bearer) as device,
        pytest.raises(ConnectionClosed) as closed,
    ):
        device.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403
    assert closed.value.rcvd.reason == "This camera is not of kind push."


def changed(house: Installation, act: str) -> float:
    """Do something to the rows behind the server's back; when it was done, monotonic seconds."""
    house.manage("shell", "-v0", "-c", f"from cameras.models import *; {act}")
    return time.monotonic()


WITHDRAWN = {
    "operator": ("Membership.objects.filter(user__username='{}').update(role='viewer')", 4403),
    "admin": ("Membership.objects.filter(user__username='{}').delete()", 4403),
    "publisher": ("[t.revoke() for t in Token.objects.filter(user__username='{}')]", 4401),
}


def test_withdrawn_access_closes_within_two_seconds(house: Installation) -> None:
    cast = assemble(house, "unpublish")
    for who, (act, code) in WITHDRAWN.items():
        with publishing(house, cast.push, headers=cast[who].bearer) as device:
            assert "ack" in asked(device, v1_parcel())
            done = changed(house, act.format(cast[who].username))
            assert ended(device, 5) == code, who
            assert time.monotonic() - done < 2


def test_deleted_camera_is_closed_within_two_seconds(
    house: Installation, cast: Cast, camera: str
) -> None:
    with publishing(house, camera, headers=cast["operator"].bearer) as device:
        assert "ack" in asked(device, v1_parcel())
        done = changed(house, f"Camera.objects.get(pk='{camera}').delete()")
        assert ended(device, 5) == 4404
        assert time.monotonic() - done < 2


def test_camera_that_is_switched_off_takes_nothing_until_it_is_on_again(
    house: Installation, cast: Cast, camera: str
) -> None:
    switch = f"Camera.objects.filter(pk='{camera}').update(enabled={{}})"
    with publishing(house, camera, headers=cast["operator"].bearer) as device:
        changed(house, switch.format(False))
        said = asked(device, v1_parcel(seq=5))
        assert (said["type"], said["status"], said["ack"]) == ("problem", 409, 5)
        assert said["detail"] == "This camera is switched off."
        changed(house, switch.format(True))
        assert asked(device, v1_parcel(seq=6)) == {"ack": 6}


def test_camera_that_becomes_one_of_another_kind_is_closed(
    house: Installation, cast: Cast, camera: str
) -> None:
    with publishing(house, camera, headers=cast["operator"].bearer) as device:
        assert "ack" in asked(device, v1_parcel())
        changed(house, f"Camera.objects.filter(pk='{camera}').update(kind='file')")
        device.send(v1_parcel())
        assert ended(device, 5) == 4403


def test_acknowledgement_names_the_seq_or_else_the_timestamp(
    house: Installation, cast: Cast, camera: str
) -> None:
    at = now()
    with publishing(house, camera, headers=cast["operator"].bearer) as device:
        assert asked(device, v1_parcel(timestamp=at, seq=7, width=1, more=[1])) == {"ack": 7}
        assert asked(device, v1_parcel(timestamp=at + 1)) == {"ack": at + 1}
        assert asked(device, v1_parcel(timestamp=at + 2.5, seq="x")) == {"ack": at + 2}
    with publishing(house, camera, headers=cast["operator"].bearer, v1=False) as device:
        assert asked(device, seed_parcel(camera, timestamp=at + 3, seq=1)) == {"ack": 1}


def test_frame_that_is_not_newer_is_told_to_be_a_duplicate(
    house: Installation, cast: Cast, camera: str
) -> None:
    at = now()
    with publishing(house, camera, headers=cast["operator"].bearer) as device:
        assert asked(device, v1_parcel(timestamp=at, seq=1)) == {"ack": 1}
        assert asked(device, v1_parcel(timestamp=at, seq=2)) == {"ack": 2, "duplicate": True}
        assert asked(device, v1_parcel(timestamp=at - 9, seq=3)) == {"ack": 3, "duplicate": True}
        echoed = _send(house, cast, camera, at)
        assert echoed == {"accepted": True, "duplicate": True}
        assert _send(house, cast, camera, at + 5) == {"accepted": True, "duplicate": False}
        assert asked(device, v1_parcel(timestamp=at + 5))["duplicate"]


def _send(house: Installation, cast: Cast, camera: str, at: int) -> Any:
    url = f"{house.url}/api/v1/actions/actions/send"
    body = parcel(camera, timestamp=at)
    return httpx.post(url, json=body, headers=cast["operator"].bearer, timeout=20).json()


def test_of_many_at_once_exactly_one_is_accepted(
    house: Installation, cast: Cast, camera: str
) -> None:
    message = v1_parcel(timestamp=now())
    with contextlib.ExitStack() as many:
        devices = [
            many.enter_context(publishing(house, camera, headers=cast["operator"].bearer))
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
    ("header", lambda: v1_parcel(timestamp=float("nan"))),
    ("header", lambda: '{"ack": 1}'),
    ("timestamp", lambda: v1_parcel(timestamp=...)),
    ("timestamp", lambda: v1_parcel(timestamp="soon")),
    ("timestamp", lambda: v1_parcel(timestamp=True)),
    ("timestamp", lambda: v1_parcel(timestamp=10**400)),
    ("timestamp", lambda: v1_parcel(timestamp=now() + 3_600_000)),
    ("frame", lambda: v1_parcel(b"")),
    ("frame", lambda: v1_parcel(b"\x89PNG\r\n\x1a\n" + b"\0" * 64)),
    ("frame", lambda: v1_parcel(jpeg()[:-40])),
    ("frame", lambda: v1_parcel(bytes(WIDE))),
    ("frame", lambda: v1_parcel(padded(9))),
]
BAD_SEED: list[tuple[str, Callable[[], bytes | str]]] = [
    ("body", lambda: ""),
    ("body", lambda: "[]"),
    ("body", lambda: "[" * 100_000),
    ("body", lambda: '{"a":[' + "1," * 2_000_000),
    ("body", lambda: seed_parcel("x", timestamp=12345).replace("12345", "Infinity")),
    ("body", lambda: seed_parcel("x", more=[[1, 2]] * 20_000)),
    ("timestamp", lambda: seed_parcel("x", timestamp=12345).replace("12345", "1e999")),
    ("timestamp", lambda: seed_parcel("x", timestamp=...)),
    ("timestamp", lambda: seed_parcel("x", timestamp=0)),
    ("frame", lambda: seed_parcel("x", frame=...)),
    ("frame", lambda: seed_parcel("x", frame=7)),
    ("frame", lambda: seed_parcel("x", frame="no base64!")),
    ("frame", lambda: seed_parcel("x", frame="data:image/jpeg;base64,/9j/")),
    ("frame", lambda: seed_parcel("x", frame="A" * 200_000 + "!")),
    ("frame", lambda: seed_parcel("x", frame=base64.b64encode(jpeg()[:-40]).decode())),
    ("frame", lambda: '{"a": {"frame": "' + "A" * 100_000 + '"}, ' + seed_parcel("x")[1:]),
]


def padded(mebibytes: float) -> bytes:
    """A good JPEG of so many MiB."""
    return jpeg()[:-2] + b"\0" * int(mebibytes * 2**20) + b"\xff\xd9"


@pytest.mark.parametrize(("v1", "bad"), [(True, BAD_V1), (False, BAD_SEED)])
def test_bad_message_is_answered_stored_nowhere_and_ends_nothing(
    house: Installation, cast: Cast, camera: str, v1: bool, bad: Any
) -> None:
    with publishing(house, camera, headers=cast["operator"].bearer, v1=v1) as device:
        for field, made in bad:
            message = made()
            said = asked(device, message)
            assert (said["type"], said["status"]) == ("problem", 400), (message[:80], said)
            assert said["field"] == field, (message[:80], said)
            assert said["detail"].endswith(".")
        clocks = f"PushClock.objects.filter(camera='{camera}').count()"
        script = f"from cameras.models import *; print('ROWS', {clocks})"
        assert "ROWS 0" in house.manage("shell", "-v0", "-c", script)
        assert "ack" in asked(device, v1_parcel() if v1 else seed_parcel(camera))
    assert "Traceback" not in house.logged()


def test_problem_names_the_message_where_it_could_be_read(
    house: Installation, cast: Cast, camera: str
) -> None:
    with publishing(house, camera, headers=cast["operator"].bearer) as device:
        assert asked(device, v1_parcel(b"no picture", seq=12))["ack"] == 12
        assert asked(device, v1_parcel(seq=13, timestamp=0))["ack"] == 13
        assert "ack" not in asked(device, b"nonsense")


@pytest.mark.parametrize("escaped", [False, True])
def test_seven_mebibytes_of_jpeg_are_accepted(
    house: Installation, cast: Cast, camera: str, escaped: bool
) -> None:
    """In JSON also as some programs write base64: with `\\/` and `\\u002B`."""
    with publishing(house, camera, headers=cast["operator"].bearer) as device:
        assert asked(device, v1_parcel(padded(7), seq=1)) == {"ack": 1}
    message = seed_parcel(camera, frame=base64.b64encode(padded(7)).decode(), seq=2)
    if escaped:
        message = message.replace("/", "\\/").replace("+", "\\u002B")
    with publishing(house, camera, headers=cast["operator"].bearer, v1=False) as device:
        assert asked(device, message) == {"ack": 2}


def test_message_beyond_all_bounds_is_closed_with_a_code(
    house: Installation, cast: Cast, camera: str
) -> None:
    with publishing(house, camera, headers=cast["operator"].bearer) as device:
        with contextlib.suppress(ConnectionClosed):
            device.send(v1_parcel(padded(13)))
        assert ended(device, 10) == 1009
    with watching(house, cast.plaza, headers=cast["viewer"].bearer, v1=True) as viewer:
        with contextlib.suppress(ConnectionClosed):
            viewer.send("x" * 100_000)
        assert ended(viewer, 10) == 1009


def test_fragments_make_one_message_and_one_bound(
    house: Installation, cast: Cast, camera: str
) -> None:
    whole = v1_parcel(padded(0.5), seq=3)
    with publishing(house, camera, headers=cast["operator"].bearer) as device:
        device.send(whole[at : at + 10_000] for at in range(0, len(whole), 10_000))
        assert answer(device) == {"ack": 3}
        with contextlib.suppress(ConnectionClosed):
            device.send(bytes(2**20) for _ in range(40))
        assert ended(device, 10) == 1009


def test_only_the_newest_of_a_burst_waits_and_the_others_are_told(
    house: Installation, cast: Cast, camera: str
) -> None:
    at = now()
    burst = [v1_parcel(padded(0.3), timestamp=at + seq, seq=seq) for seq in range(100)]
    with publishing(house, camera, headers=cast["operator"].bearer) as device:
        for message in burst:
            device.send(message)
        said = [answer(device)]
        while said[-1]["ack"] < 99:
            said.append(answer(device))
    assert [one["ack"] for one in said] == sorted({one["ack"] for one in said})
    assert len(said) + sum(one.get("dropped", 0) for one in said) == 100
    assert not any("duplicate" in one for one in said)


def test_flood_is_cut_off(house: Installation, cast: Cast, camera: str) -> None:
    for message in ("nonsense", v1_parcel()):
        with publishing(house, camera, headers=cast["operator"].bearer) as device:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(2000):
                    device.send(message)
            assert ended(device, 10) == 4429


def test_publisher_that_never_reads_costs_no_memory(
    house: Installation, cast: Cast, camera: str
) -> None:
    """Of all that it sends, and of the answers to it, the server keeps next to nothing."""
    server = psutil.Process(house.processes[0].pid)
    message = v1_parcel(padded(1))
    masked = b"\x82\xff" + struct.pack(">Q", len(message)) + bytes(4) + message
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(20)
        raw.connect(("127.0.0.1", house.port))
        raw.sendall(
            f"GET /ws/publish/{camera} HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\n"
            f"Authorization: Bearer {cast['operator'].token}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: sideline.v1\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n\r\n".encode()
        )
        assert raw.recv(12) == b"HTTP/1.1 101"
        raw.sendall(masked * 5)
        before = server.memory_info().rss
        for _ in range(20):
            raw.sendall(masked * 5 + b"\x89\xfd" + bytes(4) + b"p" * 125)
        assert server.memory_info().rss - before < 32 * 2**20


class StuffedWire:
    """Takes nothing until it is `relieved`."""

    def __init__(self) -> None:
        self.ready = False
        self.written: list[bytes] = []
        self.calls: list[Callable[[], None]] = []

    def write(self, data: bytes) -> bool:
        self.written.append(data)
        return True

    def call_when_ready(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def read_now(self) -> None: ...

    def read_at_once(self, wanted: bool) -> None: ...


async def test_of_answers_that_nobody_reads_the_newest_waits() -> None:
    wire = StuffedWire()
    publisher = Publisher(wire)
    for seq in range(1000):
        publisher.tell({"ack": seq})
    assert wire.written == []
    wire.ready = True
    for call in wire.calls:
        call()
    assert [json.loads(one[2:]) for one in wire.written] == [{"ack": 999}]


def test_frame_that_nobody_takes_may_be_sent_again(tmp_path: Path) -> None:
    with installed(tmp_path) as alone:
        alone.serve()
        cast = assemble(alone, "nobody")
        until(lambda: alone.state(cast.push) == "offline", 20, "the reader")
        with publishing(alone, cast.push, headers=cast["operator"].bearer) as device:
            assert "ack" in asked(device, v1_parcel())
            for child in alone.children("ingest"):
                child.kill()
            at = until(lambda: _refused(device), 5, "a refusal")
            assert until(lambda: asked(device, v1_parcel(timestamp=at)) == {"ack": at}, 20)


def _refused(device: ClientConnection) -> int | None:
    at = now()
    said = asked(device, v1_parcel(timestamp=at))
    return at if said.get("status") == 503 else None
