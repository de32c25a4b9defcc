"""HTTP to model servers: checked addresses, and bodies read as fast as they arrive.

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

from cameras.ingest.sources import address_rules
from cameras.ingest.sources.address_rules import rule
from chats.providers.base import Rejected, Unreachable

MAX_BUFFERED = 256 * 1024  # bytes
CONNECT_S = 5.0
DNS_S = 5.0
# For http, where httpx would create a context of its own in 20 ms.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_RESOLVERS = ThreadPoolExecutor(4, "dns")  # apart: a resolver can block for half a minute
MAX_IPS = 4  # of a name, tried in order within CONNECT_S together

_PORTS = {"http": 80, "https": 443}


def host_and_port(url: httpx.URL) -> str:
    """Return `host:port`, as allow-lists have it; the port is always there."""
    return address_rules.place(url.raw_host.decode(), _port(url))


def _port(url: httpx.URL) -> int:
    return url.port or _PORTS[url.scheme]


def check_base_url(text: str, listed: frozenset[str] = frozenset()) -> str:
    """Return the base URL without its last slash. Raises `ValueError` with a sentence.

    Names are not resolved here, but each time that they are dialed.
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
    if not _may_be_permitted(host.removesuffix("."), _port(url), listed):
        raise ValueError(not_permitted(host_and_port(url)))
    return str(url).rstrip("/")


def not_permitted(address: str) -> str:
    """Return the sentence for an address that is not permitted."""
    return (
        f"{address} is closed to this server. "
        "Who runs the server can permit it in SIDELINE_MODEL_SERVERS."
    )


def _may_be_permitted(host: str, port: int, listed: frozenset[str]) -> bool:
    """Whether a host may be permitted, before DNS; `localhost` may be a listed loopback IP."""
    is_name = address_rules.literal(host) is None
    try:
        now = rule(listed=listed)
    except OSError:
        return is_name
    loopback = {address_rules.place(ip, port) for ip in ("127.0.0.1", "::1")}
    return now.permits_literal(host, port) or (is_name and not loopback.isdisjoint(listed))


def _permitted(url: httpx.URL, ips: list[str], listed: frozenset[str]) -> bool:
    """Whether all IPs of a URL's host may be dialed; False if our own addresses are unknown."""
    try:
        now = rule(listed=listed)
    except OSError:
        return False
    host, port = url.raw_host.decode(), _port(url)
    return all(now.permits(host, port, ipaddress.ip_address(ip)) for ip in ips)


def _resolve(url: httpx.URL) -> list[str]:
    found = socket.getaddrinfo(url.raw_host.decode(), _port(url), type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


@functools.cache
def _tls_context() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)  # takes 20 ms, so one for all


class _Stream(httpx.AsyncByteStream):
    """A body that also closes its connection pool."""

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

    `listed` holds `host:port` pairs that are permitted whatever they resolve to. Uses no proxy and
    no keep-alive: endpoints close idle connections between two prompts, and a request on a closing
    connection fails. Each request has its own pool, closed with its response: a shared httpcore
    pool leaks a connection if its request is cancelled right after dialing.

    Raises `Unreachable`, `Rejected` and the errors of httpx.
    """

    def __init__(self, listed: frozenset[str] = frozenset()) -> None:
        self._listed = listed

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        ips = await self._look_up(request.url)
        timeout = request.extensions.get("timeout", {})
        extensions = dict(request.extensions, timeout=timeout | {"connect": CONNECT_S / len(ips)})
        if request.url.scheme == "https":
            extensions["sni_hostname"] = request.url.raw_host.decode()
        inner = httpx.AsyncHTTPTransport(
            verify=_tls_context() if request.url.scheme == "https" else _NO_TLS, trust_env=False
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
            async with asyncio.timeout(DNS_S):
                ips = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, _resolve, url)
        except TimeoutError:
            raise Unreachable(f"The name {host} was not found in time. Try again.") from None
        except (OSError, UnicodeError):
            raise Unreachable(
                f"The name {host} does not resolve. Check the base URL in the settings."
            ) from None
        if not _permitted(url, ips, self._listed):
            raise Rejected(not_permitted(host_and_port(url)))
        return ips[:MAX_IPS]


class BodyReader:
    """Owns a response and a task that reads it; `read` returns all bytes since the last call.

    httpx yields each HTTP chunk separately, and model servers send one chunk per token. Bound:
    `MAX_BUFFERED` bytes and one chunk; then reading pauses, and TCP makes the endpoint wait.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._chunks: list[bytes] = []
        self._size = 0
        self._has_data = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_closing = False
        self._task = asyncio.create_task(self._fill(), name="reading a model's answer")
        self._task.add_done_callback(lambda _: self._has_data.set())

    async def _fill(self) -> None:
        body = self._response.stream  # not `aiter_raw`, which closes the response itself
        assert isinstance(body, httpx.AsyncByteStream)
        try:
            async for chunk in body:
                self._chunks.append(chunk)
                self._size += len(chunk)
                self._has_data.set()
                if self._size > MAX_BUFFERED:
                    self._has_room.clear()
                    await self._has_room.wait()
        finally:
            self._is_closing = True
            await self._response.aclose()

    async def read(self) -> bytes:
        """Return the bytes received; `b""` at the end. Raises the error of the connection last."""
        await self._has_data.wait()
        if not self._chunks:
            await self._task
            return b""
        chunk = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        self._has_room.set()
        if not self._task.done():
            self._has_data.clear()
        return chunk

    async def close(self) -> None:
        """Close the connection, if the body has not ended."""
        if not self._is_closing:  # a cancelled `aclose` of httpx leaves the socket open
            self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # retrieved and ignored: the answer has ended
