"""Opening a source: resolved and checked once, explained if it fails."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cameras.ingest.sources import dialing, egress, rtsp_relay
from cameras.ingest.sources.addresses import SourceError
from cameras.ingest.sources.explanations import explain
from cameras.ingest.sources.http_proxy import HTTPProxy
from cameras.ingest.sources.opening import _OPTIONS, open_egress, resolve
from cameras.ingest.worker.opencv import open_capture
from tests import ROOT
from tests.rtsp import rtsp_camera
from tests.servers import HLS, free_port, http_camera, silent_server
from tests.waiting import until

OPEN = {"media_root": Path("."), "allow_loopback": True}


def explanation(source: str, timeout: float = 20.0, *, allow_loopback: bool = True) -> str:
    """Return the explanation after FFmpeg failed to open the source."""
    kind = "rtsp" if source.startswith("rtsp") else "http"
    where: dict[str, Any] = {"media_root": Path("."), "allow_loopback": allow_loopback}
    proxy = where["egress"] = open_egress(kind, allow_loopback=allow_loopback)
    assert proxy is not None
    try:
        assert not open_capture(resolve(kind, source, **where), timeout).isOpened()
        return explain(kind, source, **where)
    finally:
        proxy.close()
        # Otherwise a dial could outlive its server, and CPython would leak the socket.
        until(lambda: proxy._slots._value == egress.MAX_CONNECTIONS, what="the end of its threads")


def names(monkeypatch: pytest.MonkeyPatch, table: dict[str, list[str]]) -> None:
    """Make names resolve to these addresses."""

    def answer(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        tcp = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
        return [(*tcp, (ip, port)) for ip in table.get(host, [host])]

    monkeypatch.setattr(dialing.socket, "getaddrinfo", answer)


@pytest.mark.parametrize("ip", ["127.0.0.1", "169.254.169.254", "::1", "0.0.0.0"])
def test_name_that_resolves_to_a_forbidden_address_is_refused(
    ip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {"rebind.example": ["192.168.1.9", ip]})
    why = (
        "The name rebind.example leads to an address that is closed. "
        "Who runs the server can list rebind.example:81 in SIDELINE_CAMERA_SERVERS."
    )
    for scheme in ("http", "https", "rtsp", "rtsps"):
        assert explanation(f"{scheme}://rebind.example:81/x", allow_loopback=False) == why


def test_unknown_name_and_closed_port_are_explained(tmp_path: Path) -> None:
    port = free_port()
    for scheme in ("http", "rtsp", "rtsps"):
        assert explanation(f"{scheme}://127.0.0.1:{port}/") == (
            f"127.0.0.1 refused the connection on port {port}."
        )
        assert explanation(f"{scheme}://nowhere.invalid/") == (
            "The name nowhere.invalid does not resolve."
        )
    assert "no camera /dev/video63" in explain("device", "63", **OPEN)
    assert "no such file" in explain("file", "no.mp4", media_root=tmp_path, allow_loopback=False)
    (tmp_path / "a.mp4").write_text("hello")
    sentence = explain("file", "a.mp4", media_root=tmp_path, allow_loopback=False)
    assert sentence == "The file is not a video that can be read."


def test_silent_server_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp_relay, "CONNECT_S", 0.5)
    with silent_server() as port:
        for scheme in ("http", "rtsp", "rtsps"):
            sentence = explanation(f"{scheme}://127.0.0.1:{port}/", timeout=0.5)
            assert sentence == "127.0.0.1 did not answer in time."


def test_failure_of_an_http_camera_is_explained(tmp_path: Path) -> None:
    with http_camera() as camera:
        assert "text/html, which is not video" in explanation(camera.base + "/html")
        assert "no stream at this path" in explanation(camera.base + "/nope")
        assert explanation(f"https://127.0.0.1:{camera.port}/cam") == (
            f"127.0.0.1 does not speak TLS on port {camera.port}."
        )
        assert explanation(camera.base.replace("http", "rtsp")) == (
            f"127.0.0.1 answers on port {camera.port}, but not as a camera does."
        )
        cut = b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n/gone.ts\n#EXT-X-ENDLIST\n"
        camera.pages["/cut.m3u8"] = (HLS, cut)
        assert "no stream at this path" in explanation(camera.base + "/cut.m3u8")
        camera.login = "admin:p@ss"
        assert "asks for a user name" in explanation(camera.url)
        wrong = explanation(camera.url.replace("//", "//admin:hunter2@"))
        assert "refused this user name" in wrong
        assert "hunter2" not in wrong


def test_failure_of_an_rtsp_camera_is_explained(tmp_path: Path) -> None:
    with rtsp_camera() as camera:
        camera.responses["DESCRIBE"] = b"RTSP/1.0 404 Not Found\r\nCSeq: {cseq}\r\n\r\n"
        assert "no stream at this path (404)" in explanation(camera.url)
        camera.responses["OPTIONS"] = b"RTSP/1.0 453 x\r\nCSeq: {cseq}\r\n\r\n"
        assert "no free connection (453)" in explanation(camera.url)
        camera.responses["OPTIONS"] = b""
        assert "did not answer" in explanation(camera.url, timeout=0.5)
        rtsps = camera.url.replace("rtsp", "rtsps").replace("//", "//admin:hunter2@")
        assert f"does not speak TLS on port {camera.port}" in explanation(rtsps)
    with rtsp_camera() as sealed:
        sealed.secure(tmp_path)
        assert explanation(sealed.url) == "127.0.0.1 closed the connection."
        sealed.responses["PLAY"] = b"RTSP/1.0 500 x\r\nCSeq: {cseq}\r\n\r\n"
        assert "with the error 500" in explanation(sealed.url.replace("rtsp", "rtsps"))


def test_listed_address_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with rtsp_camera() as camera, rtsp_camera() as other, http_camera() as page:
        names(monkeypatch, {"cam.example": ["127.0.0.1"]})
        where = {"media_root": Path("."), "allow_loopback": False}
        listed = frozenset({f"127.0.0.1:{camera.port}", f"127.0.0.1:{page.port}"})

        def opens(kind: str, source: str) -> bool:
            proxy = open_egress(kind, allow_loopback=False, listed=listed)
            assert proxy is not None
            opening = resolve(kind, source, **where, listed=listed, egress=proxy)
            try:
                return bool(open_capture(opening).read()[0])
            finally:
                proxy.close()

        assert opens("rtsp", camera.url)
        assert opens("rtsp", f"rtsp://cam.example:{camera.port}/x"), "an IP, under any name"
        assert opens("http", page.url)
        assert not opens("rtsp", f"rtsp://cam.example:{other.port}/x")
        page.location = f"http://127.0.0.1:{other.port}/"
        assert not opens("http", page.base + "/redirect")
        assert other.connections == 0
        with pytest.raises(SourceError, match=rf"list 127\.0\.0\.1:{other.port} in SIDELINE_CAM"):
            opens("rtsp", other.url)


HOSTILE = "x;touch made|rtsp_flags;listen|$(touch made)`touch made`&&-i file:///etc/passwd%00\n"


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("rtsp", "rtsp://{user}@192.168.1.2/{path}?rtsp_transport=udp&protocol_whitelist=file"),
        ("rtsp", "rtsps://{user}@192.168.1.2/{path}"),
        ("http", "http://{user}@192.168.1.2/{path}?http_proxy=http://127.0.0.1:1/"),
        ("http", "https://{user}@192.168.1.2/{path}"),
        ("file", "{file}"),
        ("device", "/dev/video1"),
        ("demo", ""),
    ],
)
def test_source_text_never_becomes_an_ffmpeg_option(kind: str, source: str, tmp_path: Path) -> None:
    """The options do not depend on the source, except for the proxy's address."""
    word = "w|protocol_whitelist;file|x"
    (tmp_path / f"{word}.mp4").write_bytes(b"")
    proxy = open_egress(kind, allow_loopback=False)
    try:
        opening = resolve(
            kind,
            source.format(user=f"{word}:{word}", path=word, file=f"{word}.mp4"),
            media_root=tmp_path,
            allow_loopback=False,
            egress=proxy,
        )
        ffmpeg_options = dict(opening.options)
        if isinstance(proxy, HTTPProxy):
            assert ffmpeg_options.pop("http_proxy") == proxy.proxy
            assert re.fullmatch(r"http://gate:[\w-]+@127\.0\.0\.1:\d+", proxy.proxy)
        assert ffmpeg_options == _OPTIONS.get("file" if kind == "demo" else kind, {})
        assert "w|" not in opening.environment
    finally:
        if proxy is not None:
            proxy.close()


