"""The only way out for FFmpeg's HTTP: a proxy in this process that checks every address it dials.

FFmpeg reads one address and may be led to others: by redirects, playlists, segments, keys. It is
given `http_proxy` and no protocol but plain http, so each of those requests comes here and is
looked up, checked and dialed in one go, at the moment it is made; DNS cannot change in between.

TLS is spoken here, not in FFmpeg, by way of `translation`. The usual way, CONNECT, needs FFmpeg's
protocol `httpproxy`; and then a playlist may name `httpproxy://any.host:port/`, which FFmpeg dials
itself, unchecked. Certificates are not verified: see `dialing.dial`.
"""

from __future__ import annotations

import http.client
import io
import os
import secrets
import socket
import threading
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message

from cameras.ingest.dialing import Permitted, dial, look_up
from cameras.ingest.sources import DEFAULT_PORTS, Address
from cameras.ingest.translation import Translation

MAX_CONNECTIONS = 32  # more are hung up on; FFmpeg opens one for each quality of a playlist
MAX_HEAD = 16 * 1024
MAX_PLAYLIST = 1024 * 1024  # a longer one is cut off
MAX_ANSWERS = 64  # the oldest is forgotten
BUFFER = 256 * 1024  # bytes each kernel buffer may hold, so that a paced reader is felt afar
HEAD_S = 5.0  # for FFmpeg's request
CONNECT_S = 4.0
SILENCE_S = 10.0  # a camera that sends nothing for so long is hung up on

