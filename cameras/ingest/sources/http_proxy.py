"""The HTTP proxy for FFmpeg: it runs in this process and checks every address it dials.

FFmpeg opens one address, and redirects, playlists, segments and keys may name others. FFmpeg gets
the option `http_proxy` and no protocol except plain http, and the tcp below it, which a playlist
must not name (`playlists`). So every request arrives here and is resolved, checked and dialed in
one step, and DNS cannot change in between.

The proxy speaks TLS, not FFmpeg: see `Translation`. The usual way, CONNECT, needs FFmpeg's protocol
`httpproxy`; then a playlist could name `httpproxy://any.host:port/`, which FFmpeg dials itself,
unchecked. Certificates are not verified: see `dialing.dial`.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import string
from base64 import b64encode
from dataclasses import dataclass, replace
from email.message import Message
from http.client import HTTPException
from urllib.parse import quote, urldefrag, urljoin

from cameras.ingest.sources import http_messages, playlists
from cameras.ingest.sources.addresses import Address, SourceError
from cameras.ingest.sources.dialing import Permitted, connect
from cameras.ingest.sources.egress import CONNECT_S, Egress

MAX_PLAYLIST = 1024 * 1024  # a longer one is cut off
MAX_ANSWERS = 64  # the oldest is forgotten
HEAD_S = 5.0  # for FFmpeg's request
SILENCE_S = 10.0  # a camera that sends nothing for so long is hung up on


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of the last request for an address; `status` is 0 where an `error` came first."""

    address: Address
    status: int = 0
    content_type: str = ""
    error: Exception | None = None


class HTTPProxy(Egress):
    """The proxy, for those who know its secret."""

    def __init__(self, permitted: Permitted) -> None:
        os.environ.pop("no_proxy", None)  # FFmpeg would go round the proxy for the hosts in it
        self.translation = Translation()
        self._permitted = permitted
        self._answers: dict[Address, Answer] = {}
        login = f"gate:{secrets.token_urlsafe(24)}"
        self._authorization = b"Basic " + b64encode(login.encode())
        super().__init__()
        self.proxy = f"http://{login}@127.0.0.1:{self.port}"

    def answers(self) -> list[Answer]:
        """What came of the requests since `hang_up`, the newest last."""
        with self._lock:
            return list(self._answers.values())

    def _forget(self) -> None:
        self._answers.clear()

    def _converse(self, links: list[socket.socket]) -> None:
        """One request."""
        client = links[0]
        self._hold(client, HEAD_S)
        method, target, headers = http_messages.request(client)
        given = headers.get("Proxy-Authorization", "").encode()
        if not secrets.compare_digest(given, self._authorization):
            http_messages.reply(client, 407, [("Proxy-Authenticate", 'Basic realm="gate"')])
        elif method != "GET":
            http_messages.reply(client, 405)
        else:
            client.settimeout(None)  # a paced reader takes its time; `hang_up` ends it
            self._forward(links, self.translation.read(target), headers)

    def _forward(self, links: list[socket.socket], address: Address, headers: Message) -> None:
        """Ask the camera and hand its answer on; adds the connection to `links`."""
        client = links[0]
        self._note(Answer(address, error=TimeoutError()))  # so it is until something comes
        try:
            links.append(connect(address, self._permitted, CONNECT_S))
            self._hold(links[1], SILENCE_S)
            response = http_messages.ask(links[1], address, headers)
            passed = [
                (name, self.translation.location(address, value) if name == "location" else value)
                for name, value in http_messages.passed_on(response)
            ]
            body = http_messages.beginning(response)
        except (OSError, ValueError, HTTPException) as error:
            self._note(Answer(address, error=error))
            return http_messages.reply(client, 502)
        status = 502 if response.status == 407 else response.status  # ours to ask, not theirs
        if http_messages.is_disguised(response):
            self._note(Answer(address, error=ValueError("no plain answer")))
            return http_messages.reply(client, 502)
        self._note(Answer(address, status, response.headers.get_content_type()))
        if status in (200, 206):
            if body.startswith(playlists.MAGIC):
                return self._hand_playlist(client, address, response, body, passed)
            self.recorded |= http_messages.is_recording(response, body)
        http_messages.reply(client, status, passed)
        while body:
            client.sendall(body)
            body = response.read1(http_messages.READ)

    def _hand_playlist(
        self,
        client: socket.socket,
        address: Address,
        response: http_messages.Response,
        body: bytes,
        passed: http_messages.Headers,
    ) -> None:
        """A playlist is read whole and rewritten, so its length and ranges do not hold."""
        self.recorded = True
        while len(body) < MAX_PLAYLIST and (part := response.read1(http_messages.READ)):
            body += part
        try:
            body = playlists.rewrite(body[:MAX_PLAYLIST], address, self.translation.show)
        except SourceError as error:
            self._note(Answer(address, error=error))
            return http_messages.reply(client, 502)
        old = ("content-length", "content-range", "accept-ranges")
        http_messages.reply(client, 200, [each for each in passed if each[0] not in old])
        client.sendall(body)

    def _note(self, answer: Answer) -> None:
        with self._lock:
            self._answers.pop(answer.address, None)
            self._answers[answer.address] = answer
            if len(self._answers) > MAX_ANSWERS:
                del self._answers[next(iter(self._answers))]


MAX_SERVERS = 64  # that speak TLS, for one camera; more are refused

_TARGET = re.compile(r"(http://[^/?#\s]+)([^#\s]*)(?:#\S*)?")


class Translation:
    """Writes addresses for FFmpeg, and reads its requests."""

    def __init__(self) -> None:
        self._secure: set[tuple[str, int]] = set()

    def show(self, address: Address) -> str:
        """The URL to give to FFmpeg for an address."""
        if address.scheme == "https":
            if len(self._secure) >= MAX_SERVERS:
                raise SourceError("The camera leads on to too many other servers.")
            self._secure.add((address.host, address.port))
        return replace(address, scheme="http").url()

    def read(self, target: str) -> Address:
        """The address that the absolute URL of a request means. Raises `ValueError`."""
        found = _TARGET.fullmatch(target)
        if not found:
            raise ValueError("not an absolute http URL")
        address = Address.parse("http", found[1])
        secure = (address.host, address.port) in self._secure
        return replace(
            address,
            scheme="https" if secure else "http",
            path=_rooted(quote(found[2], safe=string.printable.strip(), encoding="latin-1")),
            user=None,
            password=None,
        )

    def location(self, address: Address, value: str) -> str:
        """Where a redirect found at an address leads. Raises `SourceError`.

        Without a host where it stays on the server, because then FFmpeg keeps the login.
        """
        try:
            url = urldefrag(urljoin(address.url(credentials=False), value)).url
            onward = Address.parse("http", url)
        except ValueError:
            raise SourceError("The camera redirects to an address that is not valid.") from None
        if onward.user is None and _server(onward) == _server(address):
            return _rooted(onward.path)
        return self.show(onward)


def _rooted(path: str) -> str:
    return path if path.startswith("/") else "/" + path


def _server(address: Address) -> tuple[str, str, int]:
    return address.scheme, address.host, address.port
