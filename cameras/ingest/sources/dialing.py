"""Name resolution and connecting: resolve once, check every address, dial a checked one."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable

from cameras.ingest.sources.address_rules import IP, rule
from cameras.ingest.sources.addresses import Address, SourceError, listing

Permitted = Callable[[str, int, IP], bool]  # as `address_rules.Rule.permits`


class ClosedAddress(SourceError):
    """An address where no camera may live."""


def permitted(*, allow_loopback: bool, listed: frozenset[str] = frozenset()) -> Permitted:
    """The rule as it is at the moment of each question: this machine's addresses may change."""
    return lambda *asked: rule(allow_loopback=allow_loopback, listed=listed).permits(*asked)


def look_up(address: Address, permitted: Permitted) -> list[str]:
    """The IPs of a name, in order. Raises `SourceError` where any of them is closed."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise SourceError(f"The name {address.host} does not resolve.") from None
    ips = [str(entry[4][0]).partition("%")[0] for entry in found]
    if not all(permitted(address.host, address.port, ipaddress.ip_address(ip)) for ip in ips):
        raise ClosedAddress(
            f"The name {address.host} leads to an address that is closed. {listing(address)}"
        )
    return list(dict.fromkeys(ips))


def dial(address: Address, ip: str, timeout: float) -> socket.socket:
    """A connection to a checked IP, inside TLS where the scheme says so. Raises `OSError`.

    The server is sent its name (SNI), but certificates are not verified: cameras sign their own,
    and old ones know only old TLS.
    """
    raw = socket.create_connection((ip, address.port), timeout)
    if address.scheme not in ("https", "rtsps"):
        return raw
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    try:
        return context.wrap_socket(raw, server_hostname=address.host)
    except OSError:
        raw.close()
        raise


def connect(address: Address, permitted: Permitted, timeout: float) -> socket.socket:
    """Look up, check, and dial the first IP that answers. Raises `SourceError`, `OSError`."""
    ips = look_up(address, permitted)
    for ip in ips[:-1]:
        try:
            return dial(address, ip, timeout / len(ips))
        except OSError:
            continue
    return dial(address, ips[-1], timeout / len(ips))


def describe(address: Address, error: Exception) -> str:
    """A sentence for a connection to `address` that was not made, broke off, or made no sense."""
    host, port = address.host, address.port
    match error:
        case TimeoutError():
            return f"{host} did not answer in time."
        case ConnectionRefusedError():
            return f"{host} refused the connection on port {port}."
        case ConnectionError():
            return f"{host} closed the connection."
        case ssl.SSLError():
            return f"{host} does not speak TLS on port {port}."
        case OSError():
            return f"{host} cannot be reached."
    return f"{host} answers on port {port}, but not as a camera does."
