"""The HTTP gate: where FFmpeg may be led to, and where not."""

from __future__ import annotations

import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cameras.ingest.sources import dialing, egress
from cameras.ingest.sources.explanations import explain
from cameras.ingest.sources.http_proxy import HTTPProxy
from cameras.ingest.sources.opening import resolve
from cameras.ingest.worker.decoding import open_capture
from tests.servers import HLS, ffmpeg, http_camera, segments
from tests.waiting import until

OPEN = {"media_root": Path("."), "allow_loopback": True}


@contextmanager
def gated() -> Iterator[HTTPProxy]:
    """A gate that lets FFmpeg go to 127.0.0.1, and not to 127.0.0.2."""
    made = HTTPProxy(lambda host, port, ip: str(ip) == "127.0.0.1")
    try:
        yield made
    finally:
        made.close()


def opens(source: str, through: HTTPProxy) -> bool:
    """Whether FFmpeg reads a picture from it."""
    capture = open_capture(resolve("http", source, gate=through, **OPEN))
    return bool(capture.read()[0])


def why(source: str, through: HTTPProxy) -> str:
    assert not opens(source, through)
    return explain("http", source, gate=through, **OPEN)


def talk(through: HTTPProxy, request: bytes) -> bytes:
    """What the gate answers to a program of this machine."""
    port = urlsplit(through.proxy).port
    with socket.create_connection(("127.0.0.1", port), 60) as link:
        link.sendall(request)
        answer = b""
        while part := link.recv(4096):
            answer += part
    return answer


def authorization(through: HTTPProxy) -> bytes:
    parts = urlsplit(through.proxy)
    login = b64encode(f"{parts.username}:{parts.password}".encode())
    return b"Proxy-Authorization: Basic " + login + b"\r\n"


def playlist(*lines: str) -> tuple[str, bytes]:
    head = ("#EXTM3U", "#EXT-X-TARGETDURATION:2")
    return HLS, "\n".join((*head, *lines, "#EXT-X-ENDLIST", "")).encode()


def test_a_stranger_without_the_secret_is_asked_for_it_and_gets_nothing() -> None:
    with http_camera() as camera, gated() as through:
        asked = f"GET {camera.url} HTTP/1.1\r\nHost: x\r\n".encode()
        wrong = b"Proxy-Authorization: Basic Z2F0ZTp4\r\n"
        for header in (b"", wrong, b"Proxy-Authorization: \xff\r\n"):
            assert talk(through, asked + header + b"\r\n").startswith(b"HTTP/1.1 407 ")
        assert camera.requests == []
        known = talk(through, asked.replace(b"/cam", b"/html") + authorization(through) + b"\r\n")
        assert known.startswith(b"HTTP/1.1 200 ")
        assert b"<p>hello</p>" in known
        assert "Proxy-Authorization" not in camera.headers[0]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("CONNECT 127.0.0.1:{port} HTTP/1.1", b"405"),
        ("POST http://127.0.0.1:{port}/cam HTTP/1.1", b"405"),
        ("GET /cam HTTP/1.1", b""),
        ("GET ftp://127.0.0.1:{port}/cam HTTP/1.1", b""),
        ("GET http://a@b@127.0.0.1:{port}/cam HTTP/1.1", b""),
        ("GET http://127.0.0.2:{port}/cam HTTP/1.1", b"502"),
    ],
)
def test_only_a_get_of_an_absolute_address_is_served(line: str, status: bytes) -> None:
    with http_camera() as camera, gated() as through:
        request = line.format(port=camera.port).encode() + b"\r\n" + authorization(through)
        assert talk(through, request + b"\r\n").partition(b" ")[2][:3] == status
        assert camera.requests == []


