"""The other servers that this one uses: a database, Redis, a mail server."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url

from project.environment.addresses import is_host
from project.environment.values import BadSetting, Values


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails are handed in. `tls` from the first byte, or by `starttls`."""

    host: str
    port: int
    user: str
    password: str
    tls: bool
    starttls: bool


class Servers(Values):
    """Reads of their URLs. No password in one is ever part of a sentence."""

    def database(self, name: str, file: Path) -> dict[str, Any]:
        """Django's entry for the database at the URL, or for SQLite in this file."""
        try:
            found = dict(dj_database_url.parse(self.text(name) or f"sqlite:///{file}"))
        except ValueError as error:
            raise BadSetting(
                name, f"expected postgres://user:password@host/name: {error}"
            ) from None
        if found["ENGINE"] == "django.db.backends.sqlite3":
            found["OPTIONS"] = {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            }
        elif found["ENGINE"] == "django.db.backends.postgresql":
            # Persistent connections leak under ASGI; psycopg's pool does not.
            given: Any = found.get("OPTIONS", {})  # by the URL: sslmode, say
            found["OPTIONS"] = {**given, "pool": {"min_size": 1, "max_size": 8, "timeout": 10}}
        else:
            raise BadSetting(name, "only sqlite and postgres are supported.")
        return found

    def redis_url(self, name: str) -> str:
        value = self.text(name)
        try:
            good = not value or urlsplit(value).scheme in ("redis", "rediss", "unix")
            _ = urlsplit(value).port
        except ValueError:
            good = False
        if not good:
            raise BadSetting(name, "expected redis://host:port/number.")
        return value

    def mail_url(self, name: str) -> MailServer | None:
        """`smtps://` is TLS from the first byte. With `smtp://`, a login is sent after STARTTLS
        only; without a login, nothing is encrypted, as suits a relay on this machine."""
        value = self.text(name)
        if not value:
            return None
        try:
            url = urlsplit(value)
            tls, user = url.scheme == "smtps", unquote(url.username or "")
            port = url.port or (465 if tls else 587 if user else 25)
            good = url.scheme in ("smtp", "smtps") and is_host(url.hostname or "")
        except ValueError:
            good = False
        if not good or url.path not in ("", "/") or url.query or url.fragment:
            raise BadSetting(name, "expected smtps://user:password@host:port, or smtp://host.")
        password = unquote(url.password or "")
        return MailServer(
            str(url.hostname), port, user, password, tls, starttls=bool(user) and not tls
        )

    def mail_address(self, name: str) -> str:
        """`name@host`, or `Words <name@host>`."""
        value = self.text(name)
        if value and (not parseaddr(value)[1].partition("@")[2] or not value.isprintable()):
            raise BadSetting(name, f"expected cameras@example.org, not “{value}”.")
        return value
