"""Rules for IP addresses, in any spelling: which may be dialed, which are this machine's own."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

IP = ipaddress.IPv4Address | ipaddress.IPv6Address

_EMBEDDED = {  # IPv6 prefixes that carry an IPv4 address: where its 32 bits start, from the right
    ipaddress.IPv6Network("::/96"): 0,
    ipaddress.IPv6Network("::ffff:0:0/96"): 0,
    ipaddress.IPv6Network("::ffff:0:0:0/96"): 0,
    ipaddress.IPv6Network("64:ff9b::/96"): 0,  # NAT64
    ipaddress.IPv6Network("2002::/16"): 80,  # 6to4
}
_ISATAP = (0x00005EFE, 0x02005EFE)  # the bits before an IPv4 address at the end
_OBSCURE = (  # carry an IPv4 address too, but where depends
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # NAT64 of a network's own
    ipaddress.IPv6Network("2001::/32"),  # Teredo
)
_METADATA = {  # cloud metadata services outside the link-local range
    ipaddress.ip_address(text)
    for text in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Where this installation may dial. Private networks are open: cameras live there.

    `allow_loopback` opens the machine itself: loopback, and `own`, its interfaces' addresses.
    `listed` holds `host:port` pairs that are open whatever they lead to.
    """

    own: frozenset[IP]
    allow_loopback: bool = False
    listed: frozenset[str] = frozenset()

    def permits(self, host: str, port: int, ip: IP) -> bool:
        """Whether the port of `ip` may be dialed, found under the name (or as the literal) `host`.

        An IP that is listed is open under every name that leads to it.
        """
        if {place(host, port), place(str(ip), port)} & self.listed:
            return True
        return not forbidden(ip, allow_loopback=self.allow_loopback, own=self.own)

    def permits_literal(self, host: str, port: int) -> bool:
        """The same before anything is looked up: True for a name, but not for localhost."""
        ip = literal(host)
        if ip is not None:
            return self.permits(host, port, ip)
        local = host == "localhost" or host.endswith(".localhost")
        return not local or self.allow_loopback or place(host, port) in self.listed


def place(host: str, port: int) -> str:
    """`host:port` as it is listed: a literal in its usual spelling, IPv6 in brackets."""
    ip = literal(host.strip("[]"))
    if ip is None:
        return f"{host.lower().removesuffix('.')}:{port}"
    return f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"


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


def forbidden(ip: IP, *, allow_loopback: bool, own: frozenset[IP]) -> bool:
    """True where nothing may be dialed. Link-local (cloud metadata) is closed in any case."""
    if isinstance(ip, ipaddress.IPv6Address) and ip != ipaddress.IPv6Address("::1"):
        for network, shift in _EMBEDDED.items():
            if ip in network:
                return forbidden(_part(ip, shift), allow_loopback=allow_loopback, own=own)
        if int(_part(ip, 32)) in _ISATAP and forbidden(
            _part(ip, 0), allow_loopback=allow_loopback, own=own
        ):
            return True
        if ip.is_site_local or any(ip in network for network in _OBSCURE):
            return True
    if ip.is_loopback or ip in own:
        return not allow_loopback or ip.is_link_local
    return (
        ip.is_link_local
        or ip.is_unspecified
        or ip.is_multicast
        or ip.is_reserved
        or (ip.version == 4 and int(ip) >> 24 == 0)
        or ip in _METADATA
    )


def _part(ip: ipaddress.IPv6Address, shift: int) -> ipaddress.IPv4Address:
    """32 of its bits, that far from the right."""
    return ipaddress.IPv4Address((int(ip) >> shift) & 0xFFFFFFFF)


_ALL = struct.pack("=IHHII8x", 24, 22, 0x301, 1, 0)  # RTM_GETADDR of every family, as a dump
_ADDRESS = 20  # RTM_NEWADDR
_LAST = (2, 3)  # NLMSG_ERROR, NLMSG_DONE
_PEER, _LOCAL = 1, 2  # IFA_ADDRESS is the other end where a link has two; IFA_LOCAL is ours
_LONGEST = 64 * 1024


def own_addresses() -> frozenset[IP]:
    """Every IP of every interface, in 50 µs. Raises `OSError` where the kernel does not say."""
    found: set[IP] = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.settimeout(1.0)
        link.send(_ALL)
        while True:
            for kind, body in _parts(link.recv(_LONGEST), 16, "=IH"):
                if kind in _LAST:
                    return frozenset(found)
                if kind == _ADDRESS:
                    values = dict(_parts(body[8:], 4, "=HH"))
                    found.add(ipaddress.ip_address(values.get(_LOCAL) or values[_PEER]))


def _parts(data: bytes, head: int, layout: str) -> Iterator[tuple[int, bytes]]:
    """Netlink's messages, and the attributes in them: length, type, body, padded to 4 bytes."""
    while len(data) >= head:
        length, kind = struct.unpack_from(layout, data)
        yield kind, data[head:length]
        data = data[(max(length, head) + 3) & ~3 :]


def rule(*, allow_loopback: bool = False, listed: frozenset[str] = frozenset()) -> Rule:
    """The rule that holds now. Raises `OSError` as above: then nothing is dialed."""
    return Rule(own_addresses(), allow_loopback, listed)
