"""The self-test's streams: tickets for them, their events, and a client on this server."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
from django.core import signing
from django.core.cache import cache

from chats.selftest.judgement import HEADERS, Arrival, Heard
from chats.sse.encoding import PING, event_bytes, event_json

EVENTS = 10
GAP_S = 0.15
QUIET_S = 20.0  # of silence before the last event: the chat itself pings every 15 s
QUIET_LEAST = 0.5
PATIENCE_S = 15.0  # that a listener waits beyond the stream's length
TICKET_S = 60
_SALT = "chats.selftest"
_LINE_MOST = 4096  # bytes of a line; no event of ours is longer


class NotReached(Exception):
    """The text says, in a sentence, why an address cannot be listened to."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A stream to be told. `bare`: without the headers that the chat gives to proxies."""

    bare: bool
    quiet_s: float

    @property
    def limit_s(self) -> float:
        """When a listener gives up."""
        return EVENTS * GAP_S + self.quiet_s + PATIENCE_S


def ticket(probe: Probe) -> str:
    """What opens the stream, once and within `TICKET_S`."""
    told = {"bare": probe.bare, "quiet": probe.quiet_s, "once": secrets.token_urlsafe(12)}
    return signing.dumps(told, salt=_SALT)


async def claim(text: str) -> Probe | None:
    """The probe of a ticket, which is used up; None where it is no ticket any more."""
    try:
        told = signing.loads(text, salt=_SALT, max_age=TICKET_S)
    except signing.BadSignature:
        return None
    if not await cache.aadd(f"chats.selftest.{told['once']}", True, 2 * TICKET_S):
        return None
    return Probe(told["bare"], told["quiet"])


def bounded_quiet(text: str) -> float:
    """Seconds of silence as asked for, within bounds."""
    try:
        return min(max(QUIET_LEAST, float(text)), QUIET_S)  # in this order “nan” is the least
    except ValueError:
        return QUIET_S


async def tell(probe: Probe) -> AsyncIterator[bytes]:
    """The stream: `EVENTS` events `GAP_S` apart, a silence, and `end`."""
    began = time.monotonic()
    yield PING
    for number in range(1, EVENTS + 1):
        await asyncio.sleep(GAP_S)
        yield event_bytes(number, event_json(_event("tick", began)))
    await asyncio.sleep(probe.quiet_s)
    yield event_bytes(EVENTS + 1, event_json(_event("end", began)))


def _event(kind: str, began: float) -> dict[str, Any]:
    return {"type": kind, "sent": round(time.monotonic() - began, 4)}


async def listen(url: str, limit_s: float) -> Heard:
    """Read a stream as people's browsers would, from this machine. Raises `NotReached`."""
    began = time.monotonic()
    arrivals: list[Arrival] = []
    headers: dict[str, str] = {}
    ended = False
    try:
        async with (
            asyncio.timeout(limit_s),
            httpx.AsyncClient(trust_env=False, timeout=None) as client,  # nosec B113  # the line above
            client.stream("GET", url) as answer,
        ):
            headers = {name: answer.headers[name] for name in HEADERS if name in answer.headers}
            rest = b""
            async for data in answer.aiter_bytes():
                *lines, rest = (rest + data).split(b"\n")
                rest = rest[-_LINE_MOST:]
                for event in filter(None, map(_read, lines)):
                    arrivals.append(Arrival(float(event["sent"]), time.monotonic() - began))
                    ended = event["type"] == "end"
    except (TimeoutError, httpx.HTTPError) as error:
        if not headers:
            raise NotReached(
                f"This server cannot reach its own public address ({type(error).__name__}). "
                "That is no fault where only people outside are to reach it."
            ) from None
    return Heard(tuple(arrivals), headers, ended, time.monotonic() - began)


def _read(line: bytes) -> dict[str, Any] | None:
    """The event of a line of data, where it is one of ours."""
    if not line.startswith(b"data: "):
        return None
    try:
        event = json.loads(line[6:])
    except ValueError:
        return None
    ours = isinstance(event, dict) and isinstance(event.get("sent"), int | float)
    return event if ours and "type" in event else None