def test_source_runs_no_command(tmp_path: Path) -> None:
    """The process of the connection test starts no other process."""
    (tmp_path / "media").mkdir()
    traced = tmp_path / "commands"
    path = HOSTILE.replace("/", "%2F").replace(" ", "%20").replace("\n", "%0A").replace("`", "%60")
    questions = []
    for kind in ("rtsp", "http", "file", "device", "demo"):
        address = f"{kind}://127.0.0.1:{free_port()}/"
        for source in (HOSTILE, f"| touch {tmp_path}/made", address + HOSTILE, address + path):
            request = {
                "kind": kind, "source": source, "media_root": str(tmp_path / "media"),
                "allow_loopback": True, "listed": [], "deadline": time.monotonic() + 100,
            }  # fmt: skip
            questions.append((kind, request))
    hook = (
        "import io, json, sys, runpy\n"
        "def note(event, args):\n"
        "    if event in ('os.system', 'os.exec', 'os.fork', 'os.posix_spawn', 'subprocess.Popen'):"
        f" open({str(traced)!r}, 'a').write(event)\n"
        "sys.addaudithook(note)\n"
        "for question in json.load(sys.stdin):\n"
        "    sys.stdin = io.StringIO(json.dumps(question))\n"
        "    runpy.run_module('cameras.ingest.worker.probe', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", hook], cwd=ROOT, check=True, timeout=100, capture_output=True,
        input=json.dumps([request for _, request in questions]).encode(),
    )  # fmt: skip
    answers = [json.loads(line)["ok"] for line in done.stdout.splitlines()]
    assert answers == [kind == "demo" for kind, _ in questions]
    assert not traced.exists()
    assert not [*tmp_path.rglob("made"), *ROOT.glob("made")]
