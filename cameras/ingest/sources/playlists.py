"""HLS playlists: every address in one is checked before FFmpeg reads it.

FFmpeg's demuxer opens the address of a stream or rendition with any protocol that it may use at
all, and plain HTTP needs its `tcp`: `tcp://host:port` dials past the proxy, and with `?listen=1` it
opens a port. So only relative and http(s) addresses are passed on.

Lines and attributes are split as FFmpeg splits them, and written anew, so that both read the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from cameras.ingest.sources.addresses import Address, SourceError

MAGIC = b"#EXTM3U"  # FFmpeg takes nothing for a playlist that does not begin with it
INVALID = "The camera's playlist holds an address that is not valid."

_LINE_END = re.compile(r"[\r\n\0]+")
_ATTRIBUTE = re.compile(r'([^=]*=)(?:"((?:[^"\\]|\\.)*)"?|([^\s,]*))', re.ASCII)
_SCHEME = re.compile(r"([A-Za-z0-9+.,-]+:)((?://[^/?#]*)?)")
_HTTP = re.compile(r"(https?://[^/?#]*)(.*)", re.IGNORECASE)
_SHOWN = 80  # characters of an address in a sentence


def rewrite(body: bytes, base: Address, show: Callable[[Address], str]) -> bytes:
    """The playlist found at `base`, with what `show` returns in place of each absolute address.

    `show` gets the scheme, the login, the host and the port. Raises `SourceError` where an address
    is neither relative nor http(s).
    """

    def translated(address: str) -> str:
        if address.startswith("//"):
            address = f"{base.scheme}:{address}"
        if not _SCHEME.match(address):
            return address
        found = _HTTP.fullmatch(address)
        if not found:
            raise SourceError(_refusal(address))
        try:
            server = Address.parse("http", found[1])
        except SourceError:
            raise SourceError(INVALID) from None
        return show(server) + found[2]

    def attribute(key: str, quoted: str | None, bare: str | None) -> str:
        value = quoted or bare or ""
        if '"' in value or "\\" in value:  # FFmpeg drops a backslash
            raise SourceError(INVALID)
        return f'{key}"{translated(value.strip())}"'

    def written(line: str) -> str:
        if not line.startswith("#"):
            return translated(line)
        at = line.find(":") + 1
        parts = [line[:at]]
        # Not `sub`, which would look again from each place of a line that holds none.
        while found := _ATTRIBUTE.match(line, at):
            is_address = found[1].lstrip(" \t\f\v,") == "URI="
            parts.append(attribute(*found.groups()) if is_address else found[0])
            at = found.end()
        return "".join(parts) + line[at:]

    lines = _LINE_END.split(body.decode("latin-1"))
    return "\n".join(written(line.strip()) for line in lines).encode("latin-1")


def _refusal(address: str) -> str:
    """Names scheme, host and port: the rest, and a login, may be secret."""
    found = _SCHEME.match(address)
    assert found is not None
    host = found[2].rpartition("@")[2].removeprefix("//")
    shown = found[1] + ("//" + host if found[2] else "")
    shown = "".join(filter(str.isprintable, shown))[:_SHOWN]
    return f"The camera's playlist leads to {shown}, but only http and https addresses are opened."
