"""An RTSP camera that says what a test wants, and otherwise shows the demo clip.

Its video is MPEG-TS in RTP (payload type 33) inside the connection, paced at about ten pictures a
second and without end; its addresses in `Content-Base` and `a=control` are those it is told to use.
"""

from __future__ import annotations

import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.certificates import certificate
from tests.servers import segments

TCP = "RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=00000001"
IN_A_PACKET = 7 * 188  # bytes of MPEG-TS


class RTSPCamera(socketserver.ThreadingTCPServer):
    """Change it at any time.

    `said` replaces the answer to a method; `{cseq}` stands for its number. `interruption` is sent
    once in the running stream. `transport` is the answer to SETUP's; `base` the absolute URL in the
    answer to DESCRIBE (None: the one that was asked for).
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Session)
        segments()  # now, because opening a camera changes FFmpeg's options of this process
        self.said: dict[str, bytes] = {}
        self.interruption = b""
        self.transport = TCP
        self.base: str | None = None
        self.pace = 0.005  # seconds between two packets; 0: as fast as they are taken
        self.sent = 0  # bytes of video
        self.requests: list[str] = []  # whole heads
        self.connections = 0
        self.ending = False

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """The address of the stream."""
        return f"rtsp://{self.server_address[0]!s}:{self.port}/cam"

    def asked(self, method: str) -> list[str]:
        """The requests of a method."""
        return [head for head in self.requests if head.startswith(method + " ")]

    def secure(self, folder: Path) -> None:
        """Speak TLS from now on, with a certificate nobody signed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(folder))
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: object, client_address: object) -> None:
        """Readers that hang up are no news."""


class _Session(socketserver.StreamRequestHandler):
    server: RTSPCamera

    def handle(self) -> None:
        self.server.connections += 1
        with suppress(OSError):
            while head := self._head():
                self._answer(head)

    def _head(self) -> str:
        lines = []
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            if line.startswith(b"$"):
                return ""
            lines.append(line.decode().rstrip("\r\n"))
        return "\n".join(lines)

    def _answer(self, head: str) -> None:
        self.server.requests.append(head)
        method, url, _ = head.partition("\n")[0].split(" ")
        cseq = next(line[5:].strip() for line in head.split("\n") if line.startswith("CSeq:"))
        if method in self.server.said:
            self.wfile.write(self.server.said[method].replace(b"{cseq}", cseq.encode()))
            return
        base = (self.server.base or url).rstrip("/")
        sdp = (
            "v=0\r\no=- 1 1 IN IP4 10.9.9.9\r\ns=x\r\nc=IN IP4 10.9.9.9\r\nt=0 0\r\n"
            f"a=control:{base}/\r\nm=video 0 RTP/AVP 33\r\na=control:{base}/track1\r\n"
        )
        more = {
            "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n",
            "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Base: {base}/\r\n"
            f"Content-Length: {len(sdp)}\r\n\r\n{sdp}",
            "SETUP": f"Session: 1;timeout=60\r\nTransport: {self.server.transport}\r\n\r\n",
            "PLAY": "Session: 1\r\n\r\n",
        }.get(method, "\r\n")
        self.wfile.write(f"RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{more}".encode())
        if method == "PLAY":
            threading.Thread(target=self._play, daemon=True).start()

    def _play(self) -> None:
        began, number = time.monotonic(), 0
        with suppress(OSError, ValueError):
            while not self.server.ending:
                for start in range(0, len(segments()[0]), IN_A_PACKET):
                    video = segments()[0][start : start + IN_A_PACKET]
                    clock = int((time.monotonic() - began) * 90_000)
                    head = struct.pack(">BBHII", 0x80, 33, number & 0xFFFF, clock, 1)
                    number += 1
                    said, self.server.interruption = self.server.interruption, b""
                    size = len(head) + len(video)
                    self.wfile.write(said + b"$\0" + struct.pack(">H", size) + head + video)
                    self.server.sent += size
                    if self.server.pace:
                        time.sleep(self.server.pace)


@contextmanager
def rtsp_camera(host: str = "127.0.0.1") -> Iterator[RTSPCamera]:
    """A running camera."""
    camera = RTSPCamera(host)
    thread = threading.Thread(target=camera.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield camera
    finally:
        camera.ending = True
        camera.shutdown()
        camera.server_close()
        thread.join(5)
