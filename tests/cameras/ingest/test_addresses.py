from __future__ import annotations

import ssl
import subprocess
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from cameras.ingest import addresses
from cameras.ingest.addresses import Opening, resolve
from cameras.ingest.diagnosis import _authorization, explain
from cameras.ingest.opening import open_capture
from cameras.ingest.sources import Address, SourceError
from tests.servers import free_port, http_camera, rtsp_server, silent_server

OPEN = {"media_root": Path("."), "allow_loopback": True}
SHUT = {"media_root": Path("."), "allow_loopback": False}


def names(monkeypatch: pytest.MonkeyPatch, table: dict[str, list[str]]) -> None:
    """Let names resolve to these addresses."""

    def answer(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        return [(0, 0, 0, "", (ip, port)) for ip in table.get(host, [host])]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", answer)


def test_a_name_is_pinned_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, {"cam.example": ["192.168.1.9"]})
    opening = resolve("rtsp", "rtsp://u:p@cam.example/x", **SHUT)
    assert opening.target == "rtsp://u:p@192.168.1.9:554/x"
    assert "rtsp_transport;tcp" in opening.environment


@pytest.mark.parametrize("ip", ["127.0.0.1", "169.254.169.254", "::1", "0.0.0.0"])
def test_a_name_that_leads_to_a_closed_address_is_refused(
    ip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {"rebind.example": ["192.168.1.9", ip]})
    for kind in ("rtsp", "http"):
        with pytest.raises(SourceError, match="closed"):
            resolve(kind, f"{kind}://rebind.example/x", **SHUT)


def test_a_name_that_does_not_resolve_says_so() -> None:
    with pytest.raises(SourceError, match=r"nowhere\.invalid does not resolve\."):
        resolve("rtsp", "rtsp://nowhere.invalid/x", **SHUT)


def test_a_redirect_is_followed_here_and_the_login_stays_at_home() -> None:
    with http_camera() as camera, http_camera() as other:
        camera.location = other.url
        base = camera.url.removesuffix("/cam")
        opening = resolve("http", base.replace("//", "//u:p@") + "/redirect", **OPEN)
        assert opening.target == other.url
        camera.location = "/cam"
        opening = resolve("http", base.replace("//", "//u:p@") + "/redirect", **OPEN)
        assert opening.target == camera.url.replace("//", "//u:p@")


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("http://169.254.169.254/latest/", "closed"),
        ("file:///etc/passwd", "not valid"),
        ("rtsp://192.168.1.2/", "not valid"),
        ("/redirect", "too often"),
        ("http://a@b@c/", "not valid"),
    ],
)
def test_a_redirect_to_where_no_camera_lives_is_refused(location: str, sentence: str) -> None:
    with http_camera() as camera:
        camera.location = location
        with pytest.raises(SourceError, match=sentence):
            resolve("http", camera.url.replace("/cam", "/redirect"), **OPEN)


def test_ffmpeg_follows_no_redirect_and_opens_no_playlist() -> None:
    with http_camera() as camera, http_camera() as inner:
        camera.location = inner.url
        options = resolve("http", camera.url, **OPEN).options
        for path in ("/redirect", "/playlist.m3u8"):
            capture = open_capture(Opening(camera.url.replace("/cam", path), options))
            assert not capture.isOpened()
        assert inner.requests == []
        assert not any("segment" in path for path in camera.requests)


def test_a_virtual_host_sees_its_name_though_the_address_is_pinned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with http_camera() as camera:
        names(monkeypatch, {"cam.example": ["127.0.0.1"]})
        port = camera.server_address[1]
        opening = resolve("http", f"http://cam.example:{port}/cam", **OPEN)
        assert opening.target == f"http://127.0.0.1:{port}/cam"
        assert open_capture(opening).isOpened()
        assert set(camera.hosts) == {f"cam.example:{port}"}


def test_a_camera_behind_tls_is_pinned_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pem = tmp_path / "self-signed.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=cam.example",
         "-keyout", pem, "-out", tmp_path / "certificate.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", pem)
    with http_camera() as camera:
        camera.socket = context.wrap_socket(camera.socket, server_side=True)
        names(monkeypatch, {"cam.example": ["127.0.0.1"]})
        port = camera.server_address[1]
        opening = resolve("http", f"https://cam.example:{port}/cam", **OPEN)
        assert opening.target == f"https://127.0.0.1:{port}/cam"
        assert open_capture(opening).isOpened()
        assert set(camera.hosts) == {f"cam.example:{port}"}


def test_why_a_name_or_a_port_fails_is_explained(tmp_path: Path) -> None:
    assert explain("rtsp", "rtsp://nowhere.invalid/", **OPEN) == (
        "The name nowhere.invalid does not resolve."
    )
    port = free_port()
    for kind in ("rtsp", "http"):
        sentence = explain(kind, f"{kind}://127.0.0.1:{port}/", **OPEN)
        assert sentence == f"127.0.0.1 refused the connection on port {port}."
    assert "no camera /dev/video63" in explain("device", "63", **OPEN)
    assert "no such file" in explain("file", "no.mp4", media_root=tmp_path, allow_loopback=False)
    (tmp_path / "a.mp4").write_text("hello")
    sentence = explain("file", "a.mp4", media_root=tmp_path, allow_loopback=False)
    assert sentence == "The file is not a video that can be read."


def test_a_silent_server_is_explained_in_time() -> None:
    with silent_server() as port:
        for kind in ("rtsp", "http"):
            sentence = explain(kind, f"{kind}://127.0.0.1:{port}/", **OPEN, timeout=0.3)
            assert sentence == "127.0.0.1 did not answer in time."


def test_why_an_http_camera_fails_is_explained() -> None:
    with http_camera() as camera:
        base = camera.url.removesuffix("/cam")
        assert "text/html, which is not video" in explain("http", base + "/html", **OPEN)
        assert "no stream at this path" in explain("http", base + "/nope", **OPEN)
        assert "playlist" in explain("http", base + "/playlist.m3u8", **OPEN)
        assert "closed the connection" in explain("rtsp", base.replace("http", "rtsp"), **OPEN)
        camera.login = "admin:p@ss"
        assert "asks for a user name" in explain("http", camera.url, **OPEN)
        wrong = explain("http", camera.url.replace("//", "//admin:hunter2@"), **OPEN)
        assert "refused this user name" in wrong
        assert "hunter2" not in wrong


def test_why_an_rtsp_camera_fails_is_explained() -> None:
    with rtsp_server(login="admin:p@ss") as server:
        assert "asks for a user name" in explain("rtsp", server.url, **OPEN)
        wrong = server.url.replace("//", "//admin:hunter2@")
        assert "refused this user name" in explain("rtsp", wrong, **OPEN)
        right = server.url.replace("//", "//admin:p%40ss@")
        assert "no stream at this path" in explain("rtsp", right + "x", **OPEN)
        assert open_capture(resolve("rtsp", right, **OPEN)).isOpened()


def test_a_digest_challenge_is_answered_with_the_hash_that_rfc_2617_asks_for() -> None:
    address = Address.parse("rtsp", "rtsp://u:p@10.0.0.1/x")
    answer = _authorization(address, "10.0.0.1", 'Digest realm="cam, one", nonce="abc"')
    parts = [md5(b"u:cam, one:p"), md5(b"DESCRIBE:rtsp://10.0.0.1:554/x")]
    first, last = (part.hexdigest() for part in parts)
    assert f'response="{md5(f"{first}:abc:{last}".encode()).hexdigest()}"' in answer
