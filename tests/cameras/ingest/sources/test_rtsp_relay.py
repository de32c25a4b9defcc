"""The RTSP relay: which addresses FFmpeg may reach through it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import av
import psutil
import pytest
from av.error import FFmpegError

from cameras.ingest.sources import dialing, rtsp_relay
from cameras.ingest.sources.addresses import Address
from cameras.ingest.sources.explanations import explain_rtsp
from cameras.ingest.sources.rtsp_messages import MALFORMED, UDP_ONLY
from cameras.ingest.sources.rtsp_relay import RTSPRelay
from cameras.ingest.worker.demuxer import OPTIONS, Demuxer
from tests.bench import relay as bench
from tests.cameras.ingest.worker.captured import captured, losses, state
from tests.cameras.ingest.worker.driven import is_live, worker
from tests.rtsp import RTSPCamera, rtsp_camera
from tests.servers import rtsp_server
from tests.waiting import free_port, until

# With these options FFmpeg follows redirects by itself, so only the relay can stop it.
TRUSTING = OPTIONS["rtsp"] | {"protocol_whitelist": "rtsp,rtp,udp,tcp"}
UDP = "RTP/AVP;unicast;client_port={0}-{0};server_port=6000-6001;source=127.0.0.2"


@contextmanager
def running_relay() -> Iterator[RTSPRelay]:
    """A relay that permits 127.0.0.1 but not 127.0.0.2."""
    relay = RTSPRelay(lambda host, port, ip: str(ip) == "127.0.0.1")
    try:
        yield relay
    finally:
        relay.close()


def opens(source: str, relay: RTSPRelay) -> bool:
    """Whether FFmpeg reads a picture from the source through the relay."""
    return reads(relay.show(Address.parse("rtsp", source)), TRUSTING)


def reads(url: str, options: dict[str, str] = OPTIONS["rtsp"]) -> bool:
    try:
        with av.open(url, options=options, timeout=10) as video:
            return isinstance(next(video.decode(video=0)), av.VideoFrame)
    except (FFmpegError, OSError, StopIteration):
        return False


def why(source: str, relay: RTSPRelay) -> str:
    assert not opens(source, relay)
    return explain_rtsp(Address.parse("rtsp", source), relay.outcome)


def leading_to(other: RTSPCamera, status: int = 302) -> bytes:
    return f"RTSP/1.0 {status} x\r\nCSeq: {{cseq}}\r\nLocation: {other.url}\r\n\r\n".encode()


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
@pytest.mark.parametrize("elsewhere", ["127.0.0.1", "127.0.0.2"])
def test_rtsp_redirect_is_not_followed(method: str, elsewhere: str) -> None:
    with rtsp_camera() as camera, rtsp_camera(elsewhere) as other, running_relay() as relay:
        camera.responses[method] = leading_to(other)
        assert f"{elsewhere}:{other.port}" in why(camera.url, relay)
        assert camera.requests_of(method)
        assert other.connections == 0


@pytest.mark.parametrize(
    "hidden",
    [
        b"RTSP/1.0\r\n 302 x\r\nLocation: {url}\r\n\r\n",
        b"rtsp/1.0 302\r\nLocation:\r\n {url}\r\n\r\n",
        b"\x00$\x07\xff\xffxRTSP/1.0 302 x\nLocation : {url}\n\n",
        b"RTSP/1.0 200 OK\nCSeq: {cseq}\n\nRTSP/1.0 302 x\r\nLocation: {url}\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nA: b\n\nRTSP/1.0 302 x\r\nLocation: {url}\r\n\r\n",
        b"\rRTSP/1.0 302 x\r\nLocation: {url}\r\n\r\n",
        b"RTSP/1.0 \t302 x\r\nLocation: {url}\r\n\r\n",
    ],
)
def test_obfuscated_redirect_is_not_followed(hidden: bytes) -> None:
    with rtsp_camera() as camera, rtsp_camera("127.0.0.2") as other, running_relay() as relay:
        camera.responses["DESCRIBE"] = hidden.replace(b"{url}", other.url.encode())
        assert f"sends viewers on to 127.0.0.2:{other.port};" in why(camera.url, relay)
        assert other.connections == 0


def test_answer_of_two_lengths_ends_the_connection() -> None:
    with rtsp_camera() as camera, running_relay() as relay:
        two = b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\nContent-Length: 90\r\n\r\n"
        camera.responses["DESCRIBE"] = two
        assert why(camera.url, relay) == MALFORMED


@pytest.mark.parametrize("status", [301, 302, 399])
def test_ffmpeg_with_our_options_does_not_follow_redirects_either(status: int) -> None:
    with rtsp_camera() as camera, rtsp_camera("127.0.0.2") as other:
        camera.responses["DESCRIBE"] = leading_to(other, status)
        assert not reads(camera.url)
        assert other.connections == 0
        assert reads(camera.url, TRUSTING), "else the tests above prove nothing"
        assert other.connections == 1


def test_redirect_during_play_ends_the_connection_with_a_reason() -> None:
    with rtsp_camera() as camera, rtsp_camera("127.0.0.2") as other:
        with captured("rtsp", camera.url) as capture:
            until(lambda: state(capture) == "live")
            healths = losses(capture)
            camera.interruption = (
                f"REDIRECT {camera.url} RTSP/1.0\r\nCSeq: 1\r\nLocation: {other.url}\r\n\r\n"
            ).encode()
            until(lambda: healths)
            assert f"sends viewers on to 127.0.0.2:{other.port};" in healths[0].reason
            until(lambda: state(capture) == "live")
            assert other.connections == 0


def test_other_requests_of_a_camera_are_harmless() -> None:
    with rtsp_camera() as camera, running_relay() as relay:
        demuxer = Demuxer("rtsp", relay.show(Address.parse("rtsp", camera.url)))
        camera.interruption = b"OPTIONS rtsp://x/ RTSP/1.0\r\nCSeq: 1\r\n\r\n$\x01\x00\x00\r\n"
        pictures = (frame for frame in demuxer.frames() if frame is not None)
        assert len([*islice(pictures, 10)]) == 10
        assert camera.interruption == b""
        demuxer.close()


def test_absolute_urls_in_a_description_are_not_dialed() -> None:
    with rtsp_camera() as camera, rtsp_camera("127.0.0.2") as other, running_relay() as relay:
        camera.base = other.url + "/far"
        assert opens(camera.url, relay)
        assert camera.requests_of("SETUP")[0].startswith(f"SETUP {other.url}/far/track1 ")
        assert camera.requests_of("PLAY")[0].startswith(f"PLAY {other.url}/far/ ")
        assert other.connections == 0


def udp_sockets() -> int:
    return len(psutil.Process().net_connections("udp"))


@pytest.mark.parametrize("words", ["", "?udp", "?multicast", "?tcp=0&udp=1", "?rtsp_transport=udp"])
def test_ffmpeg_requests_tcp_whatever_the_address_says(words: str) -> None:
    with rtsp_camera() as camera, running_relay() as relay:
        assert opens(camera.url + words, relay)
        assert ["RTP/AVP/TCP" in head for head in camera.requests_of("SETUP")] == [True]


def test_no_udp_socket_is_opened_for_a_udp_camera() -> None:
    before = udp_sockets()
    with rtsp_camera() as camera, running_relay() as relay:
        for answer in (UDP, "RTP/AVP;multicast;destination=239.1.1.1;port={0}-{0};ttl=1"):
            camera.transport = answer.format(free_port())
            assert why(camera.url, relay) == UDP_ONLY
            # FFmpeg with our options would not do so either.
            assert not reads(camera.url)
            assert udp_sockets() == before
        camera.responses["SETUP"] = b"RTSP/1.0 461 Unsupported transport\r\nCSeq: {cseq}\r\n\r\n"
        camera.requests.clear()
        assert why(camera.url, relay) == UDP_ONLY
        assert ["RTP/AVP/TCP" in head for head in camera.requests_of("SETUP")] == [True]


def test_name_is_resolved_once_when_it_is_dialed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table, resolved = ["127.0.0.1"], []

    def answer(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        resolved.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (ip, port)) for ip in table]

    with rtsp_camera() as camera, rtsp_camera("127.0.0.2") as closed, running_relay() as relay:
        monkeypatch.setattr(dialing.socket, "getaddrinfo", answer)
        shown = relay.show(Address.parse("rtsp", f"rtsp://u:p@cam.example:{camera.port}/x"))
        assert shown == f"rtsp://127.0.0.1:{relay.port}/x", "FFmpeg gets no password"
        assert resolved == []
        assert opens(f"rtsp://cam.example:{camera.port}/x", relay)
        assert resolved.count("cam.example") == 1
        table[:] = ["127.0.0.2"]  # the name now resolves to another address
        sentence = why(f"rtsp://cam.example:{closed.port}/x", relay)
        assert "cam.example leads to an address that is closed" in sentence
        table[:] = ["127.0.0.1", "127.0.0.2"]
        assert "closed" in why(f"rtsp://cam.example:{camera.port}/x", relay)
        assert (camera.connections, closed.connections) == (1, 0)


def test_first_address_that_connects_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        ips = ("127.0.0.3", "127.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (ip, port)) for ip in ips]

    with rtsp_camera() as camera:
        monkeypatch.setattr(dialing.socket, "getaddrinfo", answer)
        relay = RTSPRelay(lambda host, port, ip: True)
        assert opens(f"rtsp://cam.example:{camera.port}/x", relay)
        relay.close()


def test_self_signed_certificate_is_accepted(tmp_path: Path) -> None:
    with rtsp_camera() as camera, running_relay() as relay:
        camera.secure(tmp_path)
        assert opens(camera.url.replace("rtsp:", "rtsps:"), relay)
        camera.responses["DESCRIBE"] = leading_to(camera)
        assert "sends viewers on" in why(camera.url.replace("rtsp:", "rtsps:"), relay)


@pytest.mark.parametrize("method", ["basic", "digest"])
def test_login_uses_the_method_of_the_camera(method: str) -> None:
    with rtsp_server(login="admin:p@ss", method=method) as server, running_relay() as relay:
        missing = why(server.url, relay)
        wrong = why(server.url.replace("//", "//admin:hunter2@"), relay)
        assert missing != wrong
        assert "password" in missing
        assert "password" in wrong
        assert "hunter2" not in wrong
        right = server.url.replace("//", "//admin:p%40ss@")
        assert opens(right, relay)
        assert "404" in why(right + "x", relay)


def play(relay: RTSPRelay, camera: RTSPCamera) -> socket.socket:
    """Return a connection on which the camera plays and the client does not read."""
    relay.show(Address.parse("rtsp", camera.url))
    link = socket.create_connection(("127.0.0.1", relay.port), 60)
    for number, method in enumerate(("OPTIONS", "PLAY"), start=1):
        link.sendall(f"{method} {camera.url} RTSP/1.0\r\nCSeq: {number}\r\n\r\n".encode())
    return link


def test_camera_is_not_read_while_ffmpeg_does_not_read() -> None:
    with rtsp_camera() as camera, running_relay() as relay:
        camera.pace = 0
        with play(relay, camera) as link:
            until(lambda: camera.sent > 100_000)
            seen = [-1, 0]

            def still() -> bool:
                seen[:] = [seen[1], camera.sent]
                threading.Event().wait(0.2)
                return seen[0] == camera.sent

            until(still, 60)
            assert camera.sent < 8 * 1024 * 1024, "kernel buffers, and no more"
            before = camera.sent
            while camera.sent < before + 8 * 1024 * 1024:
                assert link.recv(1 << 20)


def test_end_of_either_connection_closes_the_other() -> None:
    before = set(threading.enumerate())
    with rtsp_camera() as camera, running_relay() as relay:
        link = play(relay, camera)
        until(lambda: camera.sent > 10_000)
        link.close()
        until(lambda: not relay._sockets)
        link = play(relay, camera)
        until(lambda: link.recv(1 << 16))
        relay.hang_up()
        while link.recv(1 << 16):
            pass
        link.close()
        until(lambda: not relay._sockets)
        camera.responses["OPTIONS"] = b"RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n\r\n"
    until(lambda: not [t for t in set(threading.enumerate()) - before if t.name == "egress"])


def test_relay_serves_one_camera_and_limits_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp_relay, "MAX_CONNECTIONS", 2)
    with (
        running_relay() as relay,
        socket.create_connection(("127.0.0.1", relay.port), 60) as connection,
    ):
        assert connection.recv(1) == b"", "no address is set yet"
    with rtsp_camera() as camera, running_relay() as relay:
        links = [play(relay, camera) for _ in range(2)]
        until(lambda: camera.connections == 2)
        with socket.create_connection(("127.0.0.1", relay.port), 60) as third:
            assert third.recv(1) == b""
        for link in links:
            link.close()


def test_worker_opens_only_a_listed_address() -> None:
    with rtsp_camera() as camera:
        config: dict[str, Any] = {"kind": "rtsp", "source": camera.url, "allow_loopback": False}
        with worker(**config) as driver:
            state, _ = driver.first(lambda header: header.get("state") == "offline")
            assert f"list 127.0.0.1:{camera.port} in SIDELINE_CAMERA_SERVERS" in state["reason"]
        assert camera.connections == 0
        with worker(**config, listed=[f"127.0.0.1:{camera.port}"]) as driver:
            assert driver.first(is_live)


@pytest.mark.timing
def test_relay_costs_little_compared_with_ffmpeg() -> None:
    with bench.camera(0.0) as url:
        assert bench.cost(url, bench.grab, 1.0, rounds=6).ratio < 1.25
