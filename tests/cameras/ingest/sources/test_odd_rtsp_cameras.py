"""RTSP cameras that do not keep to the rules, and logins: the relay and PyAV show the picture."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import av
import numpy as np
import numpy.typing as npt
import pytest

from cameras.ingest.sources import dialing
from cameras.ingest.sources.addresses import Address
from cameras.ingest.sources.explanations import explain_rtsp
from cameras.ingest.sources.rtsp_relay import RTSPRelay
from cameras.ingest.worker.demuxer import OPTIONS
from tests.cameras.ingest.sources.test_rtsp_relay import running_relay
from tests.rtsp import TCP, RTSPCamera, rtsp_camera
from tests.servers import PLAZA
from tests.waiting import until

# FFmpeg would follow a redirect with these, so that only the relay can stop it.
TRUSTING = OPTIONS["rtsp"] | {"protocol_whitelist": "rtsp,rtp,udp,tcp"}
Picture = npt.NDArray[np.uint8]


def pictures(relay: RTSPRelay, source: str, count: int = 1) -> list[Picture]:
    """The first pictures of a camera. Raises `av.FFmpegError`."""
    url = relay.show(Address.parse("rtsp", source))
    with av.open(url, options=TRUSTING, timeout=(10, 10)) as container:
        frames = container.decode(video=0)
        return [next(frames).to_ndarray(format="gray") for _ in range(count)]


@pytest.fixture(scope="module")
def clip() -> list[Picture]:
    with av.open(str(PLAZA)) as container:
        frames = container.decode(video=0)
        return [next(frames).to_ndarray(format="gray") for _ in range(12)]


def assert_plays(relay: RTSPRelay, source: str, clip: list[Picture], count: int = 1) -> None:
    """The pictures are those of the clip."""
    for shown, wanted in zip(pictures(relay, source, count), clip, strict=False):
        assert np.abs(shown.astype(int) - wanted.astype(int)).mean() < 1


def why(relay: RTSPRelay, source: str) -> str:
    with pytest.raises(av.FFmpegError):
        pictures(relay, source)
    return explain_rtsp(Address.parse("rtsp", source), relay.outcome)


def folded(answer: bytes) -> bytes:
    return answer.replace(b"Content-Base: ", b"Content-Base:\r\n\t").replace(b"=0-1", b"=\r\n 0-1")


def with_lines(*lines: bytes) -> Callable[[bytes], bytes]:
    more = b"".join(line + b"\r\n" for line in lines)
    return lambda answer: answer.replace(b"CSeq", more + b"CSeq", 1)


def bare(answer: bytes) -> bytes:
    head, end, body = answer.partition(b"\r\n\r\n")
    return (head + end).replace(b"\r\n", b"\n") + body


ODD: dict[str, Callable[[bytes], bytes]] = {
    "folded": folded,
    "bare line feeds": bare,
    "space before the colon": lambda a: re.sub(rb"(?m)^([A-Z][A-Za-z-]+):", rb"\1 :", a, count=4),
    "no colon": with_lines(b"Powered by a camera"),
    "control bytes": with_lines(b"Server: cam\x00\x01era", b"X: a\rLocation: rtsp://127.0.0.2/"),
    "odd names": with_lines(b"(c) maker: x", b"\xff: y", b": z"),
    "frame in a head": with_lines(b"$\x00\x00\x0cabcdefghijkl"),
    "long line": with_lines(b"Server: " + b"x" * 9000),
    "many lines": with_lines(*[b"A: b"] * 9000),
    "no reason": lambda a: a.replace(b"200 OK", b"200"),
    "spacing": lambda a: a.replace(b"RTSP/1.0 200 OK", b"RTSP/1.0   200\tOK "),
    "lower case": lambda a: re.sub(
        rb"(?m)^[A-Z][A-Za-z-]+(?=:)|^RTSP", lambda m: m[0].lower(), a, count=5
    ),
    "length twice": lambda a: re.sub(rb"(Content-Length: \d+\r\n)", rb"\1\1", a),
    "session": lambda a: a.replace(b"Session: 1;timeout=60", b"Session:  1 ; timeout = 60 "),
    "no number": lambda a: re.sub(rb"CSeq: \d+\r\n", b"", a),
    "another number": lambda a: re.sub(rb"CSeq: \d+", b"CSeq: 99", a),
    "stray bytes": lambda a: b"\x00\x00junk$\x09" + a if b"Public" not in a else a,
    "blank lines": lambda a: b"\r\n\n" + a + b"\r\n" * 3,
    "on the way": lambda a: b"RTSP/1.0 100 Continue\r\n\r\n" + a,
    "no transport": lambda a: a.replace(b"Transport: " + TCP.encode() + b"\r\n", b""),
    "no methods": lambda a: a.replace(b"200 OK", b"501 Not Implemented") if b"Public" in a else a,
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_odd_head_is_repaired(kind: str, clip: list[Picture]) -> None:
    with rtsp_camera() as camera, running_relay() as relay:
        camera.odd = ODD[kind]
        assert_plays(relay, camera.url, clip)
        (play,) = camera.requests_of("PLAY")
        assert "Session: 1\n" in play + "\n"


@pytest.mark.parametrize(
    "mess",
    [
        b"\x00",
        b"\x00\x01\x02 junk",
        b"$",
        b"$$\x09\xff\xff",
        b"$\x00\x00\x00",
        b"$\x01\x00\x03abc",
        b"$\x00\x00\x07RTSP/1.",
        b"a line\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"\r\n",
        b"\xff" * 3000,
    ],
)
def test_bytes_between_frames_do_not_spoil_the_picture(mess: bytes, clip: list[Picture]) -> None:
    with rtsp_camera() as camera, running_relay() as relay:
        camera.mess = lambda number: mess if number % 3 == 1 else b""
        assert_plays(relay, camera.url, clip, 12)


MD5 = 'Digest realm="cam", nonce="{nonce}"'
SHA_256 = 'Digest realm="cam", nonce="{nonce}", qop="auth", algorithm=SHA-256'


@pytest.mark.parametrize("keen", [False, True], ids=["", "keen"])
@pytest.mark.parametrize("parting", ["", "close", "cut"])
@pytest.mark.parametrize(
    "challenges",
    [[SHA_256], [MD5 + ", algorithm=MD5", SHA_256], [SHA_256, MD5], [f"NTLM, {MD5}"],
     ['Basic realm="cam"', MD5], ['Basic realm="cam"']],
    ids=["sha-256", "md5 first", "sha-256 first", "ntlm first", "basic first", "basic"],
)  # fmt: skip
def test_login_is_answered(
    challenges: list[str], parting: str, keen: bool, clip: list[Picture]
) -> None:
    with rtsp_camera() as camera, running_relay() as relay:
        camera.login, camera.challenges = "admin:p@ss", challenges
        camera.parting, camera.keen = parting, keen
        assert_plays(relay, camera.url.replace("//", "//admin:p%40ss@"), clip)
        assert camera.connections == (2 if parting else 1)
        assert camera.refused == 0
        assert "p%40ss" not in "".join(camera.requests)


@pytest.mark.parametrize("stale", [", stale=true", ""], ids=["stale", "silent"])
def test_nonce_that_runs_out_is_replaced(stale: str, clip: list[Picture]) -> None:
    with rtsp_camera() as camera, running_relay() as relay:
        camera.login, camera.challenges = "admin:pass", [SHA_256]
        camera.fleeting, camera.stale = 1, stale
        assert_plays(relay, camera.url.replace("//", "//admin:pass@"), clip)
        assert camera.nonces > 3


def test_keep_alive_is_signed_while_frames_come() -> None:
    with rtsp_camera() as camera, running_relay() as relay:
        camera.login, camera.challenges, camera.keen = "u:p", [SHA_256], True
        camera.odd = lambda answer: answer.replace(b"timeout=60", b"timeout=2")
        source = camera.url.replace("//", "//u:p@")
        url = relay.show(Address.parse("rtsp", source))
        with av.open(url, options=TRUSTING, timeout=(10, 10)) as container:
            frames = container.decode(video=0)
            next(frames)
            before = len(camera.requests)
            camera.nonces += 1  # the one that FFmpeg's session began with is old now
            until(lambda: next(frames) and len(camera.requests) >= before + 2)
        kept = camera.requests[before : before + 2]
        assert ['nonce="1"' in kept[0], 'nonce="2"' in kept[1]] == [True, True]
        assert camera.refused == 1


def test_wrong_password_is_tried_once() -> None:
    with rtsp_camera() as camera, running_relay() as relay:
        camera.login = "admin:right"
        for camera.challenges in ([SHA_256], ['Basic realm="cam"']):
            camera.refused = 0
            sentence = why(relay, camera.url.replace("//", "//admin:hunter2@"))
            assert sentence == "The camera refused this user name and password."
            assert camera.refused == 1
        sentence = why(relay, camera.url)
        assert sentence == "The camera asks for a user name and password."


@pytest.mark.parametrize(
    ("challenges", "words"),
    [(["NTLM"], "NTLM"), ([], "a method that it does not name"),
     (['Digest nonce="n", algorithm=SHA-1', "Negotiate"], "Digest with SHA-1 or Negotiate")],
)  # fmt: skip
def test_login_that_is_not_supported_is_named(challenges: list[str], words: str) -> None:
    with rtsp_camera() as camera, running_relay() as relay:
        camera.login, camera.challenges = "admin:pass", challenges
        sentence = why(relay, camera.url.replace("//", "//admin:pass@"))
        assert sentence == f"The camera asks for a login by {words}, which is not supported."


@pytest.mark.parametrize(
    ("status", "part"),
    [(400, "does not understand"), (403, "forbidden (403)"), (404, "no stream at this path"),
     (405, "does not allow"), (453, "no free connection"), (454, "ended the session"),
     (459, "one address"), (461, "UDP only"), (500, "failed (500)"), (503, "no free connection"),
     (551, "error 551")],
)  # fmt: skip
def test_status_is_explained(status: int, part: str) -> None:
    with rtsp_camera() as camera, running_relay() as relay:
        camera.login, camera.challenges = "admin:pass", [SHA_256]
        camera.responses["DESCRIBE"] = b"RTSP/1.0 %d x\r\nCSeq: {cseq}\r\n\r\n" % status
        sentence = why(relay, camera.url.replace("//", "//admin:pass@"))
        assert part in sentence
        assert "password" not in sentence


ELSEWHERE = b"302 x\r\nLocation: {url}\r\n\r\n"


@pytest.mark.parametrize(
    "attack",
    [
        b"RTSP/1.0 200 OK\r\nA: b\r\n RTSP/1.0 " + ELSEWHERE,
        b"RTSP/1.0 200 OK\r\nCSeq: 3\rRTSP/1.0 " + ELSEWHERE,
        b"RTSP/1.0 200 OK\r\nA: b\x00\r\n\r\nRTSP/1.0 " + ELSEWHERE,
        b"RTSP/1.0 200 OK\r\n$\x00\x00\x40\r\n\r\nRTSP/1.0 " + ELSEWHERE,
        b"\x00\x00\x00RTSP/1.0 " + ELSEWHERE,
        b"RTSP/1.0 200 OK\r\nContent-Length: 90\r\n\r\nRTSP/1.0 " + ELSEWHERE + b" " * 90,
        b"RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nRTSP/1.0 " + ELSEWHERE,
        b"$\x00\x00\x05RTSP/$\x00\x00\x041.0 " + ELSEWHERE,
        b"RTSP/1.0 401 x\r\nWWW-Authenticate: Basic\r\nLocation: {url}\r\n\r\n",
        b"RTSP/1.0 401 x\r\nWWW-Authenticate: Basic x=\r\n RTSP/1.0 " + ELSEWHERE,
        b"REDIRECT {url} RTSP/1.0\r\nLocation: {url}\r\n\r\n",
        b"redirect {url} RTSP/1.0\nLocation : {url}\n\n",
        b"RTSP/1.0 200 OK\r\n" + b"Location: {url}\r\n" * 10_000 + b"\r\n",
    ],
)
def test_smuggled_redirect_is_not_followed(attack: bytes) -> None:
    with rtsp_camera() as camera, rtsp_camera("127.0.0.2") as other, running_relay() as relay:
        camera.responses["DESCRIBE"] = attack.replace(b"{url}", other.url.encode()) + b"\xff" * 9
        url = relay.show(Address.parse("rtsp", camera.url.replace("//", "//u:p@")))
        with suppress(av.FFmpegError):  # some leave a description without a stream
            av.open(url, options=TRUSTING, timeout=(0.5, 0.5)).close()
        assert camera.requests_of("DESCRIBE")
        assert other.connections == 0


def test_endless_head_is_cut_off() -> None:
    with rtsp_camera() as camera, running_relay() as relay:
        camera.responses["OPTIONS"] = b"RTSP/1.0 200 OK\r\n" + b"A: b\r\n" * 100_000
        assert "rules of RTSP" in why(relay, camera.url)


def test_camera_that_drips_holds_one_head_and_ends_with_ffmpeg() -> None:
    def drip(listener: socket.socket) -> None:
        link = listener.accept()[0]
        with link:
            try:
                while True:
                    link.sendall(b"R")
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener, running_relay() as relay:
        thread = threading.Thread(target=drip, args=(listener,), daemon=True)
        thread.start()
        sentence = why(relay, f"rtsp://127.0.0.1:{listener.getsockname()[1]}/")
        assert "not as a camera does" in sentence
        thread.join(10)
        assert not thread.is_alive()


def test_camera_that_closes_after_every_401_is_dialed_twice() -> None:
    with rtsp_camera() as camera, running_relay() as relay:
        camera.login, camera.challenges, camera.parting = "u:right", [SHA_256], "cut"
        why(relay, camera.url.replace("//", "//u:wrong@"))
        assert camera.connections == 2


def test_second_dialing_uses_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch, clip: list[Picture]
) -> None:

    asked: list[str] = []

    def answer(host: str, port: int, *args: object, **kwargs: object) -> list[object]:
        asked.append(host)
        ip = "127.0.0.1" if asked.count("cam.example") < 2 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (ip, port))]

    def attempt(camera: RTSPCamera, relay: RTSPRelay) -> None:
        monkeypatch.setattr(dialing.socket, "getaddrinfo", answer)
        assert_plays(relay, f"rtsp://u:p@cam.example:{camera.port}/cam", clip)

    with rtsp_camera() as camera, running_relay() as relay:
        camera.login, camera.challenges, camera.parting = "u:p", [MD5], "close"
        attempt(camera, relay)
        assert camera.connections == 2
        assert asked.count("cam.example") == 1
