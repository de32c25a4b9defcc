"""IP addresses in canonical form, and absolute URLs of this installation."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_address(text: object) -> Address | None:
    """Parse an IP address, without its zone; None if it is none, such as that of a local socket.

    An IPv4-mapped address (::ffff:192.0.2.1, from a dual-stack listener) becomes IPv4.
    """
    try:
        address = ipaddress.ip_address(str(text).partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def network_of(address: Address) -> str:
    """Return the address, or of IPv6 its /64: one client usually has a whole /64."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), 64), strict=False).network_address)
    return str(address)


def normalize_address(text: object) -> str | None:
    """Return an IP address in canonical form; None if `text` is none."""
    address = parse_address(text)
    return None if address is None else str(address)


def public_url(request: HttpRequest, path: str) -> str:
    """Return the absolute URL of a path, as clients reach it."""
    if settings.PUBLIC_URL is not None:
        return f"{settings.PUBLIC_URL.scheme}://{settings.PUBLIC_URL.netloc}{path}"
    return request.build_absolute_uri(path)
