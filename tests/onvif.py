"""An ONVIF camera on loopback: it answers probes over UDP and SOAP over HTTP, and can misbehave."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Replies = Callable[["Responder", str], list[bytes]]

ENVELOPE = (
    '<?xml version="1.0"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:wsd="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
    ' xmlns:tds="http://www.onvif.org/ver10/device/wsdl"'
    ' xmlns:trt="http://www.onvif.org/ver10/media/wsdl"'
    ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl"'
    ' xmlns:ter="http://www.onvif.org/ver10/error"'
    ' xmlns:tt="http://www.onvif.org/ver10/schema">'
    "<SOAP-ENV:Header>{header}</SOAP-ENV:Header><SOAP-ENV:Body>{body}</SOAP-ENV:Body>"
    "</SOAP-ENV:Envelope>"
)
SCOPES = (
    "onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/hardware/DS-2CD2042 "
    "onvif://www.onvif.org/name/Front%20door onvif://www.onvif.org/location/x"
)
_LOGIN = re.compile(
    r"<Username>(.*?)</Username><Password[^>]*>(.*?)</Password>"
    r"<Nonce[^>]*>(.*?)</Nonce><Created[^>]*>(.*?)</Created>"
)


def match(related: str, addresses: str, scopes: str = SCOPES, types: str | None = None) -> bytes:
    """A reply to the probe with this message id."""
    types = "dn:NetworkVideoTransmitter tds:Device" if types is None else types
    body = (
        "<wsd:ProbeMatches><wsd:ProbeMatch><wsa:EndpointReference><wsa:Address>urn:uuid:1</wsa:Address>"
        f"</wsa:EndpointReference><wsd:Types>{types}</wsd:Types><wsd:Scopes>{scopes}</wsd:Scopes>"
        f"<wsd:XAddrs>{addresses}</wsd:XAddrs></wsd:ProbeMatch></wsd:ProbeMatches>"
    )
    header = f"<wsa:RelatesTo>{related}</wsa:RelatesTo>"
    return ENVELOPE.format(header=header, body=body).encode()


class Responder:
    """Answers each probe with what `replies` returns for its message id. Counts the probes."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self.probes: list[str] = []
        self._link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._link.bind(("127.0.0.1", 0))
        self.target: tuple[str, int] = self._link.getsockname()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                data, sender = self._link.recvfrom(65536)
                probe = data.decode()
                if not probe:
                    return
                self.probes.append(probe)
                found = re.search(r"MessageID>(.*?)<", probe)
                assert found
                for reply in self._replies(self, found[1]):
                    self._link.sendto(reply, sender)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.target)
        self._thread.join(5)
        self._link.close()


@contextmanager
def responder(replies: Replies) -> Iterator[Responder]:
    """A responder on a port of its own."""
    started = Responder(replies)
    try:
        yield started
    finally:
        started.close()


