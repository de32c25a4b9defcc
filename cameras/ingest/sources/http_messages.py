"""HTTP messages of the proxy: it is a server for FFmpeg and a client of the camera.

Only GET, and one request per connection, so that both sides agree where every message ends.
"""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Iterable
from email.message import Message

from cameras.ingest.sources.addresses import DEFAULT_PORTS, Address

MAX_HEAD = 16 * 1024
READ = 65536

Response = http.client.HTTPResponse
Headers = list[tuple[str, str]]

_OURS = {  # headers of a request that concern one connection, or that are written anew
    "connection", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip
# Of a response. Of others, FFmpeg takes icy-metaint, and cuts pieces out of the body then.
_PASSED_ON = {
    "accept-ranges", "authentication-info", "content-length", "content-range", "content-type",
    "location", "set-cookie", "www-authenticate",
}  # fmt: skip
_REDIRECTS = (301, 302, 303, 307, 308)


def request(client: socket.socket) -> tuple[str, str, Message]:
    """What a client of the proxy asks: method, target, headers. Raises `ValueError`, `OSError`."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = client.recv(4096)
        if not part or len(head) > MAX_HEAD:
            raise ValueError("no whole request")
        head += part
    line, _, rest = head.partition(b"\r\n")
    method, target, _ = line.decode("latin-1").split(" ")
    return method, target, http.client.parse_headers(io.BytesIO(rest))


def reply(client: socket.socket, status: int, headers: Iterable[tuple[str, str]] = ()) -> None:
    """Answer the client; a body may follow until the connection is closed."""
    reason = http.client.responses.get(status, "Answer")
    lines = [f"HTTP/1.1 {status} {reason}", "Connection: close"]
    lines += [f"{name}: {' '.join(value.split())}" for name, value in headers]  # may be folded
    client.sendall("\r\n".join((*lines, "", "")).encode("latin-1", "replace"))


def ask(link: socket.socket, address: Address, headers: Message) -> Response:
    """Ask the camera behind `link`. Raises `OSError`, `HTTPException`, `ValueError`."""
    connection = http.client.HTTPConnection(address.host, address.port)
    connection.sock = link
    connection.putrequest("GET", address.path, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", _host(address))
    for name, value in headers.items():
        if name.lower() not in _OURS:
            connection.putheader(name, value)
    connection.putheader("Connection", "close")
    connection.endheaders()
    return connection.getresponse()


def beginning(response: Response) -> bytes:
    """Enough of the body to know what it is."""
    body = b""
    while len(body) < 12 and (part := response.read1(READ)):
        body += part
    return body


def passed_on(response: Response) -> Headers:
    """The headers that concern the client, with lower-case names."""
    lowered = [(name.lower(), value) for name, value in response.getheaders()]
    return [each for each in lowered if each[0] in _PASSED_ON]


def is_disguised(response: Response) -> bool:
    """Whether FFmpeg would read in it what we do not see: packed, or under an odd status.

    FFmpeg reads the body of all but failures and redirects that it follows.
    """
    coding = response.headers.get_all("content-encoding", [])
    leads_on = response.status in _REDIRECTS and "location" in response.headers
    usual = response.status in (200, 206) or 400 <= response.status < 600 or leads_on
    return not usual or any(value.strip().lower() not in ("", "identity") for value in coding)


def is_recording(response: Response, body: bytes) -> bool:
    """Whether this comes as fast as it is taken. A live stream sets its own pace, and has no end.

    Some cameras give even their endless MJPEG a length.
    """
    live = response.headers.get_content_maintype() == "multipart"
    return (response.length is not None and not live) or body[4:8] == b"ftyp"


def _host(address: Address) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return host if address.port == DEFAULT_PORTS[address.scheme] else f"{host}:{address.port}"
