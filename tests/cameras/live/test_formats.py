"""The messages to viewers, byte by byte."""

from __future__ import annotations

import base64
import json
import struct

import pytest
from websockets.frames import Frame as WebSocketFrame
from websockets.streams import StreamReader

from cameras.live import frames
from cameras.live.formats import BINARY, TEXT, Message, PreparedFrame
from cameras.live.frames import Frame

FRAME = Frame(b"\xff\xd8\xff\xd9", 1_700_000_000_123, 4, 640, 360, [{"class": "person"}])


def header_of(payload: bytes) -> tuple[dict[str, object], bytes]:
    (length,) = struct.unpack_from(">I", payload)
    return json.loads(payload[4 : 4 + length]), payload[4 + length :]


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 200_000])
def test_framing_can_be_read_by_another_implementation(length: int) -> None:
    message = Message(BINARY, b"a" * (length // 2), b"b" * (length - length // 2))
    reader = StreamReader()
    reader.feed_data(message.framed)
    parser = WebSocketFrame.parse(reader.read_exact, mask=False)
    with pytest.raises(StopIteration) as done:
        next(parser)
    assert done.value.value.opcode == 2
    assert done.value.value.fin
    assert done.value.value.data == message.payload
    assert len(message.payload) == length


def test_seed_message_has_the_seeds_fields() -> None:
    message = PreparedFrame(FRAME).seed("cam")
    assert message.is_text
    assert message.framed[0] == TEXT
    fields = json.loads(message.payload)
    assert list(fields) == ["frame", "timestamp", "camera_id", "run", "detections"]
    assert base64.b64decode(fields["frame"]) == FRAME.jpeg
    assert fields["timestamp"] == 1_700_000_000_123
    assert fields["camera_id"] == "cam"


def test_name_in_the_url_cannot_inject_json() -> None:
    name = 'a","frame":"x\\\n\u2028'
    prepared = PreparedFrame(FRAME)
    assert json.loads(prepared.seed(name).payload)["camera_id"] == name
    assert header_of(prepared.v1(name).payload)[0]["camera_id"] == name


def test_no_detections_key_if_detection_is_off() -> None:
    prepared = PreparedFrame(Frame(b"x", 1, 1, 2, 2))
    assert "detections" not in json.loads(prepared.seed("cam").payload)
    assert b"detections" not in prepared.v1("cam").payload


def test_v1_message_is_header_and_picture() -> None:
    header, picture = header_of(PreparedFrame(FRAME).v1("cam").payload)
    age = header.pop("age_ms")
    assert header == {
        "timestamp": 1_700_000_000_123, "run": 0, "seq": 4, "width": 640, "height": 360,
        "detections": [{"class": "person"}], "camera_id": "cam",
    }  # fmt: skip
    assert isinstance(age, int)
    assert picture == FRAME.jpeg


def test_all_viewers_of_a_format_and_name_share_one_message() -> None:
    prepared = PreparedFrame(FRAME)
    assert prepared.seed("a") is prepared.seed("a")
    assert prepared.v1("a") is prepared.v1("a")
    assert prepared.seed("a") is not prepared.seed("b")


def test_frame_sent_later_has_its_age_at_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(frames.time, "monotonic", lambda: now)
    prepared = PreparedFrame(Frame(b"x", 1, 1, 2, 2, captured_at=now - 0.005))
    assert header_of(prepared.v1("c").payload)[0]["age_ms"] == 5
    prepared.is_first_round = False
    now += 0.3
    assert header_of(prepared.v1("c").payload)[0]["age_ms"] == 305
    assert prepared.v1("c") is prepared.v1("c")
