"""The HTTP client of cameras: which addresses it dials, to whom it sends a login, what it reads."""

from __future__ import annotations

import hashlib
import io
import re
import socket
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cameras.ingest.sources import dialing, http_client
from cameras.ingest.sources.addresses import Address, SourceError
from cameras.ingest.sources.dialing import ClosedAddress, permitted
from cameras.ingest.sources.http_client import HTTPClient, address_of
from cameras.ingest.sources.http_failures import (
    HTTPFailure,
    HungUp,
    Misdirected,
    Refused,
    Silent,
    Unauthorized,
    Unreachable,
    not_video,
)
from cameras.ingest.sources.http_response import MAX_HEAD, Response
from tests.cameras.ingest.sources.raw_server import raw_server
from tests.servers import http_camera, silent_server
from tests.waiting import free_port, until

OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"


def client(url: str, **limits: float) -> HTTPClient:
    """A client that may dial 127.0.0.1, but not 127.0.0.2."""
    return HTTPClient(
        Address.parse("http", url), lambda host, port, ip: str(ip) == "127.0.0.1", **limits
    )


def body(url: str, ask: str | None = None, **limits: float) -> bytes:
    """The whole body of a response."""
    with closing(client(url, **limits).get(ask)) as response:
        return b"".join(iter(response.read, b""))


def failure(url: str, **limits: float) -> SourceError:
    with pytest.raises(SourceError) as caught:
        body(url, **limits)
    return caught.value


HEADS = {
    "plain": OK + b"\r\n",
    "bare LF": OK.replace(b"\r", b"") + b"\n",
    "no reason": OK.replace(b" OK", b"") + b"\r\n",
    "no space": OK.replace(b"1.1 200", b"1.1200") + b"\r\n",
    "ICY": OK.replace(b"HTTP/1.1", b"ICY") + b"\r\n",
    "no version": OK.replace(b"/1.1", b"") + b"\r\n",
    "blank line first": b"\r\n" + OK + b"\r\n",
    "no blank line": OK,
    "no colon": OK + b"Server\r\n\r\n",
    "space before colon": OK.replace(b"Type:", b"Type :") + b"\r\n",
    "space in a name": OK + b"My Cam: x\r\n\r\n",
    "folded": OK.replace(b": image", b":\r\n image") + b"\r\n",
    "control bytes": OK + b"Server: a\x01b\x00\r\n\r\n",
    "two lengths": OK + b"Content-Length: 4\r\nContent-Length: 9\r\n\r\n",
    "length that is none": OK + b"Content-Length: -1\r\n\r\n",
    "endless with a length": OK.replace(b"image/jpeg", b"multipart/x")
    + b"Content-Length: 1\r\n\r\n",
    "chunked in name only": OK + b"Transfer-Encoding: chunked\r\n\r\n",
    "interim answer": b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"\r\n",
}
PICTURE = b"\xff\xd8\xff\xe0 a picture \n\n\xff\xd9"


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_odd_heads_are_read(head: bytes) -> None:
    with (
        raw_server(head + PICTURE, closes=True) as server,
        closing(client(server.url).get()) as response,
    ):
        assert response.status == 200
        assert response.content_type in ("image/jpeg", "multipart/x")
        assert b"".join(iter(response.read, b"")) == PICTURE


