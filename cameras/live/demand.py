"""What web processes send to ingest: the variants that are watched, and pushed frames."""

from __future__ import annotations

import asyncio
import enum
import logging
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import redis.asyncio as redis
from django.conf import settings

from cameras.live.ages import stamp
from cameras.live.hub import Hub
from cameras.live.packets import pack
from cameras.live.redis_clients import TIMEOUT_S, connect
from cameras.live.variants import Demand, merge

log = logging.getLogger(__name__)

REPEAT_S = 2.0  # interval at which unchanged demand is sent again
DEBOUNCE_S = 0.02  # changes within this time are sent together
EXPIRY_S = 7.0  # the demand of a process that sends nothing for so long is dropped
INBOX = "sideline:ingest:inbox"  # pub/sub channel of demand and pushed frames

STARTING_S = 10.0  # without an ingest process for less than this, one is probably starting

DemandByCamera = Mapping[str, Iterable[Demand]]


class Verdict(enum.Enum):
    """The result of a pushed frame."""

    ACCEPTED = enum.auto()
    DUPLICATE = enum.auto()  # not newer than the last accepted one
    SWITCHED_OFF = enum.auto()
    NOT_PUSH = enum.auto()  # the camera's kind was changed
    NO_CAMERA = enum.auto()
    # Nothing was accepted; the frame may be sent again:
    BUSY = enum.auto()  # the link is full or down
    STARTING = enum.auto()  # the ingest process is not up yet, or is being replaced
    NO_PROCESS = enum.auto()  # none has run for `STARTING_S`


def without_process(since: float) -> Verdict:
    """Return the verdict if no ingest process runs, `since` a time in monotonic seconds."""
    is_starting = time.monotonic() - since < STARTING_S
    return Verdict.STARTING if is_starting else Verdict.NO_PROCESS


class IngestLink(Protocol):
    """The connection from a web process to ingest."""

    async def send_demand(self, demand: DemandByCamera) -> None:
        """Send what is watched in this process. It replaces what was sent before."""

    async def push(self, camera_id: str, timestamp: int, jpeg: bytes, arrived_at: float) -> Verdict:
        """Send a frame that a client pushed; `push_packet` explains its times."""


async def report_demand(hub: Hub, link: IngestLink) -> None:
    """Send the hub's demand on every change, and every `REPEAT_S`, until cancelled."""
    while True:
        hub.demand_changed.clear()
        try:
            await link.send_demand(hub.demand())
        except (redis.RedisError, OSError) as error:
            log.warning("demand could not be sent to ingest (%s), retrying", error)
        await asyncio.sleep(DEBOUNCE_S)
        try:
            await asyncio.wait_for(hub.demand_changed.wait(), REPEAT_S)
        except TimeoutError:
            continue


def demand_packet(demand: DemandByCamera, sender: str = "") -> dict[str, Any]:
    """The header of a demand packet; `sender` identifies the process."""
    cameras = {
        camera_id: [(each.width, each.fps, each.viewers) for each in demands]
        for camera_id, demands in demand.items()
    }
    return {"type": "demand", "sender": sender, "cameras": cameras}


def push_packet(camera_id: str, timestamp: int, arrived_at: float) -> dict[str, Any]:
    """The header of a packet with a pushed frame.

    `timestamp` is in unix ms; `arrived_at`, when it came to us, in seconds of `time.monotonic`.
    """
    return {"type": "push", "camera": camera_id, "timestamp": timestamp} | stamp(arrived_at)


def read_demand(header: Mapping[str, Any]) -> dict[str, list[Demand]]:
    """The inverse of `demand_packet`. Raises `ValueError` or `TypeError` for a bad header."""
    return {
        camera_id: [Demand(int(width), int(fps), int(viewers)) for width, fps, viewers in demands]
        for camera_id, demands in header["cameras"].items()
    }


class DemandTable:
    """The last demand of each web process. Bound: processes that sent one within `EXPIRY_S`."""

    def __init__(self) -> None:
        self._by_sender: dict[str, tuple[float, dict[str, list[Demand]]]] = {}

    def update(
        self, sender: str, demand: dict[str, list[Demand]], now: float
    ) -> set[tuple[str, int]]:
        """Store what a process sent at `now` (monotonic seconds).

        Returns the (camera, width) pairs that are new in its demand: it has no picture of them,
        though another process may.
        """
        _, former = self._by_sender.get(sender, (now, {}))
        self._by_sender[sender] = now, demand
        return _widths(demand) - _widths(former)

    def total(self, now: float) -> dict[str, list[Demand]]:
        """By camera: one demand per width, of all processes. Drops expired entries."""
        for sender, (sent_at, _) in list(self._by_sender.items()):
            if now - sent_at > EXPIRY_S:
                del self._by_sender[sender]
        every: dict[str, list[Demand]] = {}
        for _, demand in self._by_sender.values():
            for camera_id, demands in demand.items():
                every.setdefault(camera_id, []).extend(demands)
        return {camera_id: [*merge(demands).values()] for camera_id, demands in every.items()}


def _widths(demand: DemandByCamera) -> set[tuple[str, int]]:
    return {(camera_id, each.width) for camera_id, demands in demand.items() for each in demands}


class RedisIngestLink:
    """The link over Redis pub/sub. Every ingest process gets all of it and uses what it needs.

    A call takes `redis_clients.TIMEOUT_S` at most.
    """

    def __init__(self) -> None:
        self._client = connect(settings.REDIS_URL)
        self._sender = uuid.uuid4().hex
        self._had_process_at = time.monotonic()

    async def send_demand(self, demand: DemandByCamera) -> None:
        """Publish the demand. It expires unless repeated."""
        await self._publish(pack(demand_packet(demand, self._sender)))

    async def push(self, camera_id: str, timestamp: int, jpeg: bytes, arrived_at: float) -> Verdict:
        """Publish a pushed frame, which all subscribed ingest processes get."""
        header = push_packet(camera_id, timestamp, arrived_at)
        try:
            subscribers = await self._publish(pack(header, jpeg))
        except (redis.RedisError, OSError):
            return Verdict.BUSY
        if not subscribers:
            return without_process(self._had_process_at)
        self._had_process_at = time.monotonic()
        return Verdict.ACCEPTED

    async def _publish(self, packet: bytes) -> int:
        """Return how many processes received it. Raises `OSError` or `RedisError`."""
        async with asyncio.timeout(TIMEOUT_S):
            return int(await self._client.publish(INBOX, packet))