def test_an_endless_request_and_too_many_connections_are_hung_up_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(egress, "MAX_CONNECTIONS", 2)
    with gated() as through:
        with pytest.raises((ConnectionError, AssertionError)):
            assert talk(through, b"GET http://x/ HTTP/1.1\r\n" + b"A: b\r\n" * 10_000)
    with gated() as through:
        port = urlsplit(through.proxy).port
        held = [socket.create_connection(("127.0.0.1", port), 60) for _ in range(3)]
        assert held[2].recv(1) == b""
        for link in held[:2]:
            link.settimeout(0.05)
            with pytest.raises(TimeoutError):
                link.recv(1)
        for link in held:
            link.close()


def test_its_threads_end_with_it() -> None:
    before = set(threading.enumerate())
    with http_camera() as camera, gated() as through:
        camera.frozen = True
        link = socket.create_connection(("127.0.0.1", urlsplit(through.proxy).port), 60)
        link.sendall(f"GET {camera.url} HTTP/1.1\r\n".encode() + authorization(through) + b"\r\n")
        until(lambda: camera.requests)
        through.close()
        assert link.recv(1) == b""
        link.close()
    until(lambda: set(threading.enumerate()) <= before)


def test_a_name_is_checked_at_the_moment_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_camera() as camera, gated() as through:
        table = ["127.0.0.1"]

        def answer(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
            ips = table if host == "cam.example" else [host]
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (ip, port)) for ip in ips]

        monkeypatch.setattr(dialing.socket, "getaddrinfo", answer)
        source = f"http://cam.example:{camera.port}/cam"
        assert opens(source, through)
        assert set(camera.hosts) == {f"cam.example:{camera.port}"}
        table.append("127.0.0.2")  # the name is bound anew
        camera.requests.clear()
        assert f"can list cam.example:{camera.port} in" in why(source, through)
        assert camera.requests == []


def test_no_proxy_in_the_environment_opens_no_way_round(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_camera(host="127.0.0.2") as closed:
        monkeypatch.setenv("no_proxy", "127.0.0.2,*")
        with gated() as through:
            assert not opens(closed.url, through)
        assert closed.requests == []


def test_a_redirect_is_followed_and_the_login_stays_at_home() -> None:
    with http_camera() as camera, http_camera() as other, gated() as through:
        camera.location, camera.login = "/cam", "u:p"
        mine = camera.base.replace("//", "//u:p@") + "/redirect"
        assert opens(mine, through)
        camera.location = camera.url
        assert opens(mine, through)
        camera.location, other.login = other.url, "u:p"
        assert not opens(mine, through)
        assert other.requests
        assert not any("Authorization" in headers for headers in other.headers)


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("http://127.0.0.2:{port}/cam", "leads on to 127.0.0.2,"),
        ("https://127.0.0.2:{port}/cam", "leads on to 127.0.0.2,"),
        ("http://169.254.169.254/latest/", "leads on to 169.254.169.254,"),
        ("file:///etc/passwd", "redirects to an address that is not valid."),
        ("rtsp://192.168.1.2/", "not valid"),
        ("httpproxy://127.0.0.2:{port}/x", "not valid"),
        ("http://a@b@c/", "not valid"),
        ("/redirect", "redirects too often."),
    ],
)
def test_a_redirect_to_where_no_camera_lives_is_refused(location: str, sentence: str) -> None:
    with http_camera() as camera, http_camera(host="127.0.0.2") as closed, gated() as through:
        camera.location = location.format(port=closed.port)
        assert sentence in why(camera.base + "/redirect", through)
        assert closed.requests == []


