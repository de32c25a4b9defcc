"""How an `https` address is written for FFmpeg, which is given no protocol but plain http.

`https://host/x` becomes `http://host:443/x`, and the gate remembers to speak TLS to that server.
Nothing rests on this but convenience: what is missed here stays `https`, and is not opened.
"""

from __future__ import annotations

import re
import string
from dataclasses import replace
from urllib.parse import quote, urldefrag, urljoin

from cameras.ingest.sources import Address, SourceError

MAX_SERVERS = 64  # that speak TLS, for one camera; more are refused

_LISTED = re.compile(rb'(^|URI=")(https://[^/?#\s"]+)', re.MULTILINE)
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

    def playlist(self, body: bytes) -> bytes:
        """An HLS playlist with its addresses rewritten."""
        return _LISTED.sub(self._listed, body)

    def _listed(self, found: re.Match[bytes]) -> bytes:
        try:
            return found[1] + self.show(Address.parse("http", found[2].decode("latin-1"))).encode()
        except SourceError:
            return found[0]


def _rooted(path: str) -> str:
    return path if path.startswith("/") else "/" + path


def _server(address: Address) -> tuple[str, str, int]:
    return address.scheme, address.host, address.port
