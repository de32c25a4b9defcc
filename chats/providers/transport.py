"""HTTP to model servers: checked addresses, and a body read as fast as it arrives.

An address is checked when it is saved and again each time it is dialed, by the IP it resolves to.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import httpx

from cameras.ingest.sources import networks
from cameras.ingest.sources.networks import rule
from chats.providers.base import Rejected, Unreachable

BOUND = 256 * 1024  # bytes
CONNECT_S = 5.0
LOOK_UP_S = 5.0
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # httpx makes one for http too, in 20 ms
_LOOK_UPS = ThreadPoolExecutor(4, "look-up")  # of their own: a resolver can take half a minute
MOST_IPS = 4  # of a name, tried in order within CONNECT_S together

_PORTS = {"http": 80, "https": 443}


def place(url: httpx.URL) -> str:
    """`host:port` as it is listed; the port is always there."""
    return networks.place(url.raw_host.decode(), _port(url))


def _port(url: httpx.URL) -> int:
    return url.port or _PORTS[url.scheme]


def check_base_url(text: str, listed: frozenset[str] = frozenset()) -> str:
    """A base URL without its last slash. Raises `ValueError` with a sentence.

    Nothing is looked up: a name is checked each time it is dialed.
    """
    text = text.strip()
    if not text.isprintable() or any(c in text for c in " \\"):
        raise ValueError("The base URL holds characters that no address has.")
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode()
    except (httpx.InvalidURL, ValueError):
        raise ValueError("The base URL is not an address.") from None
    if url.scheme not in _PORTS or not host:
        raise ValueError("The base URL starts with https:// or http:// and names a host.")
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise ValueError("The base URL holds no user name or password; the key has its own field.")
    if "?" in text or "#" in text:
        raise ValueError("The base URL ends with its path: no “?” and no “#”.")
    if "%" in host or (url.port is not None and not 0 < url.port < 65536):
        raise ValueError("The base URL is not an address.")
    if not _conceivable(host.removesuffix("."), _port(url), listed):
        raise ValueError(closed(place(url)))
    return str(url).rstrip("/")


def closed(where: str) -> str:
    """The sentence for an address that is refused."""
    return f"{where} is closed to this server: who runs it can list that in SIDELINE_MODEL_SERVERS."


def _conceivable(host: str, port: int, listed: frozenset[str]) -> bool:
    """What is known before a look-up; localhost may lead to an IP of loopback that is listed."""
    is_name = networks.literal(host) is None
    try:
        now = rule(listed=listed)
    except OSError:
        return is_name
    loopback = {networks.place(ip, port) for ip in ("127.0.0.1", "::1")}
    return now.permits_literal(host, port) or (is_name and not loopback.isdisjoint(listed))


def _permitted(url: httpx.URL, ips: list[str], listed: frozenset[str]) -> bool:
    """Whether all IPs of a URL's host may be dialed now; none where our own are not known."""
    try:
        now = rule(listed=listed)
    except OSError:
        return False
    host, port = url.raw_host.decode(), _port(url)
    return all(now.permits(host, port, ipaddress.ip_address(ip)) for ip in ips)


def _find(url: httpx.URL) -> list[str]:
    found = socket.getaddrinfo(url.raw_host.decode(), _port(url), type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


@functools.cache
def _trust() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)  # 20 ms, so one for all


class _Stream(httpx.AsyncByteStream):
    """A body that closes its pool with it."""

    def __init__(self, body: httpx.AsyncByteStream, pool: httpx.AsyncHTTPTransport) -> None:
        self._body, self._pool = body, pool

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._body.__aiter__()

    async def aclose(self) -> None:
        try:
            await self._body.aclose()
        finally:
            await self._pool.aclose()


class CheckedTransport(httpx.AsyncBaseTransport):
    """Dials the IP that was checked; TLS and the Host header keep the name.

    `listed` holds `host:port` pairs that may lead anywhere. Knows no proxy, and keeps no
    connection: between two questions of a chat an endpoint closes it anyway, and a request on one
    that is just being closed fails. Each request has a pool of its own, closed with its response:
    in a shared one httpcore forgets a connection whose request is cancelled right after dialing.

    Raises `Unreachable`, `Rejected` and what httpx raises.
    """

    def __init__(self, listed: frozenset[str] = frozenset()) -> None:
        self._listed = listed

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        ips = await self._look_up(request.url)
        patience = request.extensions.get("timeout", {})
        extensions = dict(request.extensions, timeout=patience | {"connect": CONNECT_S / len(ips)})
        if request.url.scheme == "https":
            extensions["sni_hostname"] = request.url.raw_host.decode()
        inner = httpx.AsyncHTTPTransport(
            verify=_trust() if request.url.scheme == "https" else _NO_TLS, trust_env=False
        )
        try:
            for ip in ips:
                try:
                    response = await inner.handle_async_request(
                        httpx.Request(
                            request.method,
                            request.url.copy_with(host=ip),
                            headers=request.headers,
                            stream=request.stream,
                            extensions=extensions,
                        )
                    )
                    break
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    if ip == ips[-1]:
                        raise
            assert isinstance(response.stream, httpx.AsyncByteStream)
            response.stream = _Stream(response.stream, inner)
        except BaseException:
            await inner.aclose()
            raise
        return response

    async def _look_up(self, url: httpx.URL) -> list[str]:
        host = url.raw_host.decode()
        try:
            async with asyncio.timeout(LOOK_UP_S):
                ips = await asyncio.get_running_loop().run_in_executor(_LOOK_UPS, _find, url)
        except TimeoutError:
            raise Unreachable(f"The name {host} was not found in time. Try again.") from None
        except (OSError, UnicodeError):
            raise Unreachable(
                f"The name {host} does not resolve. Check the base URL in the settings."
            ) from None
        if not _permitted(url, ips, self._listed):
            raise Rejected(closed(place(url)))
        return ips[:MOST_IPS]


class Arrivals:
    """Owns a response and a task that reads it; `take` gives all that was read since.

    httpx hands over every HTTP chunk by itself, and a model's server makes one of each token.
    Bound: `BOUND` bytes and one chunk; beyond it nothing is read, and the endpoint has to wait.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._read: list[bytes] = []
        self._size = 0
        self._came = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._leaving = False
        self._task = asyncio.create_task(self._reading(), name="reading a model's answer")
        self._task.add_done_callback(lambda _: self._came.set())

    async def _reading(self) -> None:
        body = self._response.stream  # not `aiter_raw`, which closes the response by itself
        assert isinstance(body, httpx.AsyncByteStream)
        try:
            async for chunk in body:
                self._read.append(chunk)
                self._size += len(chunk)
                self._came.set()
                if self._size > BOUND:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._leaving = True
            await self._response.aclose()

    async def take(self) -> bytes:
        """What came; b"" at the end. Raises what reading raised, after all that came before."""
        await self._came.wait()
        if not self._read:
            await self._task
            return b""
        chunk = b"".join(self._read)
        self._read.clear()
        self._size = 0
        self._room.set()
        if not self._task.done():
            self._came.clear()
        return chunk

    async def close(self) -> None:
        """Hang up, if the body has not ended by itself."""
        if not self._leaving:  # a cancelled `aclose` of httpx leaves the socket open for ever
            self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # looked at: it came after whatever ended the answer
