"""Frames that were pushed before there is a reader: which one it shows when it has started."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from cameras.ingest.leases.embedded import EmbeddedLeases
from cameras.ingest.supervisor import MOST
from tests.cameras.ingest.supervised import Heard, configuration, supervised
from tests.parcels import now
from tests.sockets import jpeg
from tests.waiting import soon


class Shared(EmbeddedLeases):
    """Another process reads every camera but ours."""

    def elsewhere(self, camera_id: str) -> bool:
        return camera_id != "c"


def push(heard: Heard, timestamp: int, camera: str = "c") -> None:
    heard.down.put_nowait(({"type": "push", "camera": camera, "timestamp": timestamp}, jpeg()))


def shown(heard: Heard) -> list[int]:
    return [header["timestamp"] for _, header in heard.packets if header["type"] == "frame"]


def pushing() -> dict[str, dict[str, Any]]:
    return {"c": configuration() | {"kind": "push"}}


async def test_frames_of_others_cameras_crowd_none_out(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()

    def claimed(cameras: list[str]) -> dict[str, int]:
        assert free.wait(30)
        return dict.fromkeys(cameras, 1)

    async with supervised(monkeypatch, Shared(), configurations=pushing, claim_fences=claimed) as (
        keeper,
        heard,
    ):
        try:
            taken = now()
            push(heard, taken)
            for other in range(MOST + 1):
                push(heard, taken, f"theirs {other}")
            await soon(heard.down.empty)
            assert not keeper.workers
        finally:
            free.set()
        await soon(lambda: shown(heard))
        assert shown(heard) == [taken]


async def test_frame_from_before_a_camera_was_switched_off_is_not_shown_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cameras: dict[str, dict[str, Any]] = {}
    looks = itertools.count()
    looked = [0]

    def configurations() -> dict[str, dict[str, Any]]:
        looked[0] = next(looks)
        return dict(cameras)

    async with supervised(monkeypatch, configurations=configurations) as (keeper, heard):
        before = now()
        push(heard, before)
        await soon(heard.down.empty)
        seen = looked[0]
        await soon(lambda: looked[0] >= seen + 3)
        cameras |= pushing()
        await soon(lambda: "c" in keeper.workers and heard.times("state"))  # its process runs
        push(heard, before + 1)
        await soon(lambda: shown(heard))
        assert shown(heard) == [before + 1]
