"""Typed reads of environment variables, for `project/settings/__init__.py` only.

`read("SIDELINE_PORT", port, "7103")` gives the variable's text to the parser `port`, or the default
if it is empty or not set. A parser refuses a value with a sentence, which ends the process.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import parseaddr
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

import dj_database_url

from cameras.ingest.sources.address_rules import place

T = TypeVar("T")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?", re.IGNORECASE)


class BadSetting(SystemExit):
    """A bad value: ends the process with a sentence, not a traceback."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(f"{name}: {sentence}")


class BadValue(Exception):
    """A parser's refusal: a sentence without the variable's name."""


def read(name: str, parse: Callable[..., T], default: str = "", **options: object) -> T:
    """Read a variable; an empty one is not set. Raises `BadSetting`."""
    try:
        return parse(os.environ.get(name, "").strip() or default, **options)
    except BadValue as error:
        raise BadSetting(name, str(error)) from None


def only(*names: str) -> dict[str, str]:
    """Return the variables of these names, and libpq's (`PG…`), as far as they are set."""
    return {k: v for k, v in os.environ.items() if k in names or k.startswith("PG")}


def check(valid: object, sentence: str) -> None:
    """Raise `BadValue` with this sentence, unless `valid`."""
    if not valid:
        raise BadValue(sentence)


def flag(value: str) -> bool:
    check(value in ("0", "1"), f"expected 1 or 0, not “{value}”.")
    return value == "1"


def number(value: str, least: int = 1, most: int = 1_000_000, what: str = "number") -> int:
    valid = value.isascii() and value.isdigit() and least <= int(value) <= most
    check(valid, f"expected a {what} from {least} to {most}, not “{value}”.")
    return int(value)


def video_decoder(value: str) -> str:
    valid = value in ("", "cuda", "qsv")
    check(valid, f"expected cuda or qsv, or nothing to decode in software, not “{value}”.")
    return value


