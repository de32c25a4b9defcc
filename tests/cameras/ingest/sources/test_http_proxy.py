"""The HTTP proxy: which addresses FFmpeg may reach through it."""

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
from cameras.ingest.worker.opencv import open_capture
from tests.servers import HLS, ffmpeg, http_camera, segments
from tests.waiting import until

OPEN = {"media_root": Path("."), "allow_loopback": True}


@contextmanager
def running_proxy() -> Iterator[HTTPProxy]:
    """A proxy that permits 127.0.0.1 but not 127.0.0.2."""
    proxy = HTTPProxy(lambda host, port, ip: str(ip) == "127.0.0.1")
    try:
        yield proxy
    finally:
        proxy.close()


def opens(source: str, proxy: HTTPProxy) -> bool:
    """Whether FFmpeg reads a picture from the source through the proxy."""
    capture = open_capture(resolve("http", source, egress=proxy, **OPEN))
    return bool(capture.read()[0])


def why(source: str, proxy: HTTPProxy) -> str:
    assert not opens(source, proxy)
    return explain("http", source, egress=proxy, **OPEN)


def talk(proxy: HTTPProxy, request: bytes) -> bytes:
    """Return the proxy's response to a raw request."""
    port = urlsplit(proxy.proxy).port
    with socket.create_connection(("127.0.0.1", port), 60) as link:
        link.sendall(request)
        answer = b""
        while part := link.recv(4096):
            answer += part
    return answer


def authorization(proxy: HTTPProxy) -> bytes:
    parts = urlsplit(proxy.proxy)
    login = b64encode(f"{parts.username}:{parts.password}".encode())
    return b"Proxy-Authorization: Basic " + login + b"\r\n"


def playlist(*lines: str) -> tuple[str, bytes]:
    head = ("#EXTM3U", "#EXT-X-TARGETDURATION:2")
    return HLS, "\n".join((*head, *lines, "#EXT-X-ENDLIST", "")).encode()


def test_client_without_the_proxy_password_gets_407() -> None:
    with http_camera() as camera, running_proxy() as proxy:
        request = f"GET {camera.url} HTTP/1.1\r\nHost: x\r\n".encode()
        wrong = b"Proxy-Authorization: Basic Z2F0ZTp4\r\n"
        for header in (b"", wrong, b"Proxy-Authorization: \xff\r\n"):
            assert talk(proxy, request + header + b"\r\n").startswith(b"HTTP/1.1 407 ")
        assert camera.requests == []
        known = talk(proxy, request.replace(b"/cam", b"/html") + authorization(proxy) + b"\r\n")
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
def test_only_get_of_an_absolute_url_is_served(line: str, status: bytes) -> None:
    with http_camera() as camera, running_proxy() as proxy:
        request = line.format(port=camera.port).encode() + b"\r\n" + authorization(proxy)
        assert talk(proxy, request + b"\r\n").partition(b" ")[2][:3] == status
        assert camera.requests == []


def test_endless_request_and_excess_connections_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(egress, "MAX_CONNECTIONS", 2)
    with running_proxy() as proxy:
        with pytest.raises((ConnectionError, AssertionError)):
            assert talk(proxy, b"GET http://x/ HTTP/1.1\r\n" + b"A: b\r\n" * 10_000)
    with running_proxy() as proxy:
        port = urlsplit(proxy.proxy).port
        held = [socket.create_connection(("127.0.0.1", port), 60) for _ in range(3)]
        assert held[2].recv(1) == b""
        for link in held[:2]:
            link.settimeout(0.05)
            with pytest.raises(TimeoutError):
                link.recv(1)
        for link in held:
            link.close()


def test_proxy_threads_end_with_the_proxy() -> None:
    before = set(threading.enumerate())
    with http_camera() as camera, running_proxy() as proxy:
        camera.frozen = True
        link = socket.create_connection(("127.0.0.1", urlsplit(proxy.proxy).port), 60)
        link.sendall(f"GET {camera.url} HTTP/1.1\r\n".encode() + authorization(proxy) + b"\r\n")
        until(lambda: camera.requests)
        proxy.close()
        assert link.recv(1) == b""
        link.close()
    until(lambda: set(threading.enumerate()) <= before)


