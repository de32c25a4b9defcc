"""The addresses of this machine, asked of the kernel (Linux) each time: they may change."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator

from cameras.ingest.networks import IP, Rule

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
