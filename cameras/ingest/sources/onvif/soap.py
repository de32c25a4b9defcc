"""SOAP 1.2 over HTTP, as ONVIF devices speak it: bounded requests to checked addresses, and logins.

Devices differ in the login they take: WS-UsernameToken, HTTP Digest, or both. The password is never
sent as it is. No redirect is followed. Certificates are not verified: see `dialing.dial`.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import socket
import time
from base64 import b64encode
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from html import escape
from http.client import HTTPException, HTTPResponse
from typing import Any

from cameras.ingest.sources.address_rules import place
from cameras.ingest.sources.addresses import DEFAULT_PORTS, Address, SourceError
from cameras.ingest.sources.dialing import Permitted, connect, describe
from cameras.ingest.sources.digest import Login
from cameras.ingest.sources.onvif.xml import Element, NotXML, all_named, first, parse, text_of

MAX_BODY = 256 * 1024
MAX_ANSWER = MAX_BODY + 64 * 1024  # with its head
CONNECT_S = 4.0

ASKS = "The camera asks for a user name and password."
REFUSED = (
    "The camera refused this user name and password. On some makes ONVIF has users of its own, "
    "which are added in the camera's settings."
)
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
    "<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
)
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_TOKEN = (
    f'<Security s:mustUnderstand="1" xmlns="{_WSS}wssecurity-secext-1.0.xsd"><UsernameToken>'
    "<Username>{user}</Username>"
    f'<Password Type="{_WSS}username-token-profile-1.0#PasswordDigest">{{digest}}</Password>'
    f'<Nonce EncodingType="{_WSS}soap-message-security-1.0#Base64Binary">{{nonce}}</Nonce>'
    f'<Created xmlns="{_WSS}wssecurity-utility-1.0.xsd">{{created}}</Created>'
    "</UsernameToken></Security>"
)


class Refused(SourceError):
    """The camera wants a login, or another one."""


class Fault(SourceError):
    """The camera answered with a SOAP fault that is not about the login."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Message
    root: Element | None  # None: it was not XML

    @property
    def fault(self) -> Element | None:
        return None if self.root is None else first(self.root, "Fault")

    @property
    def refuses_login(self) -> bool:
        """By status, by the fault's code, or by its text, as some firmware has no code for it."""
        if self.status in (401, 403):
            return True
        if self.fault is None:
            return False
        codes = [(each.text or "").lower() for each in all_named(self.fault, "Value", 8)]
        text = text_of(self.fault, "Text").lower()
        return any("notauthorized" in code or "failedauth" in code for code in codes) or (
            "authori" in text or "authenticat" in text
        )

    @property
    def challenges(self) -> list[str]:
        """Those that keep the password secret; `Basic` does not."""
        offers = self.headers.get_all("WWW-Authenticate") or []
        return [offer for offer in offers if not offer.lower().lstrip().startswith("basic")]


