"""Hosts, ports, origins and networks: where this machine is reached, and by whom."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import SplitResult, urlsplit

from cameras.ingest.networks import place
from project.environment.values import BadSetting, Values

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?", re.IGNORECASE)


class Addresses(Values):
    """Reads of addresses, each looked at as far as that can be done from here."""

    def port(self, name: str, default: int) -> int:
        return self._port(name, self.text(name, str(default)))

    def _port(self, name: str, value: str) -> int:
        if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 65535:
            raise BadSetting(name, f"expected a port from 1 to 65535, not “{value}”.")
        return int(value)

    def listen_address(self, name: str, default: str) -> str:
        return self._address(name, self.text(name, default))

    def _address(self, name: str, value: str) -> str:
        try:
            socket.getaddrinfo(value, None)
        except (OSError, UnicodeError):
            raise BadSetting(name, f"“{value}” is not an address of this machine.") from None
        return value

    def endpoint(self, name: str) -> tuple[str, int] | None:
        """`address:port`, or a port of this machine for itself; None where it is not set."""
        value = self.text(name)
        if not value:
            return None
        host, _, port = value.rpartition(":")
        return self._address(name, host.strip("[]") or "127.0.0.1"), self._port(name, port)

    def host_ports(self, name: str) -> frozenset[str]:
        """Each `host:port`, as `networks.place` spells it."""
        found = set()
        for value in self.names(name):
            host, _, port = value.rpartition(":")
            if not is_host(host):
                raise BadSetting(name, f"expected host:port, not “{value}”.")
            found.add(place(host, self._port(name, port)))
        return frozenset(found)

    def hosts(self, name: str) -> list[str]:
        for host in self.names(name):
            if host != "*" and not is_host(host.lstrip(".")):
                raise BadSetting(name, f"“{host}” is not a host name; give names without a scheme.")
        return self.names(name)

    def origins(self, name: str) -> list[str]:
        found = []
        for value in self.names(name):
            url = self._url(name, value)
            if url.path not in ("", "/"):
                raise BadSetting(name, f"“{value}” has a path; an origin is scheme, host and port.")
            found.append(f"{url.scheme}://{url.netloc.lower()}")
        return found

    def public_url(self, name: str) -> SplitResult | None:
        value = self.text(name)
        return self._url(name, value) if value else None

    def networks(self, name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        try:
            return [ipaddress.ip_network(value) for value in self.names(name)]
        except ValueError as error:
            raise BadSetting(name, f"expected addresses or networks: {error}.") from None

    def _url(self, name: str, value: str) -> SplitResult:
        try:
            url = urlsplit(value)
            good = url.scheme in ("http", "https") and is_host(url.hostname or "") and url.port != 0
        except ValueError:
            good = False
        if not good or url.query or url.fragment or "@" in url.netloc:
            raise BadSetting(
                name, "expected an address like https://cameras.example.org, no login."
            )
        return url


def is_host(value: str) -> bool:
    """True for a bare DNS name or IP address: no scheme, port, path or space."""
    try:
        ipaddress.ip_address(value.strip("[]"))
    except ValueError:
        labels = value.rstrip(".").split(".")
        return len(value) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
    return True


def own_hosts(listen: str) -> list[str]:
    """Names under which this machine may be addressed when it listens on `listen`."""
    hosts = ["localhost", "127.0.0.1", "[::1]"]
    if listen not in ("0.0.0.0", "::"):  # nosec B104  # compared, not bound
        return [*hosts, listen if ":" not in listen else f"[{listen}]"]
    name = socket.gethostname().lower()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # chooses a route; a datagram socket sends nothing
            hosts.append(probe.getsockname()[0])
        except OSError:
            pass
    return [*hosts, name, f"{name}.local"]
