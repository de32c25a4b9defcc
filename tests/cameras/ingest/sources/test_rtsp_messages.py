"""The RTSP filter, compared with how FFmpeg reads the same bytes."""

from __future__ import annotations

import contextlib
import re
import time
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cameras.ingest.sources.rtsp_messages import (
    MALFORMED,
    MAX_BODY,
    MAX_HEAD,
    MAX_LINE,
    MAX_SAME,
    MAX_STRAY,
    UDP_ONLY,
    Message,
    MessageReader,
)

OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
SETUP = OK.replace(b"CSeq: 1", b"CSeq: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1")
MOVED = b"RTSP/1.0 302 Moved\r\nLocation: rtsp://10.0.0.9/x?token=hunter2\r\n\r\n"
FRAME = b"$\x00\x00\x0c" + b"\x80!RTP-packet"
OTHER = b"$\x01\x00\x0c" + b"\x80!RTP-PACKET"


def refusal(*parts: bytes) -> str:
    """Return the sentence with which the bytes are refused; `not RTSP` for another protocol."""
    reader = MessageReader()
    try:
        for part in parts:
            reader.feed(part)
    except ValueError as error:
        return str(error)
    raise AssertionError("all of it goes on")


def written(reader: MessageReader, data: bytes) -> bytes:
    """What FFmpeg would be sent for it, if each response were awaited."""
    return b"".join(
        part if isinstance(part, bytes) else part.write(b"1") if part.status else b""
        for part in reader.feed(data)
    )


def passed(stream: bytes) -> bytes:
    """What goes on of a stream, however it is split."""
    whole = written(MessageReader(), stream)
    reader = MessageReader()
    step = 1 + len(stream) // 400
    parts = [stream[at : at + step] for at in range(0, len(stream), step)]
    assert b"".join(written(reader, part) for part in parts) == whole
    return whole


def only(stream: bytes) -> Message:
    """The message that a stream is."""
    (message,) = MessageReader().feed(stream)
    assert isinstance(message, Message)
    return message


@pytest.mark.parametrize(
    "stream",
    [
        OK,
        OK + FRAME + OTHER + OK + FRAME,
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 5\r\n\r\nv=0\r\n" + FRAME,
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 38\r\n\r\n"
        b"RTSP/1.0 302 x\r\nLocation: rtsp://x\r\n\r\n",
        SETUP + FRAME,
        OK + b"$\x00\x00\x28\r\nRTSP/1.0 302 x\r\nLocation: rtsp://x\r\n\r\n" + OK,
    ],
)
def test_regular_stream_goes_on_as_it_came(stream: bytes) -> None:
    assert passed(stream) == stream


@pytest.mark.parametrize(
    "odd",
    [
        OK.replace(b"\r\nCSeq", b"\nCSeq"),
        OK.replace(b"\r\n", b"\n"),
        OK.replace(b"\r\n", b"\r\r\n"),
        OK.replace(b"CSeq: 1", b"CSeq : 1"),
        OK.replace(b"CSeq: 1", b"CSeq:1"),
        OK.replace(b"CSeq: 1", b"Server-Name: x\r\n folded\r\n\ttwice\r\nCSeq: 1"),
        OK.replace(b"CSeq: 1", b"no colon\r\nCSeq: 1"),
        OK.replace(b"CSeq: 1", b"Public: a\x00b\r\nCSeq: 1"),
        OK.replace(b"CSeq: 1", b"Public: a\rLocation: rtsp://x\r\nCSeq: 1"),
        OK.replace(b"CSeq: 1", b"P\xc3\xbcblic: a\r\n: b\r\n(x): c\r\nCSeq: 1"),
        OK.replace(b"CSeq: 1", b"Location: rtsp://10.0.0.9/\r\nCSeq: 1"),
        OK.replace(b"CSeq: 1", b"$\x00\x00\x0cabcdefghijkl\r\nCSeq: 1"),
        OK.replace(b"CSeq: 1", b"Public: " + b"b" * MAX_LINE + b"\r\nCSeq: 1"),
        OK.replace(b"CSeq: 1", b"A: b\r\n" * 9000 + b"CSeq: 1"),
        OK.replace(b"CSeq: 1", b"Content-Length: 0\r\ncontent-length : 0 \r\nCSeq: 1"),
        b"RTSP/1.0 200\r\nCSeq: 1\r\n\r\n",
        b"RTSP/1.0  200   OK\r\nCSeq: 1\r\n\r\n",
        b"RTSP/1.0\t200 OK\r\nCSeq: 1\r\n\r\n",
        b"rtsp/1.0 200 ok\r\ncseq: 1\r\n\r\n",
        b"RTSP/2.0 200 O\x01K\r\nCSeq: 1\r\n\r\n",
        b" RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n",
        b"\r\n\r\n" + OK + b"\r\n",
        b"OPTIONS rtsp://x/ RTSP/1.0\r\nCSeq: 1\r\n\r\n" + OK,
    ],
)
def test_odd_head_is_written_anew(odd: bytes) -> None:
    assert passed(SETUP + FRAME + odd + FRAME) == SETUP + FRAME + OK + FRAME


