"""Why a source did not open, as people are told; and that nothing else is opened in its place."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cameras.ingest.sources import dialing, rtsp_relay
from cameras.ingest.sources.addresses import SourceError
from cameras.ingest.worker import capture, demuxer
from cameras.ingest.worker.capture import Capture, Lost
from cameras.ingest.worker.demuxer import OPTIONS
from cameras.ingest.worker.freshness import Freshness
from cameras.ingest.worker.picture import Slot
from cameras.ingest.worker.source import Source
from tests import ROOT
from tests.rtsp import rtsp_camera
from tests.servers import HLS, PLAZA, free_port, http_camera, silent_server

HERE = Path(".")


def explanation(source: str, **rule: Any) -> str:
    """The sentence after capturing the source has failed; empty if it gave a picture."""
    kind = "rtsp" if source.startswith("rtsp") else "http"
    return failure(Source(kind, source, HERE, **{"allow_loopback": True} | rule))


def failure(source: Source) -> str:
    """As `explanation`, of any source."""
    slot, stop = Slot(), threading.Event()
    capture = Capture(source, slot=slot, freshness=Freshness(), stop=stop)
    capture.pace.fps = 100.0
    put = slot.put

    def stop_at_the_first(picture: Any) -> None:
        put(picture)
        stop.set()

    slot.put = stop_at_the_first  # type: ignore[method-assign]
    threading.Thread(target=capture.watchdog.run, args=(stop,), daemon=True).start()
    try:
        capture.run()
    except (Lost, SourceError) as error:
        return str(error)
    finally:
        stop.set()
        capture.close()
    return ""


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
    assert "no camera /dev/video63" in failure(Source("device", "63", HERE))
    assert "no such file" in failure(Source("file", "no.mp4", tmp_path))
    (tmp_path / "a.mp4").write_text("hello")
    sentence = failure(Source("file", "a.mp4", tmp_path))
    assert sentence == "The file is not a video that can be read."


def test_silent_server_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp_relay, "CONNECT_S", 0.5)
    monkeypatch.setattr(capture, "OPEN_LIMIT", 0.5)
    with silent_server() as port:
        for scheme in ("http", "rtsp", "rtsps"):
            sentence = explanation(f"{scheme}://127.0.0.1:{port}/")
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


def test_failure_of_an_rtsp_camera_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rtsp_camera() as camera:
        camera.responses["DESCRIBE"] = b"RTSP/1.0 404 Not Found\r\nCSeq: {cseq}\r\n\r\n"
        assert "no stream at this path (404)" in explanation(camera.url)
        camera.responses["OPTIONS"] = b"RTSP/1.0 453 x\r\nCSeq: {cseq}\r\n\r\n"
        assert "no free connection (453)" in explanation(camera.url)
        camera.responses["OPTIONS"] = b""
        with monkeypatch.context() as patched:
            patched.setattr(capture, "OPEN_LIMIT", 0.5)
            assert "did not answer" in explanation(camera.url)
        rtsps = camera.url.replace("rtsp", "rtsps").replace("//", "//admin:hunter2@")
        assert f"does not speak TLS on port {camera.port}" in explanation(rtsps)
    with rtsp_camera() as sealed:
        sealed.secure(tmp_path)
        assert explanation(sealed.url) == "127.0.0.1 closed the connection."
        sealed.responses["PLAY"] = b"RTSP/1.0 500 x\r\nCSeq: {cseq}\r\n\r\n"
        assert "that it failed (500)" in explanation(sealed.url.replace("rtsp", "rtsps"))


def test_listed_address_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with rtsp_camera() as camera, rtsp_camera() as other, http_camera() as page:
        names(monkeypatch, {"cam.example": ["127.0.0.1"]})
        listed = frozenset({f"127.0.0.1:{camera.port}", f"127.0.0.1:{page.port}"})

        def why_not(source: str) -> str:
            return explanation(source, allow_loopback=False, listed=listed)

        assert not why_not(camera.url)
        assert not why_not(f"rtsp://cam.example:{camera.port}/x"), "an IP, under any name"
        assert not why_not(page.url)
        assert why_not(f"rtsp://cam.example:{other.port}/x")
        page.location = f"http://127.0.0.1:{other.port}/"
        assert why_not(page.base + "/redirect")
        assert other.connections == 0
        assert f"list 127.0.0.1:{other.port} in SIDELINE_CAMERA_SERVERS" in why_not(other.url)


HOSTILE = "x;touch made|rtsp_flags;listen|$(touch made)`touch made`&&-i file:///etc/passwd%00\n"


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("rtsp", "rtsp://{user}@192.168.1.2/{path}?rtsp_transport=udp&protocol_whitelist=file"),
        ("rtsp", "rtsps://{user}@192.168.1.2/{path}"),
        ("http", "http://{user}@{server}/{path}?http_proxy=http://127.0.0.1:1/"),
        ("http", "https://{user}@{server}/{path}"),
        ("file", "{file}"),
        ("device", "/dev/video1"),
        ("demo", ""),
    ],
)
def test_source_text_never_becomes_an_ffmpeg_option(
    kind: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg gets constants; of a source's text, it gets the URL or the path alone."""
    word = "w|protocol_whitelist;file|x"
    (tmp_path / f"{word}.mp4").write_bytes(b"")
    asked: list[dict[str, Any]] = []

    def refuse(target: str, **given: Any) -> None:
        asked.append(given)
        raise OSError

    monkeypatch.setattr(demuxer.av, "open", refuse)
    with http_camera() as camera:
        server = f"127.0.0.1:{camera.port}"
        text = source.format(user=f"{word}:{word}", path=word, file=f"{word}.mp4", server=server)
        camera.pages["/" + text.partition(f"{server}/")[2]] = ("video/mp4", PLAZA.read_bytes())
        if text.startswith("https"):
            camera.secure(tmp_path)
        assert failure(Source(kind, text, tmp_path, allow_loopback=True))
    assert [given["options"] for given in asked] == [OPTIONS["file" if kind == "demo" else kind]]
    assert "w|" not in str(asked)


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
        "import io, json, os, sys, runpy\n"
        "os._exit = lambda status: None\n"
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