class Device:
    """One camera's ONVIF services, asked with one login until `deadline` (monotonic).

    Each request is a connection of its own, to an address that was looked up and checked just then.
    """

    def __init__(self, user: str, password: str, permitted: Permitted, deadline: float) -> None:
        self._user, self._password = user, password
        self._permitted = permitted
        self._deadline = deadline
        self._login = Login(user, password)
        self._ahead = timedelta()  # by which the camera's clock is ahead of ours

    def set_clock(self, now: datetime) -> None:
        """Sign with the camera's clock from now on: it refuses a token that is minutes old."""
        self._ahead = now - datetime.now(UTC)

    def ask(self, service: Address, body: str, action: str, *, anonymous: bool = False) -> Element:
        """The answer's envelope. `body` is XML whose values are escaped already.

        Raises `Refused` and `Fault`, and `SourceError` for everything else, with sentences.
        """
        answer = self._asked(service, body, action, anonymous=anonymous)
        if 300 <= answer.status < 400:
            raise SourceError(_onward(answer.headers.get("Location", "")))
        if answer.refuses_login:
            unusable = self._login.sentence
            raise Refused((unusable or REFUSED) if self._user and not anonymous else ASKS)
        if answer.root is None:
            raise SourceError(_foreign(service))
        if answer.fault is not None or answer.status >= 400:
            shown = "".join(filter(str.isprintable, text_of(answer.root, "Fault", "Text")))[:120]
            said = f": “{shown}”" if shown else f" ({answer.status})"
            raise Fault(f"The camera answers with an error{said}.")
        return answer.root

    def _asked(self, service: Address, body: str, action: str, *, anonymous: bool) -> _Answer:
        if anonymous or not self._user:
            return self._post(service, body, action)
        if not self._login.ready:
            answer = self._post(service, body, action, token=True)
            if answer.status != 400 and not answer.refuses_login:
                return answer
            if not answer.challenges:  # firmware that knows only Digest chokes on the token
                answer = self._post(service, body, action)
            if not answer.challenges or not self._login.challenge(answer.challenges):
                return answer
        answer = self._post(service, body, action, digest=True)
        if answer.status == 401 and self._login.challenge(answer.challenges) and self._login.stale:
            answer = self._post(service, body, action, digest=True)
        return answer

    def _post(
        self, service: Address, body: str, action: str, *, token: bool = False, digest: bool = False
    ) -> _Answer:
        envelope = _ENVELOPE.format(header=self._token() if token else "", body=body).encode()
        path = service.path if service.path.startswith("/") else "/" + service.path
        default = service.port == DEFAULT_PORTS[service.scheme]
        where = place(service.host, service.port)
        head = [
            f"POST {path} HTTP/1.1",
            f"Host: {where.rpartition(':')[0] if default else where}",
            f'Content-Type: application/soap+xml; charset=utf-8; action="{action}"',
            f"Content-Length: {len(envelope)}",
            "Connection: close",
        ]
        if digest:
            head.append(f"Authorization: {self._login.authorization('POST', path)}")
        request = "\r\n".join([*head, "", ""]).encode("utf-8", "surrogateescape") + envelope
        try:
            return self._exchange(service, request)
        except SourceError:
            raise
        except OSError as error:
            raise SourceError(describe(service, error)) from None
        except (ValueError, HTTPException):
            raise SourceError(_foreign(service)) from None

    def _exchange(self, service: Address, request: bytes) -> _Answer:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        with closing(connect(service, self._permitted, min(left, CONNECT_S))) as link:
            link.settimeout(max(0.001, self._deadline - time.monotonic()))
            link.sendall(request)
            response = HTTPResponse(_Readable(link, self._deadline), method="POST")  # type: ignore[arg-type]
            response.begin()
            body = response.read(MAX_BODY + 1)
            if len(body) > MAX_BODY:
                raise HTTPException("too long")
        try:
            root = parse(body)
        except NotXML:
            root = None
        return _Answer(response.status, response.headers, root)

    def _token(self) -> str:
        """A WS-UsernameToken: the password hashed with a nonce and the camera's time.

        Some firmware takes no nonce of more than 16 bytes, and no time in microseconds.
        """
        nonce = secrets.token_bytes(16)
        now = datetime.now(UTC) + self._ahead
        created = now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"
        signed = nonce + created.encode() + self._password.encode("utf-8", "surrogateescape")
        # The algorithm of the standard.
        digest = hashlib.sha1(signed, usedforsecurity=False).digest()
        return _TOKEN.format(
            user=escape(self._user, quote=False),
            digest=b64encode(digest).decode(),
            nonce=b64encode(nonce).decode(),
            created=created,
        )


class _Readable(io.RawIOBase):
    """A connection as `HTTPResponse` reads it: until the deadline, and `MAX_ANSWER` bytes."""

    def __init__(self, link: socket.socket, deadline: float) -> None:
        super().__init__()
        self._link, self._deadline, self._left = link, deadline, MAX_ANSWER

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._link.settimeout(left)
        count = self._link.recv_into(buffer)
        self._left -= count
        if self._left < 0:
            raise HTTPException("too long")
        return count


def _onward(location: str) -> str:
    """Of the address only scheme, host and port are shown."""
    try:
        onward = Address.parse("http", location)
    except SourceError:
        return "The camera sends questions on to another address; enter that address yourself."
    shown = f"{onward.scheme}://{place(onward.host, onward.port)}"
    return f"The camera sends questions on to {shown}; enter that address yourself."


def _foreign(service: Address) -> str:
    return (
        f"{service.host} answers on port {service.port}, but not as an ONVIF camera does. ONVIF "
        "may be off in the camera's settings, or have another port."
    )
