"""Which addresses a camera may have, however they are spelled. No network here."""

from __future__ import annotations

import ipaddress
import socket

IP = ipaddress.IPv4Address | ipaddress.IPv6Address

_EMBEDDED = {  # IPv6 prefixes that carry an IPv4 address: where its 32 bits start, from the right
    ipaddress.IPv6Network("::/96"): 0,
    ipaddress.IPv6Network("::ffff:0:0/96"): 0,
    ipaddress.IPv6Network("::ffff:0:0:0/96"): 0,
    ipaddress.IPv6Network("64:ff9b::/96"): 0,
    ipaddress.IPv6Network("2002::/16"): 80,
}
_METADATA = {  # cloud metadata services outside the link-local range
    ipaddress.ip_address(text)
    for text in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
}


def literal(host: str) -> IP | None:
    """The IP a host spells, in any spelling the C library accepts (2130706433, 0x7f.1), or None."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def forbidden(ip: IP, *, allow_loopback: bool) -> bool:
    """True where no camera may live. Private networks are fine: cameras live there.

    `allow_loopback` admits loopback and nothing else; link-local (cloud metadata) stays closed.
    """
    if isinstance(ip, ipaddress.IPv6Address) and ip != ipaddress.IPv6Address("::1"):
        for network, shift in _EMBEDDED.items():
            if ip in network:
                inner = ipaddress.IPv4Address((int(ip) >> shift) & 0xFFFFFFFF)
                return forbidden(inner, allow_loopback=allow_loopback)
    if ip.is_loopback:
        return not allow_loopback
    first_octet_zero = isinstance(ip, ipaddress.IPv4Address) and int(ip) >> 24 == 0
    site_local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    return (
        ip.is_link_local
        or ip.is_unspecified
        or ip.is_multicast
        or ip.is_reserved
        or first_octet_zero
        or site_local
        or ip in _METADATA
    )
