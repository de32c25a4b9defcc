"""The address that somebody comes from, in the one spelling of it."""

from __future__ import annotations

import ipaddress

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