_OURS = {  # headers that concern one connection, or that are written anew
    "connection", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip
@dataclass(frozen=True, slots=True)
class Answer:
    """What came of the last request for an address; `status` is 0 where an `error` came first."""

    address: Address
    status: int = 0
    content_type: str = ""
    error: Exception | None = None


class Gate:
    """Listens on 127.0.0.1 for those who know its secret; owns its threads until `close`.

    `recorded` tells whether what was read is a recording or a playlist, which come as fast as they
    are taken, and not a live stream that sets its own pace.
    """

    def __init__(self, permitted: Permitted) -> None:
        os.environ.pop("no_proxy", None)  # FFmpeg would go round the proxy for the hosts in it
        self.recorded = False
        self.translation = Translation()
        self._permitted = permitted
        login = f"gate:{secrets.token_urlsafe(24)}"
        self._authorization = "Basic " + b64encode(login.encode()).decode()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.proxy = f"http://{login}@127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._answers: dict[Address, Answer] = {}
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._thread = threading.Thread(target=self._accept, name="gate", daemon=True)
        self._thread.start()

    def answers(self) -> list[Answer]:
        """What came of the requests since `hang_up`, the newest last."""
        with self._lock:
            return list(self._answers.values())

    def hang_up(self) -> None:
        """End every connection, and forget how they went."""
        with self._lock:
            self._answers.clear()
            self.recorded = False
            for link in self._sockets:
                with suppress(OSError):  # not SSLSocket's own, which is for the thread that reads
                    socket.socket.shutdown(link, socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop listening and end every connection; the threads end with them."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(1.0)
        self._listener.close()
        self.hang_up()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._slots.acquire(blocking=False):
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()
            else:
                client.close()

    def _serve(self, client: socket.socket) -> None:
        """One request; what goes wrong on the camera's side is noted, on FFmpeg's it is over."""
        upstream: list[socket.socket] = []
        with self._lock:
            self._sockets.add(client)
        try:
            client.settimeout(HEAD_S)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            method, target, headers = _request(client)
            given = headers.get("Proxy-Authorization", "")
            if not secrets.compare_digest(given.encode(), self._authorization.encode()):
                _reply(client, 407, [("Proxy-Authenticate", 'Basic realm="gate"')])
            elif method != "GET":
                _reply(client, 405)
            else:
                client.settimeout(None)  # a paced reader takes its time; `hang_up` ends it
                self._forward(client, self.translation.read(target), headers, upstream)
        except (OSError, ValueError, http.client.HTTPException):
            pass
        finally:
            for link in (client, *upstream):
                with self._lock:
                    self._sockets.discard(link)
                link.close()
            self._slots.release()

    def _forward(
        self, client: socket.socket, address: Address, headers: Message, opened: list[socket.socket]
    ) -> None:
        self._note(Answer(address, error=TimeoutError()))  # so it is until something comes
        try:
            response = self._ask(address, headers, opened)
            passed = self._passed(address, response)
            body = _beginning(response)
        except (OSError, ValueError, http.client.HTTPException) as error:
            self._note(Answer(address, error=error))
            return _reply(client, 502)
        self._note(Answer(address, response.status, response.headers.get_content_type()))
        status = 502 if response.status == 407 else response.status  # ours to ask, not theirs
        if playlist := body.startswith(b"#EXTM3U"):
            while len(body) < MAX_PLAYLIST and (part := response.read1(65536)):
                body += part
            body = self.translation.playlist(body[:MAX_PLAYLIST])
            status = 200 if status == 206 else status
            length = ("content-length", "content-range", "accept-ranges")
            passed = [each for each in passed if each[0] not in length]
        if status in (200, 206):
            # Some cameras give their endless MJPEG a length.
            multipart = response.headers.get_content_maintype() == "multipart"
            known = response.length is not None and not multipart
            self.recorded |= playlist or known or body[4:8] == b"ftyp"
        _reply(client, status, passed)
        while body:
            client.sendall(body)
            body = b"" if playlist else response.read1(65536)

    def _ask(
        self, address: Address, headers: Message, opened: list[socket.socket]
    ) -> http.client.HTTPResponse:
        link = self._dial(address)
        opened.append(link)
        with self._lock:
            self._sockets.add(link)
        link.settimeout(SILENCE_S)
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

    def _dial(self, address: Address) -> socket.socket:
        ips = look_up(address, self._permitted)
        for ip in ips:
            try:
                return dial(address, ip, CONNECT_S / len(ips))
            except OSError as error:
                failure = error
        raise failure

    def _passed(
        self, address: Address, response: http.client.HTTPResponse
    ) -> list[tuple[str, str]]:
        """The headers for FFmpeg."""
        return [
            (name, self.translation.location(address, value) if name == "location" else value)
            for name, value in ((name.lower(), value) for name, value in response.getheaders())
            if name not in _OURS
        ]

    def _note(self, answer: Answer) -> None:
        with self._lock:
            self._answers.pop(answer.address, None)
            self._answers[answer.address] = answer
            if len(self._answers) > MAX_ANSWERS:
                del self._answers[next(iter(self._answers))]


def _host(address: Address) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return host if address.port == DEFAULT_PORTS[address.scheme] else f"{host}:{address.port}"


def _request(client: socket.socket) -> tuple[str, str, Message]:
    """Method, target and headers. Raises `ValueError` or `OSError`."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = client.recv(4096)
        if not part or len(head) > MAX_HEAD:
            raise ValueError("no whole request")
        head += part
    line, _, rest = head.partition(b"\r\n")
    method, target, _ = line.decode("latin-1").split(" ")
    return method, target, http.client.parse_headers(io.BytesIO(rest))


def _beginning(response: http.client.HTTPResponse) -> bytes:
    """Enough of the body to know what it is."""
    body = b""
    while len(body) < 12 and (part := response.read1(65536)):
        body += part
    return body


def _reply(client: socket.socket, status: int, headers: Iterable[tuple[str, str]] = ()) -> None:
    reason = http.client.responses.get(status, "Answer")
    lines = [f"HTTP/1.1 {status} {reason}", "Connection: close"]
    lines += [f"{name}: {' '.join(value.split())}" for name, value in headers]  # may be folded
    client.sendall("\r\n".join((*lines, "", "")).encode("latin-1", "replace"))