def test_body_without_a_head_is_read_only_if_it_is_media() -> None:
    for start in (PICTURE, b"--x\r\n\r\n", b"#EXTM3U\n"):
        with raw_server(start, closes=True) as server:
            assert body(server.url) == start
    for start in (b"RTSP/1.0 400 Bad\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n\r\n"):
        with raw_server(start, closes=True) as server:
            assert failure(server.url).sentence == (
                f"127.0.0.1 answers on port {server.port}, but not as a camera does."
            )
    with raw_server(b"", closes=True) as server:
        assert failure(server.url).sentence == "127.0.0.1 closed the connection."
    with raw_server(OK + b"A: b\r\n" * (MAX_HEAD // 4), closes=True) as server:
        assert "not as a camera does" in failure(server.url).sentence


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BODIES = [
    (CHUNKED + b"3\r\nabc\r\n 2 ;x=y\nde\r\n0\r\n\r\n", b"abcde"),
    (CHUNKED + b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    (CHUNKED + b"3\r\nab", b"ab"),
    (OK + b"Content-Length: 3\r\n\r\nabcdef", b"abc"),
    (OK + b"Content-Length: 9\r\n\r\nabc", b"abc"),
    (OK + b"\r\nabc", b"abc"),
]


SIZES = st.lists(st.integers(1, 9), max_size=60)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(BODIES), SIZES, SIZES)
def test_splits_make_no_difference(
    case: tuple[bytes, bytes], arrivals: list[int], reads: list[int]
) -> None:
    source, sizes, taken = io.BytesIO(case[0]), iter(arrivals), iter(reads)
    response = Response(
        Address.parse("http", "http://h/"), lambda n, _: source.read(min(n, next(sizes, n))), 0.0
    )
    assert response.peek(2) == case[1][:2]
    found = b""
    while part := response.read(n := next(taken, 100)):
        assert len(part) <= n
        found += part
    assert found == case[1]
    assert response.ended


def test_status_is_told_in_a_sentence() -> None:
    for status, kind, words in (
        (404, Refused, "no stream at this path (404)."),
        (503, Refused, "no free connection (503)."),
        (500, Refused, "with the error 500."),
        (204, Refused, "sends nothing (204)."),
        (304, Refused, "with the error 304."),
        (403, Refused, "answers that this is forbidden (403)"),
        (401, Unauthorized, "asks for a user name and password."),
    ):
        with raw_server(b"HTTP/1.1 %d x\r\n\r\n" % status, closes=True) as server:
            caught = failure(server.url)
            assert isinstance(caught, kind)
            assert words in caught.sentence
    with raw_server(b"HTTP/1.1 403 x\r\n\r\n", closes=True) as server:
        sentence = failure(server.url.replace("//", "//admin:hunter2@")).sentence
        assert sentence.startswith("The camera answers that this is forbidden (403)")
        assert "hunter2" not in sentence
    with raw_server(OK + b"Content-Encoding: gzip\r\n\r\nx", closes=True) as server:
        assert "compressed" in failure(server.url).sentence
    with raw_server(OK + b"Content-Encoding: identity\r\n\r\nx", closes=True) as server:
        assert body(server.url) == b"x"
    assert (
        not_video("text/html").sentence == "The address answers with text/html, which is not video."
    )
    assert "DASH" in not_video("application/dash+xml").sentence
    assert not_video("text/<b>").sentence == not_video("").sentence


def test_connection_that_fails_is_told_in_a_sentence() -> None:
    port = free_port()
    assert failure(f"http://127.0.0.1:{port}/").sentence == (
        f"127.0.0.1 refused the connection on port {port}."
    )
    assert failure("http://nowhere.invalid/").sentence == (
        "The name nowhere.invalid does not resolve."
    )
    with silent_server() as port:
        for scheme in ("http", "https"):
            caught = failure(f"{scheme}://127.0.0.1:{port}/", connect_s=0.2, silence_s=0.2)
            assert caught.sentence == "127.0.0.1 did not answer in time."
            assert isinstance(caught, Unreachable)
    with http_camera() as camera:
        sentence = failure(f"https://127.0.0.1:{camera.port}/cam").sentence
        assert sentence == f"127.0.0.1 does not speak TLS on port {camera.port}."
    with raw_server(OK + b"\r\nabc", holds=True) as server:
        assert isinstance(failure(server.url, silence_s=0.1), Silent)


def test_name_is_checked_each_time_it_is_dialed(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the second answer leads elsewhere."""
    table = ["127.0.0.1"]

    def answer(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        ips = table if host == "cam.example" else [host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (ip, port)) for ip in ips]

    monkeypatch.setattr(dialing.socket, "getaddrinfo", answer)
    with raw_server(OK + b"\r\nabc", repeats=True, closes=True) as server:
        url = f"http://cam.example:{server.port}/cam"
        assert body(url) == b"abc"
        assert f"Host: cam.example:{server.port}\r\n".encode() in server.requests[0]
        table.append("127.0.0.2")
        assert f"can list cam.example:{server.port} in" in failure(url).sentence
        assert server.connections == 1


CLOSED = [
    "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "169.254.169.254",
    "[fe80::1]", "[64:ff9b::7f00:1]", "[fd00:ec2::254]", "100.100.100.200", "0.0.0.0",
    "2130706433", "0x7f.1", "localhost",
]  # fmt: skip


@pytest.mark.parametrize("host", CLOSED)
def test_closed_address_is_not_dialed(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dialed: list[str] = []
    monkeypatch.setattr(dialing, "dial", lambda address, ip, timeout: dialed.append(ip))
    rule = permitted(allow_loopback=False)
    own = HTTPClient(Address("http", None, None, host.strip("[]"), 80, "/"), rule)
    with pytest.raises(ClosedAddress):
        own.get()
    with pytest.raises(ClosedAddress, match="leads on to"):
        HTTPClient(Address.parse("http", "http://192.168.1.9/"), rule).get(f"http://{host}/x")
    assert dialed == []


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("http://127.0.0.2:{port}/cam", "leads on to 127.0.0.2,"),
        ("//127.0.0.2:{port}/cam", "leads on to 127.0.0.2,"),
        ("https://127.0.0.2:{port}/cam", "leads on to 127.0.0.2,"),
        ("http://169.254.169.254/latest/", "leads on to 169.254.169.254,"),
        ("http://[::ffff:127.0.0.2]:{port}/", "leads on to ::ffff:127.0.0.2,"),
        ("file:///etc/passwd", "redirects to an address that is not valid."),
        ("rtsp://192.168.1.2/", "not valid"),
        ("http://a@b@c/", "not valid"),
        ("http://[", "not valid"),
        ("/redirect", "redirects too often."),
    ],
)
def test_redirect_to_a_closed_address_is_refused(location: str, sentence: str) -> None:
    with http_camera() as camera, http_camera(host="127.0.0.2") as closed:
        camera.location = location.format(port=closed.port)
        assert sentence in failure(camera.base + "/redirect").sentence
        assert closed.requests == []
        assert len(camera.requests) <= http_client.MAX_REDIRECTS + 1


def test_login_is_sent_to_the_camera_alone() -> None:
    with http_camera() as camera, http_camera() as other:
        camera.pages["/x"] = other.pages["/x"] = ("video/mp2t", b"abc")
        camera.login = other.login = "u:p"
        with_login = camera.base.replace("//", "//u:p@")
        for location in ("/x", camera.base + "/x"):
            camera.location = location
            assert body(with_login + "/redirect") == b"abc"
        camera.location = other.base + "/x"
        sentence = failure(with_login + "/redirect").sentence
        assert f"leads on to http://127.0.0.1:{other.port}, which asks" in sentence
        with pytest.raises(Unauthorized):
            body(with_login + "/x", other.base + "/x")
        assert other.requests
        assert not any("Authorization" in headers for headers in other.headers)
        assert body(with_login + "/x", other.base.replace("//", "//u:p@") + "/x") == b"abc"
        camera.location = other.base.replace("//", "//u:p@") + "/x"
        assert body(with_login + "/redirect") == b"abc"
        assert "refused this user name" in failure(camera.base.replace("//", "//u:no@")).sentence


def test_cookies_are_the_cameras_own() -> None:
    with http_camera() as camera, http_camera() as other:
        camera.pages["/x"] = other.pages["/x"] = ("video/mp2t", b"abc")
        camera.page_headers = [
            ("Set-Cookie", "session=a1; Path=/"),
            ("Set-Cookie", "b=" + "x" * 9999),
        ]
        other.page_headers = [("Set-Cookie", "other=1")]
        mine = client(camera.base)
        for url in (camera.base, other.base, camera.base, other.base):
            mine.get(url + "/x").close()
        assert "Cookie: session=a1\n" in camera.headers[1]
        assert not any("Cookie" in headers for headers in other.headers)
        camera.page_headers = [("Set-Cookie", "session=; Max-Age=0")]
        for _ in range(2):
            mine.get(camera.base + "/x").close()
        assert "Cookie" not in camera.headers[-1]


def digest_camera(offers: list[bytes], algorithm: str) -> tuple[bytes, Any]:
    told = b"".join(b"WWW-Authenticate: " + offer + b"\r\n" for offer in offers)

    def right(request: bytes) -> bool:
        given = dict(re.findall(r'(\w+)="?([^",\r]*)', request.decode()))
        hashed = lambda text: hashlib.new(algorithm, text.encode()).hexdigest()  # noqa: E731
        secret, asked = hashed("u:cam:p"), hashed("GET:/cam?a=b")
        parts = (secret, "n1", given["nc"], given["cnonce"], "auth", asked)
        return given["response"] == hashed(":".join(parts)) and given["uri"] == "/cam?a=b"

    return b"HTTP/1.1 401 x\r\n" + told + b"Content-Length: 0\r\n\r\n", right


MD5 = b'Digest realm="cam", nonce="n1", qop="auth", algorithm=MD5'
SHA256 = b'Digest realm="cam", nonce="n1", qop="auth", algorithm=SHA-256'


@pytest.mark.parametrize(
    ("offers", "algorithm"),
    [([MD5], "md5"), ([SHA256], "sha256"), ([MD5, SHA256], "sha256"), ([SHA256, MD5], "sha256"),
     ([b'Basic realm="x"', MD5], "md5"), ([MD5 + b", " + SHA256], "sha256")],
)  # fmt: skip
def test_digest_is_answered(offers: list[bytes], algorithm: str) -> None:
    asks, right = digest_camera(offers, algorithm)
    with raw_server(asks, OK + b"\r\nabc", OK + b"\r\nabc", closes=True) as server:
        mine = client(server.url.replace("//", "//u:p@") + "?a=b")
        for _ in range(2):
            mine.get().close()
        assert b"Authorization" not in server.requests[0]
        assert right(server.requests[1])
        assert right(server.requests[2]), "without being asked again"


def test_login_of_an_unknown_kind_is_named() -> None:
    asks = b"HTTP/1.1 401 x\r\nWWW-Authenticate: NTLM\r\n\r\n"
    with raw_server(asks, closes=True) as server:
        assert "NTLM" in failure(server.url.replace("//", "//u:p@")).sentence


def test_hang_up_ends_a_read_at_once_and_later_requests_work() -> None:
    with raw_server(OK + b"\r\nabc", repeats=True, holds=True) as server:
        mine = client(server.url, silence_s=60.0)
        ends: list[object] = []

        def read() -> None:
            with closing(mine.get()) as response:
                try:
                    while response.read():
                        ends.append("read")
                except HungUp as error:
                    ends.append(error)

        reading = [threading.Thread(target=read) for _ in range(2)]
        for thread in reading:
            thread.start()
        until(lambda: ends == ["read", "read"])
        mine.hang_up()
        for thread in reading:
            thread.join(5)
        assert [type(end) for end in ends[2:]] == [HungUp, HungUp]
        with closing(mine.get()) as response:
            assert response.read() == b"abc"
        assert mine._links == set()


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "MAX_CONNECTIONS", 2)
    with raw_server(OK + b"\r\nabc", repeats=True, holds=True) as server:
        mine = client(server.url)
        held = [mine.get() for _ in range(2)]
        with pytest.raises(HTTPFailure, match="more connections"):
            mine.get()
        held[0].close()
        mine.get().close()
        held[1].close()


def test_self_signed_certificate_is_accepted(tmp_path: Path) -> None:
    with http_camera() as camera:
        camera.pages["/x"] = ("video/mp2t", b"abc")
        camera.secure(tmp_path)
        assert body(f"https://127.0.0.1:{camera.port}/x") == b"abc"


def test_path_cannot_end_the_request_line() -> None:
    address = address_of("http://h:81/a b\r\nX: y\\é\udcff?q=%20#part")
    assert address.path == "/a%20b%0D%0AX:%20y\\%C3%A9%FF?q=%20"
    assert address_of("HTTP://h?x").path == "/?x"
    for url in ("tcp://h/", "http:/h", "http:///x", "//h/x", "x"):
        with pytest.raises((Misdirected, SourceError)):
            address_of(url)