def test_name_is_checked_when_it_is_dialed(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_camera() as camera, running_proxy() as proxy:
        table = ["127.0.0.1"]

        def answer(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
            ips = table if host == "cam.example" else [host]
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (ip, port)) for ip in ips]

        monkeypatch.setattr(dialing.socket, "getaddrinfo", answer)
        source = f"http://cam.example:{camera.port}/cam"
        assert opens(source, proxy)
        assert set(camera.hosts) == {f"cam.example:{camera.port}"}
        table.append("127.0.0.2")  # the name now resolves to another address
        camera.requests.clear()
        assert f"can list cam.example:{camera.port} in" in why(source, proxy)
        assert camera.requests == []


def test_no_proxy_variable_does_not_bypass_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_camera(host="127.0.0.2") as closed:
        monkeypatch.setenv("no_proxy", "127.0.0.2,*")
        with running_proxy() as proxy:
            assert not opens(closed.url, proxy)
        assert closed.requests == []


def test_redirect_is_followed_without_sending_the_login_elsewhere() -> None:
    with http_camera() as camera, http_camera() as other, running_proxy() as proxy:
        camera.location, camera.login = "/cam", "u:p"
        source = camera.base.replace("//", "//u:p@") + "/redirect"
        assert opens(source, proxy)
        camera.location = camera.url
        assert opens(source, proxy)
        camera.location, other.login = other.url, "u:p"
        assert not opens(source, proxy)
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
def test_redirect_to_a_forbidden_address_is_refused(location: str, sentence: str) -> None:
    with http_camera() as camera, http_camera(host="127.0.0.2") as closed, running_proxy() as proxy:
        camera.location = location.format(port=closed.port)
        assert sentence in why(camera.base + "/redirect", proxy)
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
def test_playlist_cannot_lead_to_a_forbidden_address(lines: tuple[str, ...]) -> None:
    reached = []
    with http_camera() as camera, running_proxy() as proxy, http_camera(host="127.0.0.2") as closed:
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
        opens(camera.base + "/list.m3u8", proxy)
        assert "/list.m3u8" in camera.requests
        assert reached == [], "not even a connection was made"


def test_playlist_to_a_forbidden_address_is_explained() -> None:
    with http_camera() as camera, running_proxy() as proxy:
        camera.pages["/list.m3u8"] = playlist("#EXTINF:2,", "http://127.0.0.2:9/0.ts")
        assert why(camera.base + "/list.m3u8", proxy) == (
            "The camera leads on to 127.0.0.2, an address that is closed. "
            "Who runs the server can list 127.0.0.2:9 in SIDELINE_CAMERA_SERVERS."
        )


@pytest.mark.parametrize(
    "inner",
    ["file://{clip}", "{clip}", "concat:{clip}", "subfile,,start,0,end,0,,:{clip}", "data:,x.ts",
     "crypto:{clip}", "crypto+file://{clip}", "async:file://{clip}", "pipe:0"],
)  # fmt: skip
def test_playlist_cannot_read_a_file(inner: str, tmp_path: Path) -> None:
    clip = tmp_path / "secret.ts"
    clip.write_bytes(segments()[0])
    with http_camera() as camera, running_proxy() as proxy:
        camera.pages["/list.m3u8"] = playlist("#EXTINF:2,", inner.format(clip=clip))
        assert not opens(camera.base + "/list.m3u8", proxy)
        assert "/list.m3u8" in camera.requests


def test_encrypted_playlist_plays(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"0123456789abcdef")
    (tmp_path / "info").write_text(f"key\n{tmp_path / 'key'}\n")
    ffmpeg("-c", "copy", "-t", "4", "-f", "hls", "-hls_list_size", "0",
           "-hls_key_info_file", tmp_path / "info", tmp_path / "list.m3u8")  # fmt: skip
    with http_camera() as camera, running_proxy() as proxy:
        for file in tmp_path.iterdir():
            camera.pages["/" + file.name] = (HLS, file.read_bytes())
        assert opens(camera.base + "/list.m3u8", proxy)
        assert "/key" in camera.requests


def test_self_signed_certificate_is_accepted(tmp_path: Path) -> None:
    with http_camera() as camera, http_camera() as plain, running_proxy() as proxy:
        camera.secure(tmp_path)
        base = f"https://127.0.0.1:{camera.port}"
        assert opens(base + "/cam", proxy)
        camera.pages["/list.m3u8"] = playlist("#EXTINF:2,", f"{base}/0.ts", "#EXTINF:2,", "1.ts")
        assert opens(base + "/list.m3u8", proxy)
        plain.pages["/list.m3u8"] = camera.pages["/list.m3u8"]
        plain.location = base + "/cam"
        assert opens(plain.base + "/redirect", proxy)
        assert opens(plain.base + "/list.m3u8", proxy)
