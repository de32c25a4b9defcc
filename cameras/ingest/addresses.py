"""From a checked source to what OpenCV opens: names are looked up here, once, and pinned.

Every address a name resolves to must be allowed, and the URL handed to FFmpeg carries the
checked IP, so a second look-up cannot lead elsewhere (DNS rebinding). HTTP redirects are followed
here, hop by hop; FFmpeg's own are off. Playlists (HLS, DASH, concat) are not opened at all:
they name further addresses which FFmpeg would fetch unchecked.

What remains: FFmpeg sends no server name (SNI) to a bare IP, so an HTTPS server that needs one does
not answer; and an RTSP server may redirect FFmpeg to another RTSP address, which nothing can turn
off: FFmpeg connects there, but it reads nothing back but video.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from base64 import b64encode
from dataclasses import dataclass, field, replace
from email.message import Message
from pathlib import Path
from urllib.parse import urljoin

from cameras.ingest.networks import forbidden
from cameras.ingest.sources import (
    Address,
    SourceError,
    check_host,
    device_index,
    file_path,
)

MAX_REDIRECTS = 3
DEMO_CLIP = Path(__file__).resolve().parent.parent / "data" / "plaza.mp4"
AGENT = "Sideline"

_OPTIONS = {
    "rtsp": {
        "rtsp_transport": "tcp",
        "fpsprobesize": "0",  # else the open waits for 20 frames to guess a rate we do not use
        "protocol_whitelist": "rtsp,rtsps,rtp,tcp,tls",
        "format_whitelist": "rtsp,mpegts,asf",
    },
    "http": {
        "max_redirects": "0",
        # No httpproxy: a proxy named in the environment would do its own look-ups.
        "protocol_whitelist": "http,https,tcp,tls",
        "format_whitelist": "mpjpeg,mjpeg,jpeg_pipe,mpegts,h264,hevc,flv,matroska,webm",
        "user_agent": AGENT,
    },
    "file": {
        "protocol_whitelist": "file",
        "format_whitelist": "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,h264,hevc,mjpeg",
    },
}


@dataclass(frozen=True, slots=True)
class Opening:
    """What to hand to `cv2.VideoCapture`: a URL, path or device number, and FFmpeg's options."""

    target: str | int
    options: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> str:
        """The options in the syntax of OPENCV_FFMPEG_CAPTURE_OPTIONS."""
        return "|".join(f"{name};{value}" for name, value in self.options.items())


def resolve(
    kind: str, source: str, *, media_root: Path, allow_loopback: bool, timeout: float = 5.0
) -> Opening:
    """Look the source up right before it is opened. Raises `SourceError` with the reason."""
    if kind == "demo":
        return Opening(str(DEMO_CLIP), _OPTIONS["file"])
    if kind == "file":
        return Opening(str(file_path(source, media_root)), _OPTIONS["file"])
    if kind == "device":
        return Opening(device_index(source))
    deadline = time.monotonic() + timeout
    address = Address.parse(kind, source)
    ip = look_up(address, allow_loopback=allow_loopback)
    if kind == "http":
        address, ip = follow(address, ip, allow_loopback=allow_loopback, deadline=deadline)
    options = dict(_OPTIONS[kind])
    if kind == "http":
        options["headers"] = f"Host: {host_header(address)}"
    return Opening(address.url(ip), options)


def look_up(address: Address, *, allow_loopback: bool) -> str:
    """The IP to connect to. Raises `SourceError` where any answer of the name is forbidden."""
    check_host(address, allow_loopback=allow_loopback)
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise SourceError(f"The name {address.host} does not resolve.") from None
    ips = [str(entry[4][0]).partition("%")[0] for entry in found]
    for ip in ips:
        if forbidden(ipaddress.ip_address(ip), allow_loopback=allow_loopback):
            raise SourceError(f"The name {address.host} leads to an address that is closed.")
    return ips[0]


def host_header(address: Address) -> str:
    """The Host header's value for an address."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


def ask(address: Address, ip: str, timeout: float) -> tuple[int, Message]:
    """One GET of an http(s) address at its checked IP: status and headers; no body is read.

    Certificates are not verified: cameras sign their own. Raises `OSError` and
    `http.client.HTTPException`.
    """
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout)
    headers = {"Host": host_header(address), "User-Agent": AGENT, "Accept": "*/*"}
    if address.user is not None:
        headers["Authorization"] = "Basic " + basic(address)
    path = address.path if address.path.startswith("/") else "/" + address.path
    try:
        connection.sock = connect(address, ip, timeout)
        connection.request("GET", path, headers=headers)
        with connection.getresponse() as answer:
            return answer.status, answer.headers
    finally:
        connection.close()


def connect(address: Address, ip: str, timeout: float) -> socket.socket:
    """A connection to the checked IP, inside TLS where the scheme says so. Raises `OSError`."""
    raw = socket.create_connection((ip, address.port), timeout)
    if address.scheme not in ("https", "rtsps"):
        return raw
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return context.wrap_socket(raw, server_hostname=address.host)
    except OSError:
        raw.close()
        raise


def basic(address: Address) -> str:
    """User and password as Basic authentication writes them."""
    return b64encode(f"{address.user}:{address.password or ''}".encode()).decode()


def _origin(address: Address) -> tuple[str, str, int]:
    return address.scheme, address.host, address.port


def follow(
    address: Address, ip: str, *, allow_loopback: bool, deadline: float
) -> tuple[Address, str]:
    """The address after its redirects, and its IP. Raises `SourceError`.

    A request that fails is no reason to give up: FFmpeg will meet the same, and be asked why.
    """
    for _ in range(MAX_REDIRECTS + 1):
        left = deadline - time.monotonic()
        if left <= 0:
            raise SourceError(f"{address.host} did not answer in time.")
        try:
            status, headers = ask(address, ip, left)
        except TimeoutError:
            raise SourceError(f"{address.host} did not answer in time.") from None
        except (OSError, http.client.HTTPException):
            return address, ip
        location = headers.get("Location", "")
        if status not in (301, 302, 303, 307, 308) or not location:
            return address, ip
        try:
            onward = Address.parse("http", urljoin(address.url(credentials=False), location))
        except ValueError:
            raise SourceError("The camera redirects to an address that is not valid.") from None
        if _origin(onward) == _origin(address) and onward.user is None:
            onward = replace(onward, user=address.user, password=address.password)
        address, ip = onward, look_up(onward, allow_loopback=allow_loopback)
    raise SourceError("The camera redirects too often.")
