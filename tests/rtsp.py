"""A fake RTSP camera: it plays the demo clip, and its responses can be replaced or made odd.

Its video is endless MPEG-TS in RTP (payload type 33), interleaved in the connection, at about ten
pictures per second. The URLs in `Content-Base` and `a=control` are configurable.
"""

from __future__ import annotations

import base64
import hashlib
import re
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.certificates import certificate
from tests.servers import segments

TCP = "RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=00000001"
PACKET_BYTES = 7 * 188  # of MPEG-TS


class RTSPCamera(socketserver.ThreadingTCPServer):
    """A camera whose attributes may be changed at any time.

    `responses` replaces the response to a method; `{cseq}` stands for the request's number.
    `interruption` is sent once in the running stream. `transport` is the value in the response to
    SETUP, `base` the absolute URL in that to DESCRIBE (None: the requested one).

    `odd` is applied to each response, `mess` to the number of each packet; what that returns is
    sent before the packet. With `login` (`user:password`) requests need one of `challenges`, where
    `{nonce}` stands for the current nonce; `fleeting` makes a new one after so many requests.
    `keen` asks for a login at the first request, not at the second. `parting` says how the
    connection goes on after a 401: `""`, `close` (with a header) or `cut` (without).
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Session)
        self.video = segments()[0]  # MPEG-TS that is sent over and over
        self.responses: dict[str, bytes] = {}
        self.interruption = b""
        self.transport = TCP
        self.base: str | None = None
        self.pace = 0.005  # seconds between two packets; 0: as fast as they are read
        self.sent = 0  # bytes of video
        self.requests: list[str] = []  # whole heads
        self.connections = 0
        self.ending = False
        self.odd: Callable[[bytes], bytes] = bytes
        self.mess: Callable[[int], bytes] = lambda number: b""
        self.login = ""
        self.challenges = ['Basic realm="cam"']
        self.fleeting = 0
        self.stale = ", stale=true"
        self.keen = False
        self.parting = ""
        self.refused = 0  # requests with a login that is wrong or old
        self.nonces = 1

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """The address of the stream."""
        return f"rtsp://{self.server_address[0]!s}:{self.port}/cam"

    def requests_of(self, method: str) -> list[str]:
        """Return the heads of requests with this method."""
        return [head for head in self.requests if head.startswith(method + " ")]

    def secure(self, folder: Path) -> None:
        """Speak TLS from now on, with a self-signed certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(folder))
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect."""


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
        if self.server.login and (method != "OPTIONS" or self.server.keen):
            if not self._signed(head, method, url):
                return self._ask_for_login(cseq)
        if method in self.server.responses:
            self.wfile.write(self.server.responses[method].replace(b"{cseq}", cseq.encode()))
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
        self.wfile.write(self.server.odd(f"RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{more}".encode()))
        if method == "PLAY":
            threading.Thread(target=self._play, daemon=True).start()

    def _signed(self, head: str, method: str, url: str) -> bool:
        """Whether the request has the login, by one of the challenges."""
        found = re.search(r"^Authorization: (\w+) (.*)$", head, re.MULTILINE)
        if not found:
            return False
        user, password = self.server.login.split(":")
        if found[1] == "Basic":
            right = base64.b64encode(self.server.login.encode()).decode() == found[2]
        else:
            given = dict(re.findall(r'(\w+)="?([^",]*)', found[2]))
            name = given.get("algorithm", "MD5").lower().replace("-", "")

            def hashed(*parts: str) -> str:
                return hashlib.new(name, ":".join(parts).encode()).hexdigest()

            middle = [given["nc"], given["cnonce"], given["qop"]] if "qop" in given else []
            nonce = str(self.server.nonces)
            secret = hashed(user, given["realm"], password)
            wanted = hashed(secret, nonce, *middle, hashed(method, url))
            right = (given["nonce"], given["response"], given["uri"]) == (nonce, wanted, url)
        self.server.refused += not right
        if self.server.fleeting and right:
            self.server.nonces += len(self.server.requests) % self.server.fleeting == 0
        return right

    def _ask_for_login(self, cseq: str) -> None:
        parting = self.server.parting
        lines = ["RTSP/1.0 401 Unauthorized", f"CSeq: {cseq}"]
        lines += ["Connection: close"] if parting == "close" else []
        stale = self.server.stale if self.server.nonces > 1 else ""
        lines += [
            f"WWW-Authenticate: {value.replace('{nonce}', str(self.server.nonces))}"
            + stale * value.startswith("Digest")
            for value in self.server.challenges
        ]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode())
        if parting:
            raise ConnectionResetError

    def _play(self) -> None:
        began, number = time.monotonic(), 0
        with suppress(OSError, ValueError):
            while not self.server.ending:
                for start in range(0, len(self.server.video), PACKET_BYTES):
                    video = self.server.video[start : start + PACKET_BYTES]
                    clock = int((time.monotonic() - began) * 90_000)
                    head = struct.pack(">BBHII", 0x80, 33, number & 0xFFFF, clock, 1)
                    number += 1
                    inserted, self.server.interruption = self.server.interruption, b""
                    inserted += self.server.mess(number)
                    size = len(head) + len(video)
                    self.wfile.write(inserted + b"$\0" + struct.pack(">H", size) + head + video)
                    self.server.sent += size
                    if self.server.pace:
                        time.sleep(self.server.pace)


@contextmanager
def rtsp_camera(host: str = "127.0.0.1") -> Iterator[RTSPCamera]:
    """Run a camera."""
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