def names(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def directory(value: str) -> Path:
    path = Path(value).expanduser().absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadValue(f"{path} cannot be made: {error.strerror}.") from None
    check(os.access(path, os.W_OK), f"{path} cannot be written to.")
    return path


# Addresses are validated as far as possible without connecting.
def port(value: str) -> int:
    return number(value, most=65535, what="port")


def listen_address(value: str) -> str:
    try:
        socket.getaddrinfo(value, None)
    except (OSError, UnicodeError):
        raise BadValue(f"“{value}” is not an address of this machine.") from None
    return value


def endpoint(value: str) -> tuple[str, int] | None:
    """Parse `address:port`, or a port on 127.0.0.1; None if not set."""
    host, _, number = value.rpartition(":")
    return (listen_address(host.strip("[]") or "127.0.0.1"), port(number)) if value else None


def host_ports(value: str) -> frozenset[str]:
    """Parse a list of `host:port`, each into the form of `address_rules.place`."""
    found = set()
    for name in names(value):
        host, _, number = name.rpartition(":")
        check(is_host(host), f"expected host:port, not “{name}”.")
        found.add(place(host, port(number)))
    return frozenset(found)


def hosts(value: str) -> list[str]:
    for host in names(value):
        valid = host == "*" or is_host(host.lstrip("."))
        check(valid, f"“{host}” is not a host name; give names without a scheme.")
    return names(value)


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


def networks(value: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    try:
        return [ipaddress.ip_network(name) for name in names(value)]
    except ValueError as error:
        raise BadValue(f"expected addresses or networks: {error}.") from None


def public_url(value: str) -> SplitResult | None:
    return url(value) if value else None


def origins(value: str) -> list[str]:
    found = []
    for name in names(value):
        origin = url(name)
        has_path = origin.path not in ("", "/")
        check(not has_path, f"“{name}” has a path; an origin is scheme, host and port.")
        found.append(f"{origin.scheme}://{origin.netloc.lower()}")
    return found


def url(value: str) -> SplitResult:
    sentence = "expected an address like https://cameras.example.org, no login."
    parts = split_url(value, ("http", "https"), sentence)
    has_more = parts.query or parts.fragment or "@" in parts.netloc or parts.port == 0
    check(is_host(parts.hostname or "") and not has_more, sentence)
    return parts


def split_url(value: str, schemes: tuple[str, ...], sentence: str) -> SplitResult:
    """Split a URL of these schemes. The sentence never has a URL: it may have a password."""
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises if it is no number
    except ValueError:
        raise BadValue(sentence) from None
    check(parts.scheme in schemes, sentence)
    return parts


def secret(value: str, file: Path, shortest: int) -> str:
    """Take the variable, else the file. Create the file, with mode 0600, if it is missing."""
    if value:
        is_long = len(value) >= shortest
        check(is_long, f"is too short; use at least {shortest} random characters.")
        return value
    with suppress(FileExistsError):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_urlsafe(48))
    for _ in range(50):  # another process may be writing it now
        try:
            stored = file.read_text().strip()
        except OSError as error:
            raise BadValue(f"{file} cannot be read: {error.strerror}.") from None
        if len(stored) >= shortest:
            return stored
        time.sleep(0.02)
    raise BadValue(f"{file} holds less than {shortest} characters; delete it.")


def keys(value: str, file: Path, shortest: int) -> list[str]:
    """Parse several secrets, comma-separated."""
    found = [key.strip() for key in secret(value, file, shortest).split(",")]
    are_long = min(map(len, found)) >= shortest
    check(are_long, f"each of its keys needs at least {shortest} random characters.")
    return found


def database(value: str, file: Path) -> dict[str, Any]:
    """Return the entry of DATABASES for the URL, or for SQLite in this file."""
    try:
        entry: dict[str, Any] = dict(dj_database_url.parse(value or f"sqlite:///{file}"))
    except ValueError as error:
        raise BadValue(f"expected postgres://user:password@host/name: {error}") from None
    if entry["ENGINE"] == "django.db.backends.sqlite3":
        entry["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
        return entry
    is_postgres = entry["ENGINE"] == "django.db.backends.postgresql"
    check(is_postgres, "only sqlite and postgres are supported.")
    entry["ENGINE"] = "project.database.postgresql"
    entry["OPTIONS"] = {
        "connect_timeout": 5,
        **entry.get("OPTIONS", {}),  # of the URL, such as sslmode
        # Persistent connections leak under ASGI; psycopg's pool does not. By default it tries for
        # 5 minutes to reconnect, with ever longer pauses.
        "pool": {"min_size": 1, "max_size": 8, "timeout": 10, "reconnect_timeout": 3},
    }
    return entry


def redis_url(value: str) -> str:
    if value:
        split_url(value, ("redis", "rediss", "unix"), "expected redis://host:port/number.")
    return value


def mail_url(value: str) -> dict[str, Any]:
    """Return Django's settings for an SMTP URL; none if not set.

    `smtps://` uses TLS from the first byte. `smtp://` with a login uses STARTTLS; without one,
    nothing is encrypted, for a relay on this machine.
    """
    if not value:
        return {}
    sentence = "expected smtps://user:password@host:port, or smtp://host."
    parts = split_url(value, ("smtp", "smtps"), sentence)
    has_more = parts.path not in ("", "/") or parts.query or parts.fragment
    check(is_host(parts.hostname or "") and not has_more, sentence)
    tls, user = parts.scheme == "smtps", unquote(parts.username or "")
    return {
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if tls else 587 if user else 25),
        "EMAIL_HOST_USER": user,
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": tls,
        "EMAIL_USE_TLS": bool(user) and not tls,
    }


def mail_address(value: str) -> str:
    """Parse `name@host`, or `Display name <name@host>`."""
    valid = not value or (parseaddr(value)[1].partition("@")[2] and value.isprintable())
    check(valid, f"expected cameras@example.org, not “{value}”.")
    return value
