"""From a source to what is opened: pinned, checked, and explained where it fails."""

from __future__ import annotations

from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from cameras.ingest import dialing
from cameras.ingest.addresses import gate_for, resolve
from cameras.ingest.diagnosis import _authorization, explain
from cameras.ingest.opening import open_capture
from cameras.ingest.sources import Address, SourceError
from tests.servers import HLS, free_port, http_camera, rtsp_server, silent_server

OPEN = {"media_root": Path("."), "allow_loopback": True}
SHUT = {"media_root": Path("."), "allow_loopback": False}


def tried(source: str, timeout: float = 3.0, *, allow_loopback: bool = True) -> str:
    """What is said of an http source after FFmpeg tried it."""
    where: dict[str, Any] = {"media_root": Path("."), "allow_loopback": allow_loopback}
    gate = where["gate"] = gate_for("http", allow_loopback=allow_loopback)
    assert gate is not None
    try:
        assert not open_capture(resolve("http", source, **where), timeout).isOpened()
        return explain("http", source, **where)
    finally:
        gate.close()


def names(monkeypatch: pytest.MonkeyPatch, table: dict[str, list[str]]) -> None:
    """Let names resolve to these addresses."""

    def answer(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        return [(0, 0, 0, "", (ip, port)) for ip in table.get(host, [host])]

    monkeypatch.setattr(dialing.socket, "getaddrinfo", answer)


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
    with pytest.raises(SourceError, match="closed"):
        resolve("rtsp", "rtsp://rebind.example/x", **SHUT)
    why = "The name rebind.example leads to an address that is closed."
    assert tried("http://rebind.example/x", allow_loopback=False) == why


def test_a_name_that_does_not_resolve_says_so() -> None:
    with pytest.raises(SourceError, match=r"nowhere\.invalid does not resolve\."):
        resolve("rtsp", "rtsp://nowhere.invalid/x", **SHUT)


def test_why_a_name_or_a_port_fails_is_explained(tmp_path: Path) -> None:
    assert explain("rtsp", "rtsp://nowhere.invalid/", **OPEN) == (
        "The name nowhere.invalid does not resolve."
    )
    port = free_port()
    refused = f"127.0.0.1 refused the connection on port {port}."
    assert explain("rtsp", f"rtsp://127.0.0.1:{port}/", **OPEN) == refused
    assert tried(f"http://127.0.0.1:{port}/") == refused
    assert tried("http://nowhere.invalid/") == "The name nowhere.invalid does not resolve."
    assert "no camera /dev/video63" in explain("device", "63", **OPEN)
    assert "no such file" in explain("file", "no.mp4", media_root=tmp_path, allow_loopback=False)
    (tmp_path / "a.mp4").write_text("hello")
    sentence = explain("file", "a.mp4", media_root=tmp_path, allow_loopback=False)
    assert sentence == "The file is not a video that can be read."


def test_a_silent_server_is_explained_in_time() -> None:
    with silent_server() as port:
        for sentence in (
            explain("rtsp", f"rtsp://127.0.0.1:{port}/", **OPEN, timeout=0.3),
            tried(f"http://127.0.0.1:{port}/", timeout=0.5),
        ):
            assert sentence == "127.0.0.1 did not answer in time."


def test_why_an_http_camera_fails_is_explained(tmp_path: Path) -> None:
    with http_camera() as camera:
        assert "text/html, which is not video" in tried(camera.base + "/html")
        assert "no stream at this path" in tried(camera.base + "/nope")
        assert tried(f"https://127.0.0.1:{camera.port}/cam") == (
            f"127.0.0.1 does not speak TLS on port {camera.port}."
        )
        rtsp = explain("rtsp", camera.base.replace("http", "rtsp"), **OPEN)
        assert "closed the connection" in rtsp
        cut = b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n/gone.ts\n#EXT-X-ENDLIST\n"
        camera.pages["/cut.m3u8"] = (HLS, cut)
        assert "no stream at this path" in tried(camera.base + "/cut.m3u8")
        camera.login = "admin:p@ss"
        assert "asks for a user name" in tried(camera.url)
        wrong = tried(camera.url.replace("//", "//admin:hunter2@"))
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


def test_why_an_rtsps_camera_fails_is_explained(tmp_path: Path) -> None:
    port = free_port()
    refused = f"rtsps://127.0.0.1:{port}/x"
    assert explain("rtsp", refused, **OPEN) == f"127.0.0.1 refused the connection on port {port}."
    with silent_server() as port:
        sentence = explain("rtsp", f"rtsps://127.0.0.1:{port}/", **OPEN, timeout=0.3)
        assert sentence == "127.0.0.1 did not answer in time."
    with http_camera() as plain:
        source = f"rtsps://admin:hunter2@127.0.0.1:{plain.port}/x"
        sentence = f"127.0.0.1 does not speak TLS on port {plain.port}."
        assert explain("rtsp", source, **OPEN) == sentence
    with http_camera() as sealed:
        sealed.secure(tmp_path)
        sentence = explain("rtsp", f"rtsps://127.0.0.1:{sealed.port}/x", **OPEN)
        # Through TLS with a certificate nobody signed, to a server that knows no DESCRIBE.
        assert sentence == "127.0.0.1 closed the connection."


def test_a_digest_challenge_is_answered_with_the_hash_that_rfc_2617_asks_for() -> None:
    address = Address.parse("rtsp", "rtsp://u:p@10.0.0.1/x")
    answer = _authorization(address, "10.0.0.1", 'Digest realm="cam, one", nonce="abc"')
    parts = [md5(b"u:cam, one:p"), md5(b"DESCRIBE:rtsp://10.0.0.1:554/x")]
    first, last = (part.hexdigest() for part in parts)
    assert f'response="{md5(f"{first}:abc:{last}".encode()).hexdigest()}"' in answer
