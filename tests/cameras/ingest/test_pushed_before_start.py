"""Frames pushed before the camera's worker runs: which one is published once it has started."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from cameras.ingest.leases.embedded import EmbeddedLeases
from cameras.ingest.supervisor import MAX_PENDING
from tests.cameras.ingest.supervised import FakeLink, configuration, supervised
from tests.push_messages import now
from tests.sockets import jpeg
from tests.waiting import until_async


class SharedLeases(EmbeddedLeases):
    """Another process holds every camera except "c"."""

    def is_held_elsewhere(self, camera_id: str) -> bool:
        return camera_id != "c"


def push(link: FakeLink, timestamp: int, camera: str = "c") -> None:
    link.down.put_nowait(({"type": "push", "camera": camera, "timestamp": timestamp}, jpeg()))


def published(link: FakeLink) -> list[int]:
    return [header["timestamp"] for _, header in link.packets if header["type"] == "frame"]


def pushing() -> dict[str, dict[str, Any]]:
    return {"c": configuration() | {"kind": "push"}}


async def test_frames_of_cameras_held_elsewhere_displace_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = threading.Event()

    def claimed(cameras: list[str]) -> dict[str, int]:
        assert free.wait(30)
        return dict.fromkeys(cameras, 1)

    async with supervised(
        monkeypatch, SharedLeases(), load_configurations=pushing, claim_fences=claimed
    ) as (
        supervisor,
        link,
    ):
        try:
            timestamp = now()
            push(link, timestamp)
            for other in range(MAX_PENDING + 1):
                push(link, timestamp, f"other {other}")
            await until_async(link.down.empty)
            assert not supervisor.workers
        finally:
            free.set()
        await until_async(lambda: published(link))
        assert published(link) == [timestamp]


async def test_frame_pushed_before_a_camera_was_switched_on_is_not_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cameras: dict[str, dict[str, Any]] = {}
    polls = itertools.count()
    last_poll = [0]

    def load_configurations() -> dict[str, dict[str, Any]]:
        last_poll[0] = next(polls)
        return dict(cameras)

    async with supervised(monkeypatch, load_configurations=load_configurations) as (
        supervisor,
        link,
    ):
        before = now()
        push(link, before)
        await until_async(link.down.empty)
        seen = last_poll[0]
        await until_async(lambda: last_poll[0] >= seen + 3)
        cameras |= pushing()
        await until_async(
            lambda: "c" in supervisor.workers and link.times("state")
        )  # its process runs
        push(link, before + 1)
        await until_async(lambda: published(link))
        assert published(link) == [before + 1]