class ONVIFCamera(ThreadingHTTPServer):
    """The SOAP services of a camera. Attributes may be changed at any time.

    `login` is a user and a password, or None for a camera that asks for none; `modes` is what it
    takes: "token" and "digest". `ahead` is its clock against ours. `answers` replaces the answer to
    an operation: a status, headers, and a body. `uris` are the streams of its profiles, `asked` the
    operations, `heads` the requests' headers with their bodies.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = self.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}/onvif/device_service"
        self.login: tuple[str, str] | None = None
        self.modes = {"token", "digest"}
        self.ahead = timedelta()
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.uris = {
            "main": "rtsp://0.0.0.0:554/Streaming/101?a=1&amp;b=2",
            "sub": "rtsp://10.1.1.1/Streaming/102",
        }
        self.media = "http://192.168.254.1/onvif/Media"
        self.asked: list[str] = []
        self.heads: list[str] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are no error here."""

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def token_fits(self, request: str) -> bool:
        """Whether the request holds a token of `login` that is not older than 5 s."""
        found = _LOGIN.search(request)
        assert self.login
        if not found or "token" not in self.modes or found[1] != self.login[0]:
            return False
        nonce, created = b64decode(found[3]), found[4]
        digest = hashlib.sha1(nonce + created.encode() + self.login[1].encode()).digest()
        age = abs(self.now() - datetime.fromisoformat(created.replace("Z", "+00:00")))
        return (
            b64encode(digest).decode() == found[2]
            and age < timedelta(seconds=5)
            and len(nonce) <= 16
        )

    def digest_fits(self, authorization: str, path: str) -> bool:
        """Whether the header answers our challenge with `login`."""
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', authorization.removeprefix("Digest ")))
        assert self.login
        if "digest" not in self.modes or given.get("username") != self.login[0]:
            return False

        def hashed(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode()).hexdigest()

        secret = hashed(self.login[0], "cam", self.login[1])
        right = hashed(secret, "n0nce", given["nc"], given["cnonce"], "auth", hashed("POST", path))
        return given["response"] == right

    def answer(self, operation: str, request: str) -> str:
        """The body's content for an operation."""
        now = self.now()
        match operation:
            case "GetSystemDateAndTime":
                return (
                    "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:UTCDateTime>"
                    f"<tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
                    f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}"
                    f"</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date>"
                    "</tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
                )
            case "GetCapabilities":
                return (
                    "<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Media><tt:XAddr>"
                    f"{self.media}</tt:XAddr></tt:Media></tds:Capabilities>"
                    "</tds:GetCapabilitiesResponse>"
                )
            case "GetProfiles":
                sizes = {"main": (2688, 1520, "H265", 20), "sub": (640, 360, "H264", 15)}
                profiles = "".join(
                    f'<trt:Profiles token="{name}"><tt:Name>{name} stream</tt:Name>'
                    f"<tt:VideoEncoderConfiguration><tt:Encoding>{codec}</tt:Encoding>"
                    f"<tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height>"
                    f"</tt:Resolution><tt:RateControl><tt:FrameRateLimit>{fps}</tt:FrameRateLimit>"
                    "</tt:RateControl></tt:VideoEncoderConfiguration></trt:Profiles>"
                    for name, (width, height, codec, fps) in sizes.items()
                )
                return f"<trt:GetProfilesResponse>{profiles}</trt:GetProfilesResponse>"
            case "GetStreamUri":
                token = re.search(r"<ProfileToken>(.*?)<", request)
                assert token
                return f"<trt:MediaUri><tt:Uri>{self.uris[token[1]]}</tt:Uri></trt:MediaUri>"
            case "GetSnapshotUri":
                return "<trt:MediaUri><tt:Uri>http://127.0.0.1/snap.jpg</tt:Uri></trt:MediaUri>"
        return fault("ter:ActionNotSupported", "Optional Action Not Implemented")


def fault(code: str, text: str) -> str:
    """A SOAP fault as the content of a body."""
    return (
        "<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:Sender</SOAP-ENV:Value>"
        f"<SOAP-ENV:Subcode><SOAP-ENV:Value>{code}</SOAP-ENV:Value></SOAP-ENV:Subcode>"
        f"</SOAP-ENV:Code><SOAP-ENV:Reason><SOAP-ENV:Text>{text}</SOAP-ENV:Text>"
        "</SOAP-ENV:Reason></SOAP-ENV:Fault>"
    )


class _Handler(BaseHTTPRequestHandler):
    server: ONVIFCamera
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers["Content-Length"])).decode()
        camera = self.server
        found = re.search(r"<s:Body><(\w+)", request)
        assert found
        operation = found[1]
        camera.asked.append(operation)
        camera.heads.append(f"{self.path}\n{self.headers}\n{request}")
        if operation in camera.answers:
            self._send(*camera.answers[operation])
            return
        if camera.login and operation != "GetSystemDateAndTime":
            authorization = self.headers.get("Authorization", "")
            fits = camera.token_fits(request) or (
                authorization.startswith("Digest ") and camera.digest_fits(authorization, self.path)
            )
            if not fits:
                self._refuse(has_token="<Username>" in request)
                return
        self._send(200, {}, self._envelope(camera.answer(operation, request)))

    def _refuse(self, *, has_token: bool) -> None:
        refusal = self._envelope(fault("ter:NotAuthorized", "Sender not Authorized"))
        if "digest" not in self.server.modes:
            self._send(400, {}, refusal)
        elif has_token and "token" not in self.server.modes:
            self._send(400, {}, b"")  # as firmware that knows only Digest
        else:
            offer = 'Digest realm="cam", nonce="n0nce", qop="auth"'
            self._send(401, {"WWW-Authenticate": offer}, refusal)

    def _envelope(self, body: str) -> bytes:
        return ENVELOPE.format(header="", body=body).encode()

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def onvif_camera() -> Iterator[ONVIFCamera]:
    """A camera on loopback, with a thread of its own."""
    camera = ONVIFCamera()
    thread = threading.Thread(target=camera.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield camera
    finally:
        camera.shutdown()
        camera.server_close()
