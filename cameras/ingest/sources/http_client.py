"""The HTTP client for one camera: it checks every address that it dials.

A camera's address, redirects, playlists, segments and keys may name any server. Each is resolved
once, every IP is checked, and a checked IP is dialed (`dialing`), so DNS cannot change in between.
The server is sent its name (Host, SNI); certificates are not verified: see `dialing.dial`.

Not httpx: its parser refuses what cameras send (`http_response` has the figures), and redirects,
logins and dialing would be ours all the same.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import string
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote_from_bytes, urldefrag, urljoin

from cameras.ingest.sources import http_failures
from cameras.ingest.sources.addresses import DEFAULT_PORTS, Address, SourceError
from cameras.ingest.sources.dialing import ClosedAddress, Permitted, connect
from cameras.ingest.sources.digest import Login
from cameras.ingest.sources.http_failures import (
    HTTPFailure,
    HungUp,
    Misdirected,
    Silent,
    Unauthorized,
    Unreachable,
)
from cameras.ingest.sources.http_response import Response

AGENT = "Sideline"
MAX_REDIRECTS = 5
MAX_CONNECTIONS = 32  # at a time, for one camera
MAX_COOKIES = 16
MAX_COOKIE = 1024  # characters; a longer one is not kept
MAX_LOGINS = 16  # of addresses that name one themselves; more are not remembered
BUFFER = 256 * 1024  # bytes a kernel buffer may hold, so that a paced reader is felt afar

_URL = re.compile(r"(https?://[^/?#\s]+)([^#]*)(?:#.*)?", re.IGNORECASE | re.DOTALL)
_COOKIE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([!-:<-~ ]*)")
_REDIRECTS = (301, 302, 303, 307, 308)
_SENT = frozenset(string.printable) - frozenset(string.whitespace)

Server = tuple[str, str, int]


def address_of(url: str) -> Address:
    """An absolute http(s) URL, as FFmpeg gives it or a redirect. Raises `SourceError`.

    The path is sent as it is, but for spaces, controls and other characters, which are quoted; a
    fragment is dropped.
    """
    found = _URL.fullmatch(url)
    if not found:
        raise Misdirected("The address is not a complete http address.")
    rest = found[2].encode("utf-8", "surrogateescape")
    path = quote_from_bytes(rest, safe="".join(_SENT))
    return replace(Address.parse("http", found[1]), path=_rooted(path))


class HTTPClient:
    """GET requests for one camera. Any number of threads.

    Holds at most `MAX_CONNECTIONS` connections, and one idle between two requests with `keep`.
    """

    def __init__(
        self,
        address: Address,
        permitted: Permitted,
        *,
        connect_s: float = 4.0,
        silence_s: float = 10.0,
    ) -> None:
        """`silence_s`: how long a camera may send nothing, before its answer and within it."""
        self.address = replace(address, path=_rooted(address.path))
        self._permitted = permitted
        self._connect_s, self._silence_s = connect_s, silence_s
        self._lock = threading.Lock()
        self._links: set[socket.socket] = set()
        self._idle: tuple[Server, socket.socket] | None = None
        self._round = 0  # counts `hang_up`
        self._cookies: dict[str, str] = {}
        self._logins: dict[tuple[Server, str, str], Login] = {}

    @property
    def url(self) -> str:
        """The camera's own address without the login, for FFmpeg."""
        return self.address.url(credentials=False)

    def get(
        self,
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        keep: bool = False,
    ) -> Response:
        """A response of success, or 304 where `headers` ask for it; the caller closes it.

        `url` is absolute; None is the camera's own address. With `keep` the connection serves the
        next such request, if the body is read to its end. Raises `SourceError`.
        """
        address = self.address if url is None else address_of(url)
        headers = headers or {}
        for _ in range(MAX_REDIRECTS + 1):
            response = self._ask(address, headers, keep)
            if response.status not in _REDIRECTS or not response.headers.get("location"):
                return self._accepted(response, headers)
            response.close()
            address = self._onward(response)
        raise Misdirected("The camera redirects too often.")

    def hang_up(self) -> None:
        """End every connection at once, from any thread. Later requests open new ones."""
        with self._lock:
            self._round += 1
            idle, self._idle = self._idle, None
            for link in self._links:
                with suppress(OSError):  # not SSLSocket's own, which is for the thread that reads
                    socket.socket.shutdown(link, socket.SHUT_RDWR)
        if idle:
            idle[1].close()

    def close(self) -> None:
        """Hang up, and close what nobody closed. Called when nothing reads any more."""
        self.hang_up()
        with self._lock:
            links, self._links = self._links, set()
        for link in links:
            link.close()

    def _accepted(self, response: Response, headers: Mapping[str, str]) -> Response:
        """The response, if something can be read from it."""
        status, coding = response.status, response.headers.get("content-encoding").strip().lower()
        asked = any(name.lower().startswith("if-") for name in headers)
        if status == 304 and asked:
            return response
        if not 200 <= status < 300 or status in (204, 205):
            response.close()
            raise http_failures.refused(status, has_login=self._login(response.address) is not None)
        if coding not in ("", "identity"):
            response.close()
            raise HTTPFailure("The camera sends its answer compressed, which is not read.")
        return response

    def _onward(self, response: Response) -> Address:
        """Where a redirect leads; with the login where it stays on the server, or names one."""
        here = response.address
        try:
            place = urljoin(here.url(credentials=False), response.headers.get("location"))
            onward = address_of(urldefrag(place).url)
        except ValueError:
            raise Misdirected("The camera redirects to an address that is not valid.") from None
        if onward.user is None and _server(onward) == _server(here):
            return replace(onward, user=here.user, password=here.password)
        return onward

    def _login(self, address: Address) -> Login | None:
        """The login that an address names, else the camera's, for the camera alone."""
        named = address
        if named.user is None and _server(address) == _server(self.address):
            named = self.address
        if named.user is None:
            return None
        key = (_server(address), named.user, named.password or "")
        with self._lock:
            login = self._logins.get(key) or Login(*key[1:])
            if len(self._logins) < MAX_LOGINS:
                self._logins[key] = login
        return login

    def _ask(self, address: Address, headers: Mapping[str, str], keep: bool) -> Response:
        """A response other than 401; asked again with the answer to a challenge."""
        login = self._login(address)
        challenged = 0
        while True:
            response = self._exchange(address, headers, login, keep)
            offers = response.headers.all("www-authenticate")
            asks = response.status == 401 or (response.status == 403 and offers and not challenged)
            if not asks:
                return response
            response.close()
            if login is None:
                raise self._unasked(address)
            with self._lock:
                usable = login.challenge(offers)
            challenged += 1
            if not usable:
                raise http_failures.unauthorized(has_login=True, unusable=login.sentence)
            if challenged > 2 or (challenged == 2 and not login.stale):
                raise http_failures.unauthorized(has_login=True)

    def _unasked(self, address: Address) -> Unauthorized:
        if _server(address) == _server(self.address) or self.address.user is None:
            return http_failures.unauthorized(has_login=False)
        return Unauthorized(
            f"The camera leads on to {address.scheme}://{address.host}:{address.port}, which asks "
            "for a user name and password; enter that address yourself."
        )

    def _exchange(
        self, address: Address, headers: Mapping[str, str], login: Login | None, keep: bool
    ) -> Response:
        """One request and its response. Raises `SourceError`."""
        request = self._request(address, headers, login, keep)
        with self._lock:
            begun = self._round
            idle, self._idle = self._idle, None
        try:
            if idle and keep and idle[0] == _server(address) and not _readable(idle[1]):
                with suppress(OSError, ValueError):  # it was closed in between
                    return self._converse(address, request, idle[1], begun, keep, strict=True)
            elif idle:
                idle[1].close()
            link = connect(address, self._permitted, self._connect_s)
            return self._converse(address, request, link, begun, keep)
        except ClosedAddress:
            if _server(address)[1:] == _server(self.address)[1:]:
                raise
            raise http_failures.closed_elsewhere(address) from None
        except SourceError:
            raise
        except (OSError, ValueError) as error:
            raise http_failures.unreachable(address, error) from None

    def _converse(
        self,
        address: Address,
        request: bytes,
        link: socket.socket,
        begun: int,
        keep: bool,
        *,
        strict: bool = False,
    ) -> Response:
        self._hold(link, begun)
        try:
            deadline = time.monotonic() + self._silence_s
            link.settimeout(self._silence_s)
            link.sendall(request)
            response = Response(
                address,
                lambda n, until: self._receive(link, begun, n, until),
                deadline,
                release=lambda response: self._release(response, link, begun, keep),
                strict=strict,
            )
        except BaseException:
            self._drop(link)
            raise
        self._remember(response)
        return response

    def _request(
        self, address: Address, headers: Mapping[str, str], login: Login | None, keep: bool
    ) -> bytes:
        host = f"[{address.host}]" if ":" in address.host else address.host
        if address.port != DEFAULT_PORTS[address.scheme]:
            host = f"{host}:{address.port}"
        path = _rooted(address.path)
        lines = {
            "Host": host,
            "User-Agent": AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "keep-alive" if keep else "close",
            **headers,
        }
        with self._lock:
            if login is not None and login.ready:
                lines["Authorization"] = login.authorization("GET", path)
            if self._cookies and _server(address) == _server(self.address):
                pairs = (f"{name}={value}" for name, value in self._cookies.items())
                lines["Cookie"] = "; ".join(pairs)
        head = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())]
        return "\r\n".join((*head, "", "")).encode("utf-8", "surrogateescape")

    def _remember(self, response: Response) -> None:
        """Keep the cookies that the camera itself sets, until it clears them."""
        if _server(response.address) != _server(self.address):
            return
        with self._lock:
            for text in response.headers.all("set-cookie"):
                pair, _, attributes = text.partition(";")
                found = _COOKIE.fullmatch(pair.strip())
                if not found or len(found[0]) > MAX_COOKIE:
                    continue
                self._cookies.pop(found[1], None)
                cleared = re.search(r"max-age\s*=\s*(0|-\d+)\s*(;|$)", attributes, re.IGNORECASE)
                if not cleared and len(self._cookies) < MAX_COOKIES:
                    self._cookies[found[1]] = found[2].strip()

    def _hold(self, link: socket.socket, begun: int) -> None:
        """Make a connection one that `hang_up` ends. Raises `SourceError`, and closes it then."""
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        with self._lock:
            if self._round == begun and len(self._links) < MAX_CONNECTIONS:
                self._links.add(link)
                return
        link.close()
        if self._round != begun:
            raise HungUp
        raise Unreachable("The camera leads to more connections than can be held at a time.")

    def _receive(self, link: socket.socket, begun: int, n: int, until: float | None) -> bytes:
        """As `http_response.Receive`; beyond the usual silence it raises `Silent`."""
        link.settimeout(self._silence_s if until is None else max(0.001, until - time.monotonic()))
        try:
            part = link.recv(n)
        except TimeoutError:
            if until is not None:
                raise
            raise Silent(self._silence_s) from None
        except (ConnectionError, ssl.SSLEOFError):
            part = b""
        except OSError:
            if self._round != begun:
                raise HungUp from None
            raise
        if not part and self._round != begun:
            raise HungUp
        return part

    def _release(self, response: Response, link: socket.socket, begun: int, keep: bool) -> None:
        told = response.headers.get("connection").lower()
        if not keep or not response.whole or "close" in told:
            return self._drop(link)
        with self._lock:
            self._links.discard(link)
            if self._idle is None and self._round == begun:
                self._idle = (_server(response.address), link)
                return
        link.close()

    def _drop(self, link: socket.socket) -> None:
        with self._lock:
            self._links.discard(link)
        link.close()


def _rooted(path: str) -> str:
    return path if path.startswith("/") else "/" + path


def _server(address: Address) -> Server:
    return address.scheme, address.host, address.port


def _readable(link: socket.socket) -> bool:
    """Whether something came on an idle connection: its end, or what nobody asked for."""
    poll = select.poll()
    poll.register(link, select.POLLIN)
    return bool(poll.poll(0))