@pytest.mark.parametrize(
    "stray",
    [
        b"\x00",
        b"\0\0\0\0\0",
        b"R",
        b"RTSP",
        b"$",
        b"$$$",
        b"$\x07\xff\xff",
        b"$\x00\x00\x00",
        b"$\x01\x00\x03abc",
        b"$\x00\x00\x07RTSP/1.",  # FFmpeg would leave these 7 bytes to be read as a line
        b"hello world\r\n",
        b"HELLO world\r\n\r\n",
        b"\x00RTSP/1.0 abc def ghi jkl\r\n\r\n",
        b"\xff" * 100_000,
        b"REDIRECTED\r\n",
    ],
)
def test_bytes_between_frames_are_skipped(stray: bytes) -> None:
    for after in (FRAME, OTHER, OK):
        assert passed(SETUP + FRAME + stray + after + FRAME) == SETUP + FRAME + after + FRAME


def test_body_that_is_longer_than_told_is_skipped() -> None:
    body = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 5\r\n\r\nv=0\r\n"
    assert passed(body + b"s=more\r\n\0" + OK) == body + OK


def test_endless_stray_bytes_end_the_connection() -> None:
    reader = MessageReader()
    reader.feed(SETUP)
    for _ in range(MAX_STRAY // 1024):
        assert reader.feed(b"\xff" * 1024) == []
    with pytest.raises(ValueError, match="rules of RTSP"):
        reader.feed(b"\xff" * 1024)


def test_session_and_transport_are_written_from_their_parts() -> None:
    head = b"RTSP/1.0 200 OK\r\nSession:  12 34 ; Timeout = 60 ;x\r\nTransport: %s\r\n\r\n"
    odd = head % b' rtp/avp/TCP; unicast ;destination=10.0.0.9; Interleaved = 2-3;mode="PLAY"'
    wanted = b"Session: 12 34;timeout=60\r\nTransport: rtp/avp/TCP;unicast;interleaved=2-3\r\n"
    assert passed(odd) == b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n" + wanted + b"\r\n"
    asked = b"RTP/AVP/TCP;unicast;interleaved=0-1"
    assert b"interleaved=0-1\r\n" in only(head % b"RTP/AVP/TCP").write(b"1", asked)
    assert b"interleaved=0-1\r\n" in only(OK).write(b"1", asked)


def test_no_stranger_holds_memory() -> None:
    tracemalloc.start()
    try:
        reader, same = MessageReader(), b"RTSP/1.0 200 OK\r\n" + b"Public: x\r\n" * 5000
        (message,) = reader.feed(same + b"\r\n")
        assert isinstance(message, Message)
        assert len(message.headers[b"public"]) == MAX_SAME
        for _ in range(5):
            reader.feed(FRAME * 500 + b"\r\n" * 500)
            reader.feed(b"$\x00\x00\x00" * 500)
        head = b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % MAX_BODY
        reader.feed(head + b"x" * (MAX_BODY - 1))
        del message, same
        assert tracemalloc.get_traced_memory()[0] < 2 * MAX_BODY
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 351, 399])
def test_redirect_status_is_refused(status: int) -> None:
    answer = MOVED.replace(b"302", str(status).encode())
    sentence = "The camera sends viewers on to 10.0.0.9:554; enter that address yourself."
    assert refusal(answer) == sentence
    assert refusal(OK + FRAME + answer) == sentence
    assert refusal(answer[:5], answer[5:]) == sentence


