"""Typed reads of environment variables, for `project/settings/__init__.py` only.

Every variable is optional. A bad value ends the process with a sentence (`BadSetting`).
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import dj_database_url

from cameras.ingest.sources.address_rules import place


class BadSetting(SystemExit):
    """A bad value: ends the process with a sentence, not a traceback."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(f"{name}: {sentence}")


class Values:
    """Reads of text, flags, numbers, lists and directories."""

    def __init__(self, values: Mapping[str, str] = os.environ) -> None:
        self._values = values

    def text(self, name: str, default: str = "") -> str:
        return self._values.get(name, "").strip() or default

    def only(self, *names: str) -> dict[str, str]:
        """Return the variables of these names, and libpq's (`PG…`), as far as they are set."""
        return {
            name: value
            for name, value in self._values.items()
            if name in names or name.startswith("PG")
        }

    def flag(self, name: str, default: bool) -> bool:
        value = self.text(name, "1" if default else "0")
        if value not in ("0", "1"):
            raise BadSetting(name, f"expected 1 or 0, not “{value}”.")
        return value == "1"

    def number(self, name: str, default: int, least: int = 1, most: int = 1_000_000) -> int:
        value = self.text(name, str(default))
        if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
            raise BadSetting(name, f"expected a number from {least} to {most}, not “{value}”.")
        return int(value)

    def names(self, name: str) -> list[str]:
        return [part.strip() for part in self.text(name).split(",") if part.strip()]

    def directory(self, name: str, default: Path) -> Path:
        path = Path(self.text(name, str(default))).expanduser().absolute()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BadSetting(name, f"{path} cannot be made: {error.strerror}.") from None
        if not os.access(path, os.W_OK):
            raise BadSetting(name, f"{path} cannot be written to.")
        return path


_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?", re.IGNORECASE)


class Addresses(Values):
    """Reads of ports, hosts, networks and URLs, validated as far as possible without connecting."""

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
        """Read `address:port`, or a port on 127.0.0.1; None if not set."""
        value = self.text(name)
        if not value:
            return None
        host, _, port = value.rpartition(":")
        return self._address(name, host.strip("[]") or "127.0.0.1"), self._port(name, port)

    def host_ports(self, name: str) -> frozenset[str]:
        """Read a list of `host:port`, each in the form of `address_rules.place`."""
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
            valid = url.scheme in ("http", "https") and is_host(url.hostname or "")
            valid = valid and url.port != 0
        except ValueError:
            valid = False
        if not valid or url.query or url.fragment or "@" in url.netloc:
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
    """Return the host names and addresses of this machine, if it listens on `listen`."""
    hosts = ["localhost", "127.0.0.1", "[::1]"]
    if listen not in ("0.0.0.0", "::"):  # nosec B104  # compared, not bound
        return [*hosts, listen if ":" not in listen else f"[{listen}]"]
    name = socket.gethostname().lower()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # only selects a route; UDP sends nothing here
            hosts.append(probe.getsockname()[0])
        except OSError:
            pass
    return [*hosts, name, f"{name}.local"]


class Keys(Values):
    """Reads of secrets, each with a minimum length."""

    def secret(self, name: str, file: Path, *, shortest: int) -> str:
        """Read the variable, else the file. Create the file, with mode 0600, if it is missing."""
        value = self.text(name)
        if value:
            if len(value) < shortest:
                raise BadSetting(name, f"is too short; use at least {shortest} random characters.")
            return value
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return self._stored_secret(name, file, shortest)
        with os.fdopen(handle, "w") as out:
            secret = secrets.token_urlsafe(48)
            out.write(secret)
        return secret

    def _stored_secret(self, name: str, file: Path, shortest: int) -> str:
        """Read the file; wait, because another process may be writing it now."""
        for _ in range(50):
            try:
                stored = file.read_text().strip()
            except OSError as error:
                raise BadSetting(name, f"{file} cannot be read: {error.strerror}.") from None
            if len(stored) >= shortest:
                return stored
            time.sleep(0.02)
        raise BadSetting(name, f"{file} holds less than {shortest} characters; delete it.")

    def keys(self, name: str, file: Path, *, shortest: int) -> list[str]:
        """Read several secrets, comma-separated."""
        keys = [key.strip() for key in self.secret(name, file, shortest=shortest).split(",")]
        if min(map(len, keys)) < shortest:
            raise BadSetting(name, f"each of its keys needs at least {shortest} random characters.")
        return keys


@dataclass(frozen=True, slots=True)
class MailServer:
    """An SMTP server. `tls`: TLS from the first byte; `starttls`: after STARTTLS."""

    host: str
    port: int
    user: str
    password: str
    tls: bool
    starttls: bool


class Servers(Values):
    """Reads of server URLs. Error sentences never contain a URL, which may have a password."""

    def database(self, name: str, file: Path) -> dict[str, Any]:
        """Return the entry of DATABASES for the URL, or for SQLite in this file."""
        try:
            database = dict(dj_database_url.parse(self.text(name) or f"sqlite:///{file}"))
        except ValueError as error:
            raise BadSetting(
                name, f"expected postgres://user:password@host/name: {error}"
            ) from None
        if database["ENGINE"] == "django.db.backends.sqlite3":
            database["OPTIONS"] = {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            }
        elif database["ENGINE"] == "django.db.backends.postgresql":
            database["ENGINE"] = "project.database.postgresql"
            url_options: Any = database.get("OPTIONS", {})  # such as sslmode
            database["OPTIONS"] = {
                "connect_timeout": 5,
                **url_options,
                # Persistent connections leak under ASGI; psycopg's pool does not. By default it
                # tries for 5 minutes to reconnect, with ever longer pauses.
                "pool": {"min_size": 1, "max_size": 8, "timeout": 10, "reconnect_timeout": 3},
            }
        else:
            raise BadSetting(name, "only sqlite and postgres are supported.")
        return database

    def redis_url(self, name: str) -> str:
        value = self.text(name)
        try:
            valid = not value or urlsplit(value).scheme in ("redis", "rediss", "unix")
            _ = urlsplit(value).port  # raises if it is no number
        except ValueError:
            valid = False
        if not valid:
            raise BadSetting(name, "expected redis://host:port/number.")
        return value

    def mail_url(self, name: str) -> MailServer | None:
        """Read an SMTP URL; None if not set.

        `smtps://` uses TLS from the first byte. `smtp://` with a login uses STARTTLS; without one,
        nothing is encrypted, for a relay on this machine.
        """
        value = self.text(name)
        if not value:
            return None
        try:
            url = urlsplit(value)
            tls, user = url.scheme == "smtps", unquote(url.username or "")
            port = url.port or (465 if tls else 587 if user else 25)
            valid = url.scheme in ("smtp", "smtps") and is_host(url.hostname or "")
        except ValueError:
            valid = False
        if not valid or url.path not in ("", "/") or url.query or url.fragment:
            raise BadSetting(name, "expected smtps://user:password@host:port, or smtp://host.")
        password = unquote(url.password or "")
        return MailServer(
            str(url.hostname), port, user, password, tls, starttls=bool(user) and not tls
        )

    def mail_address(self, name: str) -> str:
        """Read `name@host`, or `Display name <name@host>`."""
        value = self.text(name)
        if value and (not parseaddr(value)[1].partition("@")[2] or not value.isprintable()):
            raise BadSetting(name, f"expected cameras@example.org, not “{value}”.")
        return value


class Environment(Addresses, Servers, Keys):
    """Typed reads of all environment variables of the product."""
