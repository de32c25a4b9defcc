"""Test cameras on loopback: an RTSP server in a process group of its own, and HTTP cameras.

They can freeze, stop and restart, require a password, redirect, and return something else than
video.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2

from tests import ROOT
from tests.processes import killed_with_parent
from tests.waiting import accepts, free_port, until

PLAZA = ROOT / "cameras" / "data" / "plaza.mp4"
HLS = "application/vnd.apple.mpegurl"
RTSP_TOOL = Path(__file__).resolve().parent / "tools" / "gst_rtsp_loop.py"


class RTSPServer:
    """Serves a clip as an endless RTSP stream.

    `login` is `user:password` or empty; `method` is the authentication: basic or digest.
    """

    def __init__(
        self,
        clip: Path = PLAZA,
        port: int | None = None,
        login: str = "",
        method: str = "basic",
    ) -> None:
        self.clip, self.login, self.method = clip, login, method
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address, without the login."""
        return f"rtsp://127.0.0.1:{self.port}/cam"

    def start(self) -> None:
        """Start (again, on the same port) and wait until it accepts connections."""
        path = ["/cam", self.login, self.method] if self.login else ["/cam"]
        self.process = subprocess.Popen(
            killed_with_parent(
                "/usr/bin/python3", str(RTSP_TOOL), str(self.clip), str(self.port), *path
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(lambda: accepts(self.port), what="the RTSP server")

    def freeze(self) -> None:
        """Suspend every process of the server; connections stay open and silent."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume the server."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the server and all its processes."""
        if self.process is not None:
            self._signal(signal.SIGKILL)
            self.process.wait(5)
            self.process = None

    def _signal(self, number: int) -> None:
        assert self.process is not None
        for session in self._sessions():
            with suppress(ProcessLookupError):
                os.killpg(session, number)

    def _sessions(self) -> list[int]:
        """Return the server's process group and those of its child processes."""
        assert self.process is not None
        found = [self.process.pid]
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == self.process.pid:
                    found.append(int(fields[2]))
        return list(dict.fromkeys(found))


@contextmanager
def rtsp_server(clip: Path = PLAZA, login: str = "", method: str = "basic") -> Iterator[RTSPServer]:
    """A running RTSP server, killed at the end."""
    server = RTSPServer(clip, login=login, method=method)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@cache
def plaza_jpegs(count: int = 60) -> tuple[bytes, ...]:
    """Return the first pictures of the demo clip as JPEG."""
    clip = cv2.VideoCapture(str(PLAZA))
    jpegs = []
    for _ in range(count):
        whole, image = clip.read()
        assert whole
        jpegs.append(cv2.imencode(".jpg", image)[1].tobytes())
    clip.release()
    return tuple(jpegs)


@cache
def segments(count: int = 6) -> tuple[bytes, ...]:
    """Return the start of the demo clip as MPEG-TS segments of two seconds."""
    with tempfile.TemporaryDirectory() as folder:
        ffmpeg("-c", "copy", "-f", "hls", "-hls_time", "2", "-hls_list_size", "0",
               f"{folder}/all.m3u8")  # fmt: skip
        return tuple(Path(folder, f"all{number}.ts").read_bytes() for number in range(count))


def ffmpeg(*arguments: str | Path, clip: Path = PLAZA) -> None:
    """Run FFmpeg with the clip as input."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", clip, *arguments], check=True)


class HTTPCamera(ThreadingHTTPServer):
    """An MJPEG camera at `/cam`, and the same scene as HLS and MPEG-TS.

    Attributes may be changed at any time. `login` is required if set (401); `/redirect` leads to
    `location`; `/html` is a page; `pages` holds more; other paths are 404. Pages are sent with
    `page_status`, if that is set, and `page_headers`. `ending` closes the stream, `frozen` keeps it
    open and silent. `/live.m3u8` is a sliding playlist of `/0.ts`, `/1.ts` …; `/live.ts` is
    MPEG-TS.
    """

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, fps: float = 10.0, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Handler)
        plaza_jpegs()  # now: later, FFmpeg options in the environment would affect the decoder
        self.fps = fps
        self.login = ""
        self.location = ""
        self.frozen = False
        self.ending = False
        self.requests: list[str] = []  # requested paths
        self.hosts: list[str] = []  # received Host headers
        self.headers: list[str] = []  # all headers of each request
        self.pages: dict[str, tuple[str, bytes]] = {}  # path: type and body
        self.page_status = 0
        self.page_headers: list[tuple[str, str]] = []
        self.began = time.monotonic()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    @property
    def base(self) -> str:
        """The address without a path."""
        return f"http://{self.server_address[0]!s}:{self.port}"

    @property
    def url(self) -> str:
        """The address of the stream."""
        return self.base + "/cam"

    def secure(self, folder: Path) -> None:
        """Speak TLS from now on, with a self-signed certificate."""
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=camera",
             "-keyout", key, "-out", certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    server: HTTPCamera

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.server.hosts.append(self.headers.get("Host", ""))
        self.server.headers.append(str(self.headers))
        login = self.server.login
        expected = "Basic " + b64encode(login.encode()).decode()
        if login and self.headers.get("Authorization") != expected:
            self._respond(401, "text/html", ("WWW-Authenticate", 'Basic realm="camera"'))
        elif self.path.startswith("/redirect"):
            self._respond(302, "text/html", ("Location", self.server.location))
        elif self.path == "/html":
            self._respond(200, "text/html")
        elif self.path in self.server.pages:
            self._send_page(*self.server.pages[self.path])
        elif self.path == "/live.m3u8":
            self._respond(200, HLS, body=self._playlist())
        elif self.path == "/live.ts":
            self._transport()
        elif (name := self.path.strip("/").removesuffix(".ts")).isdigit():
            self._respond(200, "video/mp2t", body=segments()[int(name) % len(segments())])
        elif self.path == "/cam":
            self._stream()
        else:
            self._respond(404, "text/html")

    def _playlist(self) -> bytes:
        """Return a live playlist of four segments that advances with time."""
        first = int((time.monotonic() - self.server.began) / 2)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2"]
        lines += [f"#EXT-X-MEDIA-SEQUENCE:{first}"]
        for number in range(first, first + 4):
            lines += ["#EXT-X-DISCONTINUITY"] * (number % len(segments()) == 0)
            lines += ["#EXTINF:2.0,", f"{number}.ts"]
        return "\n".join((*lines, "")).encode()

    def _send_page(self, kind: str, body: bytes) -> None:
        """Send the body, or the requested range of it."""
        requested = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(requested[1]) if requested else 0
        end = min(int(requested[2] or len(body) - 1) if requested else len(body), len(body) - 1)
        span = ("Content-Range", f"bytes {start}-{end}/{len(body)}")
        ranged = [("Accept-Ranges", "bytes"), *([span] if requested else [])]
        status = self.server.page_status or (206 if requested else 200)
        more = (*ranged, *self.server.page_headers)
        self._respond(status, kind, *more, body=body[start : end + 1])

    def _transport(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        for piece in segments():
            for start in range(0, len(piece), -(-len(piece) // 20)):
                self.wfile.write(piece[start : start - (-len(piece) // 20)])
                time.sleep(0.1)

    def _respond(
        self, status: int, kind: str, *headers: tuple[str, str], body: bytes = b"<p>hello</p>"
    ) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        pictures = plaza_jpegs()
        number = 0
        while not self.server.ending:
            if not self.server.frozen:
                jpeg = pictures[number % len(pictures)]
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
                number += 1
            time.sleep(1 / self.server.fps)


@contextmanager
def http_camera(fps: float = 10.0, host: str = "127.0.0.1") -> Iterator[HTTPCamera]:
    """A running HTTP camera."""
    camera = HTTPCamera(fps, host)
    thread = threading.Thread(target=camera.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield camera
    finally:
        camera.ending = True
        camera.shutdown()
        camera.server_close()
        thread.join(5)


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that accepts connections and never responds; yields the port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield int(listener.getsockname()[1])