def test_redirect_request_is_refused() -> None:
    request = b"REDIRECT rtsp://x/ RTSP/1.0\r\nCSeq: 7\r\nLocation: %s\r\n\r\n"
    for location, where in (
        (b"rtsps://[fd12::1]/x", "fd12::1:322"),
        (b"http://10.0.0.9/", "another address"),
        (b"rtsp://u:hunter2@a@b/", "another address"),
        (b"\xff", "another address"),
    ):
        assert f"sends viewers on to {where};" in refusal(OK, FRAME, request % location)


@pytest.mark.parametrize(
    "stream",
    [
        OK.replace(b"CSeq: 1", b"Content-Length: 5\r\ncontent-length: 9"),
        OK.replace(b"CSeq: 1", b"Content-Length: -1"),
        OK.replace(b"CSeq: 1", b"Content-Length: +5"),
        OK.replace(b"CSeq: 1", b"Content-Length: 0x5"),
        OK.replace(b"CSeq: 1", b"Content-Length: %d" % (MAX_BODY + 1)),
        OK.replace(b"CSeq: 1", b"Content-Length: " + b"9" * 30),
        OK.replace(b"CSeq: 1", b"A: " + b"b" * MAX_HEAD),
        b"RTSP/1.0 0302 x\r\n\r\n",
        b"RTSP/1.0 x\r\n\r\n",
        b"RTSP/1.0\r\n\r\n",
    ],
)
def test_ambiguous_message_is_refused(stream: bytes) -> None:
    assert refusal(OK, stream) == MALFORMED
    step = 1 + len(stream) // 400
    parts = [stream[at : at + step] for at in range(0, len(stream), step)]
    assert refusal(OK, *parts) == MALFORMED


def test_other_protocol_is_refused_at_its_first_line() -> None:
    for banner in (b"SSH-2.0-x\r\n", b"HTTP/1.1 400 Bad\r\n", b"<html>\n"):
        assert refusal(banner) == "not RTSP"


@pytest.mark.parametrize(
    "transport",
    [
        b"RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001",
        b"RTP/AVP/UDP;unicast;source=10.0.0.1",
        b"RTP/AVP;multicast;destination=239.1.1.1;port=5000",
        b"RTP/AVP;unicast,RTP/AVP/TCP;interleaved=0-1",
        b"RTP/AVP/TCP;interleaved=0-1,RTP/AVP;unicast",
        b"",
    ],
)
def test_udp_transport_is_refused(transport: bytes) -> None:
    assert refusal(OK.replace(b"CSeq: 1", b"Transport: " + transport)) == UDP_ONLY


def read_like_ffmpeg(stream: bytes, streaming: bool) -> list[bytes]:
    """Return first lines and headers as FFmpeg 5 to 8 reads them (rtsp.c, rtspdec.c).

    While streaming, its demuxer extracts frames; before that it skips them at any line start.
    """
    lines: list[bytes] = []
    line, at, length, first = b"", 0, 0, True
    while at < len(stream):
        byte = stream[at : at + 1]
        at += 1
        if byte == b"$" and not line:
            size = int.from_bytes(stream[at + 1 : at + 3])
            skipped = size >= 8 or not streaming
            at += 3 + size * skipped
            if streaming:
                first, length = True, 0
        elif byte == b"\n":
            if not line:  # the end of a head
                at += max(length, 0)
                first, length = True, 0
                continue
            lines.append(line)
            if not first and line.lower().startswith(b"content-length:"):
                found = re.match(rb"\s*[+-]?\d+", line[15:])
                length = int(found[0]) if found else 0
            line, first = b"", False
        elif byte != b"\r":
            line += byte
    return lines


