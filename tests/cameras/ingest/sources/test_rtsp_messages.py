"""The RTSP filter, compared with how FFmpeg reads the same bytes."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cameras.ingest.sources.rtsp_messages import (
    MALFORMED,
    MAX_BODY,
    MAX_HEAD,
    UDP_ONLY,
    ResponseFilter,
)

OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
MOVED = b"RTSP/1.0 302 Moved\r\nLocation: rtsp://10.0.0.9/x?token=hunter2\r\n\r\n"
FRAME = b"$\x00\x00\x0c" + b"\x80!RTP-packet"


def refusal(*parts: bytes) -> str:
    """Return the sentence with which the bytes are refused; `not RTSP` for another protocol."""
    response_filter = ResponseFilter()
    try:
        for part in parts:
            response_filter.feed(part)
    except ValueError as error:
        return str(error)
    raise AssertionError("all of it goes on")


@pytest.mark.parametrize(
    "stream",
    [
        OK,
        OK + FRAME + b"$\x01\x00\x00" + OK + FRAME,
        b"RTSP/1.0 200 OK\r\ncontent-length:  5 \r\n\r\nv=0\r\n" + FRAME,
        b"RTSP/1.0 200 OK\r\nContent-Length: 38\r\n\r\nRTSP/1.0 302 x\r\nLocation: rtsp://x\r\n\r\n",
        b"RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"\xc3\xa9\"\r\n\r\n" + OK,
        b"RTSP/1.0 200\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
        b"OPTIONS rtsp://x/ RTSP/1.0\r\nCSeq: 1\r\n\r\n" + FRAME,
        OK + b"\r\n" + OK,
        b"$\x00\x00\x28\r\nRTSP/1.0 302 x\r\nLocation: rtsp://x\r\n\r\n" + OK,
    ],
)  # fmt: skip
def test_valid_stream_passes_unchanged_however_it_is_split(stream: bytes) -> None:
    assert ResponseFilter().feed(stream) == stream
    response_filter = ResponseFilter()
    assert b"".join(response_filter.feed(bytes([byte])) for byte in stream) == stream


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
        OK.replace(b"\r\nCSeq", b"\nCSeq"),
        OK.replace(b"\r\n", b"\n"),
        OK.replace(b"CSeq: 1", b"CSeq: 1\rLocation: rtsp://x"),
        OK.replace(b"CSeq: 1", b"CSeq: 1\r\n folded"),
        OK.replace(b"CSeq: 1", b"CSeq: 1\r\n$\x00\x00\x0cabcdefghijkl"),
        OK.replace(b"CSeq: 1", b"CSeq : 1"),
        OK.replace(b"CSeq: 1", b"no colon"),
        OK.replace(b"CSeq: 1", b"CSeq: 1\x00"),
        OK.replace(b"CSeq: 1", b"Content-Length: 5\r\nContent-Length: 5"),
        OK.replace(b"CSeq: 1", b"Content-Length: 5\r\ncontent-length: 9"),
        OK.replace(b"CSeq: 1", b"Content-Length: -1"),
        OK.replace(b"CSeq: 1", b"Content-Length: +5"),
        OK.replace(b"CSeq: 1", b"Content-Length: 0x5"),
        OK.replace(b"CSeq: 1", b"Content-Length: 5, 5"),
        OK.replace(b"CSeq: 1", b"Content-Length: %d" % (MAX_BODY + 1)),
        OK.replace(b"CSeq: 1", b"Content-Length: " + b"9" * 30),
        OK.replace(b"CSeq: 1", b"A: " + b"b" * MAX_HEAD),
        b"HTTP/1.1 302 Found\r\n\r\n",
        b"RTSP/1.0  302 x\r\n\r\n",
        b"RTSP/1.0\t302 x\r\n\r\n",
        b"RTSP/1.0 0302 x\r\n\r\n",
        b" RTSP/1.0 302 x\r\n\r\n",
        b"redirect rtsp://x/ RTSP/1.0\r\n\r\n",
        b"$\x00\x00\x07RTSP/1." + FRAME,  # FFmpeg leaves these 7 bytes to be read as a line
        b"$\x00\x00\x01R" + FRAME,
        b"x" * 200 + b"\r\n\r\n",
    ],
)
def test_ambiguous_message_is_refused(stream: bytes) -> None:
    assert refusal(OK, stream) == MALFORMED
    assert refusal(OK, *(bytes([byte]) for byte in stream)) == MALFORMED


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


def test_failure_status_is_kept_except_for_401() -> None:
    response_filter = ResponseFilter()
    for status, remembered in ((200, 200), (401, 401), (200, 200), (404, 404), (200, 404)):
        response_filter.feed(OK.replace(b"200", str(status).encode()))
        assert response_filter.status == remembered


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
    response_filter, passed = ResponseFilter(), b""
    try:
        for piece in pieces:
            passed += response_filter.feed(piece)
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
        response_filter, passed = ResponseFilter(), b""
        try:
            for part in parts:
                passed += response_filter.feed(part)
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