@pytest.mark.parametrize(
    "lines",
    [
        ("#EXTINF:2,", "{closed}/0.ts"),
        ("#EXTINF:2,", "{proxy}/0.ts"),
        ("#EXTINF:2,", "{tcp}/0.ts"),
        ("#EXTINF:2,", "crypto+{closed}/0.ts"),
        ("#EXT-X-STREAM-INF:BANDWIDTH=1", "{closed}/live.m3u8"),
        ('#EXT-X-MAP:URI="{closed}/0.ts"', "#EXTINF:2,", "0.ts"),
        ('#EXT-X-KEY:METHOD=AES-128,URI="{closed}/key"', "#EXTINF:2,", "0.ts"),
        ("#EXTINF:2,", "nested.ts"),
        ("#EXTINF:2,", "/redirect?x=.ts"),
    ],
    ids=["segment", "httpproxy", "tcp", "crypto", "variant", "map", "key", "nested", "redirect"],
)
def test_nothing_in_a_playlist_leads_to_a_closed_address(lines: tuple[str, ...]) -> None:
    reached = []
    with http_camera() as camera, gated() as through, http_camera(host="127.0.0.2") as closed:
        accepted = closed.get_request
        closed.get_request = lambda: (reached.append(1), accepted())[1]  # type: ignore[method-assign]
        others = {
            "closed": closed.base,
            "proxy": closed.base.replace("http", "httpproxy"),
            "tcp": closed.base.replace("http", "tcp"),
        }
        camera.pages["/list.m3u8"] = playlist(*(line.format(**others) for line in lines))
        camera.pages["/nested.ts"] = playlist("#EXTINF:2,", closed.base + "/0.ts")
        camera.location = closed.base + "/0.ts"
        opens(camera.base + "/list.m3u8", through)
        assert "/list.m3u8" in camera.requests
        assert reached == [], "not even a connection was made"


def test_a_playlist_that_leads_to_a_closed_address_says_so() -> None:
    with http_camera() as camera, gated() as through:
        camera.pages["/list.m3u8"] = playlist("#EXTINF:2,", "http://127.0.0.2:9/0.ts")
        assert why(camera.base + "/list.m3u8", through) == (
            "The camera leads on to 127.0.0.2, an address that is closed. "
            "Who runs the server can list 127.0.0.2:9 in SIDELINE_CAMERA_SERVERS."
        )


@pytest.mark.parametrize(
    "inner",
    ["file://{clip}", "{clip}", "concat:{clip}", "subfile,,start,0,end,0,,:{clip}", "data:,x.ts",
     "crypto:{clip}", "crypto+file://{clip}", "async:file://{clip}", "pipe:0"],
)  # fmt: skip
def test_a_playlist_reads_no_file(inner: str, tmp_path: Path) -> None:
    clip = tmp_path / "secret.ts"
    clip.write_bytes(segments()[0])
    with http_camera() as camera, gated() as through:
        camera.pages["/list.m3u8"] = playlist("#EXTINF:2,", inner.format(clip=clip))
        assert not opens(camera.base + "/list.m3u8", through)
        assert "/list.m3u8" in camera.requests


def test_an_encrypted_playlist_is_read(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"0123456789abcdef")
    (tmp_path / "info").write_text(f"key\n{tmp_path / 'key'}\n")
    ffmpeg("-c", "copy", "-t", "4", "-f", "hls", "-hls_list_size", "0",
           "-hls_key_info_file", tmp_path / "info", tmp_path / "list.m3u8")  # fmt: skip
    with http_camera() as camera, gated() as through:
        for file in tmp_path.iterdir():
            camera.pages["/" + file.name] = (HLS, file.read_bytes())
        assert opens(camera.base + "/list.m3u8", through)
        assert "/key" in camera.requests


def test_tls_is_spoken_to_a_camera_whose_certificate_nobody_signed(tmp_path: Path) -> None:
    with http_camera() as camera, http_camera() as plain, gated() as through:
        camera.secure(tmp_path)
        base = f"https://127.0.0.1:{camera.port}"
        assert opens(base + "/cam", through)
        camera.pages["/list.m3u8"] = playlist("#EXTINF:2,", f"{base}/0.ts", "#EXTINF:2,", "1.ts")
        assert opens(base + "/list.m3u8", through)
        plain.pages["/list.m3u8"] = camera.pages["/list.m3u8"]
        plain.location = base + "/cam"
        assert opens(plain.base + "/redirect", through)
        assert opens(plain.base + "/list.m3u8", through)
