"""IP addresses in their one spelling, and our own addresses as others reach them."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_in(text: object) -> Address | None:
    """An IP address without a zone; None for what is none, such as a local socket's.

    What listens on both says ::ffff:192.0.2.1 of its IPv4 peers.
    """
    try:
        found = ipaddress.ip_address(str(text).partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def address_text(text: object) -> str | None:
    """An IP address in its one spelling; None for what is none, such as a local socket's."""
    found = address_in(text)
    return None if found is None else str(found)


def public_address(request: HttpRequest, path: str) -> str:
    """A whole address of a path of ours, as others reach it."""
    if settings.PUBLIC_URL is not None:
        return f"{settings.PUBLIC_URL.scheme}://{settings.PUBLIC_URL.netloc}{path}"
    return request.build_absolute_uri(path)