PIECES = st.lists(
    st.sampled_from(
        [OK, MOVED, FRAME, b"\r\n", b"\n", b"\r", b"$", b"$\x00\x00\x00", b"$\x00\x00\x07RTSP/1.",
         b"RTSP/1.0 302 x", b"RTSP/1.0 200 OK\r\n", b"Location: rtsp://10.0.0.9/\r\n", b" ", b"\0",
         b"Content-Length: 4\r\n", b"Content-Length: 40\r\n", b"content-length: 0\r\n",
         b"REDIRECT rtsp://x/ RTSP/1.0\r\n", b"CSeq: 1\r\n", b"\r\n\r\n", b"abcd", b"$\x00\x00\x20"]
    )
    | st.binary(max_size=6),
    max_size=14,
)  # fmt: skip


HIDDEN = b"RTSP/1.0 302 x\r\n\r\n"
_LATE = b"#" * (0x2041 - 8) + b"\r\n\r\n" + HIDDEN  # where FFmpeg stops skipping b" A" bytes


def assert_no_redirect_is_read(pieces: list[bytes], streaming: bool) -> None:
    reader, passed = MessageReader(), b""
    try:
        for piece in pieces:
            passed += written(reader, piece)
    except ValueError:
        pass
    for line in read_like_ffmpeg(passed, streaming):
        words = line.replace(b"\t", b" ").split(b" ")
        assert not line.startswith(b"REDIRECT")
        if words[0].startswith(b"RTSP/") and len(words) > 1:
            assert not words[1].lstrip(b"+0").startswith(b"3"), passed


@pytest.mark.parametrize(
    ("pieces", "streaming"),
    [
        ([OK, b"$\0\0\x07RTSP/1.", b"$\0\0\x0c 302 x\r\n\r\n\r\n"], True),
        ([b"RTSP/1.0 200 OK\r\n$: A\r\n\r\n$\0" + len(_LATE).to_bytes(2) + _LATE], False),
        ([b"RTSP/1.0 200 OK\r\nA: b\n\n" + HIDDEN], False),
        ([b"RTSP/1.0 200 OK\r\nA: b\n\r\n", b"$\0\0\x12" + HIDDEN], False),
        ([b"RTSP/1.0 200 OK\r\nContent-Length: 18\r\nContent-Length: 0\r\n\r\n", HIDDEN], False),
        ([b"REDIRECT rtsp://x/ RTSP/1.0\r\n\r\n"], True),
    ],
)
def test_ffmpeg_reads_no_hidden_redirect(pieces: list[bytes], streaming: bool) -> None:
    assert_no_redirect_is_read(pieces, streaming)


@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=pytest.mark.soak)])
def test_ffmpeg_reads_no_redirect_in_bytes_that_pass(count: int) -> None:
    property_test = given(PIECES, st.booleans())(assert_no_redirect_is_read)
    settings(max_examples=count, deadline=None)(property_test)()


def assert_splitting_changes_nothing(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces)

    def outcome(parts: list[bytes]) -> tuple[bytes, str]:
        reader, passed = MessageReader(), b""
        try:
            for part in parts:
                passed += written(reader, part)
        except ValueError as error:
            return b"", str(error)
        return passed, ""

    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    assert outcome([stream[a:b] for a, b in pairwise(places)]) == outcome([stream])


@pytest.mark.parametrize("count", [300, pytest.param(2000, marks=pytest.mark.soak)])
def test_splitting_a_stream_into_reads_changes_nothing(count: int) -> None:
    property_test = given(PIECES, st.lists(st.integers(0, 200), max_size=8))(
        assert_splitting_changes_nothing
    )
    settings(max_examples=count, deadline=None)(property_test)()


@pytest.mark.timing
@pytest.mark.parametrize("piece", [b"A: b\r\n", b" \r\n", b"\r", b"$", b"R", b"RTSP/", b"x", b":"])
def test_head_that_drips_costs_little(piece: bytes) -> None:
    reader, began = MessageReader(), time.thread_time()
    reader.feed(SETUP + b"RTSP/1.0 200 OK\r\n")
    with contextlib.suppress(ValueError):
        for byte in piece * (MAX_HEAD // len(piece)):
            reader.feed(bytes([byte]))
    assert time.thread_time() - began < 4.0
