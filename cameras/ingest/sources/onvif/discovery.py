"""WS-Discovery: which ONVIF cameras answer a multicast probe on the networks of this machine."""

from __future__ import annotations

import ipaddress
import re
import select
import socket
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from urllib.parse import unquote

from cameras.ingest.sources.address_rules import literal, own_addresses
from cameras.ingest.sources.addresses import Address, SourceError
from cameras.ingest.sources.dialing import Permitted
from cameras.ingest.sources.onvif.xml import NotXML, all_named, parse, text_of

GROUP = ("239.255.255.250", 3702)
GATHER_S = 3.0
REPEAT_S = 0.5  # after which the probes are sent again: UDP loses some
MAX_CAMERAS = 64
MAX_REPLIES = 4096  # read at all; what comes later is left in the kernel
# So that one sender cannot crowd out the others:
MAX_PARSED = 64  # of its replies
MAX_OF_SENDER = 16  # cameras
MAX_DATAGRAM = 64 * 1024
MAX_INTERFACES = 16
MAX_NAME = 80  # characters

# A camera answers to what it is; old ones know only the first, a few only the second.
_TYPES = (
    ("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter"),
    ("http://www.onvif.org/ver10/device/wsdl", "Device"),
)
_PROBE = """<?xml version="1.0" encoding="UTF-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"\
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing">\
<s:Header><a:Action s:mustUnderstand="1">\
http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>\
<a:MessageID>urn:uuid:{id}</a:MessageID>\
<a:ReplyTo><a:Address>\
http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
<a:To s:mustUnderstand="1">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header>\
<s:Body><d:Probe xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">\
<d:Types xmlns:t="{namespace}">t:{type}</d:Types></d:Probe></s:Body></s:Envelope>"""
_SCOPE = re.compile(r"onvif://www\.onvif\.org/(name|hardware)/([^/\s]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """A camera that answered. `address` is that of its ONVIF service, as a URL; `host` its host.

    `name` and `hardware` are one printable line of at most 80 characters, and may be empty.
    """

    address: str
    host: str
    name: str = ""
    hardware: str = ""


def find_cameras(
    permitted: Permitted, *, target: tuple[str, int] = GROUP, seconds: float = GATHER_S
) -> list[Found]:
    """Probe `target` and gather replies for `seconds`. At most `MAX_CAMERAS`, by host and address.

    A multicast target is probed from each of this machine's IPv4 addresses, any other once. Only
    cameras whose address `permitted` opens are returned. Raises `OSError` where this machine's
    addresses cannot be read.
    """
    probes = {str(uuid.uuid4()): kind for kind in _TYPES}
    messages = [
        _PROBE.format(id=id, namespace=namespace, type=name).encode()
        for id, (namespace, name) in probes.items()
    ]
    found: dict[str, Found] = {}
    count: Counter[str] = Counter()
    heard: Counter[str] = Counter()
    with ExitStack() as stack:
        links = _sockets(target, stack)
        for sender, data in _replies(links, messages, target, seconds):
            heard[sender] += 1
            if heard[sender] > MAX_PARSED or len(found) >= MAX_CAMERAS:
                continue
            for camera in _read(data, sender, probes, permitted):
                if camera.address not in found and count[sender] < MAX_OF_SENDER:
                    count[sender] += 1
                    found[camera.address] = camera
    return sorted(found.values(), key=_order)[:MAX_CAMERAS]


def _order(camera: Found) -> tuple[int, str]:
    ip = literal(camera.host)
    return (int(ip) if ip else 0, camera.address)


def _sockets(target: tuple[str, int], stack: ExitStack) -> list[socket.socket]:
    """One for each interface's own address where the target is a group, else one."""
    sources: list[str | None] = [None]
    if ipaddress.ip_address(target[0]).is_multicast:
        own = sorted(ip for ip in own_addresses() if ip.version == 4 and not ip.is_loopback)
        sources = [str(ip) for ip in own][:MAX_INTERFACES]  # type: ignore[assignment]
    links = []
    for source in sources:
        link = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with suppress(OSError):  # an interface that is down
            if source:
                link.bind((source, 0))
                link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
            link.setblocking(False)
            links.append(link)
    return links


def _replies(
    links: list[socket.socket], messages: list[bytes], target: tuple[str, int], seconds: float
) -> Iterator[tuple[str, bytes]]:
    """Send the messages twice. Yield sender and content of at most `MAX_REPLIES` datagrams."""
    end = time.monotonic() + seconds
    times = [0.0, time.monotonic() + min(REPEAT_S, seconds / 2)]  # when to send
    left = MAX_REPLIES
    while links and left and (now := time.monotonic()) < end:
        if times and now >= times[0]:
            times.pop(0)
            for link in links:
                for message in messages:
                    with suppress(OSError):  # no route
                        link.sendto(message, target)
        wait = (min(end, times[0]) if times else end) - time.monotonic()
        for link in select.select(links, [], [], max(0.0, wait))[0]:
            try:
                data, sender = link.recvfrom(MAX_DATAGRAM)
            except OSError:  # such as an ICMP message of a closed port
                continue
            left -= 1
            yield str(sender[0]), data


def _read(
    data: bytes, sender: str, probes: dict[str, tuple[str, str]], permitted: Permitted
) -> Iterator[Found]:
    """The cameras of a reply to one of our probes; none for anything else."""
    try:
        root = parse(data)
    except NotXML:
        return
    related = text_of(root, "RelatesTo").lower()
    if related.rpartition(":")[2] not in probes:
        return
    for match in all_named(root, "ProbeMatch", MAX_OF_SENDER):
        addresses, scopes = text_of(match, "XAddrs"), text_of(match, "Scopes")
        types = text_of(match, "Types")
        if "onvif" not in (addresses + scopes).lower() and "NetworkVideo" not in types:
            continue  # such as a printer, which is a `Device` too
        address = _address(addresses.split()[:MAX_OF_SENDER], sender, permitted)
        if address is None:
            continue
        said = {kind.lower(): _line(text) for kind, text in reversed(_SCOPE.findall(scopes))}
        yield Found(
            address.url(credentials=False),
            address.host,
            said.get("name", ""),
            said.get("hardware", ""),
        )


def _address(texts: list[str], sender: str, permitted: Permitted) -> Address | None:
    """The best of a camera's addresses: at the sender's IP, else at another that is permitted.

    Cameras name their link-local address too, or one behind a router, or 127.0.0.1. Where nothing
    else is left, the host is replaced by the sender's IP.
    """
    parsed = []
    for text in texts:
        with suppress(SourceError):
            parsed.append(Address.parse("http", text))
    ours = ipaddress.ip_address(sender)
    exact = [each for each in parsed if literal(each.host) == ours]
    others = [each for each in parsed if (ip := literal(each.host)) and ip != ours]
    moved = [replace(each, host=sender) for each in parsed]
    for each in (*exact, *others, *moved):
        ip = literal(each.host)
        if ip is not None and permitted(each.host, each.port, ip):
            return replace(each, user=None, password=None)
    return None


def _line(text: str) -> str:
    """A name out of a scope, as one printable line."""
    shown = "".join(filter(str.isprintable, unquote(text)))
    return " ".join(shown.split())[:MAX_NAME]
