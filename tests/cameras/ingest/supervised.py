"""A supervisor of one camera with a fake database and a fake link to the web."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cameras.ingest import configurations, state_writer
from cameras.ingest.labels import DEFAULT_CLASSES
from cameras.ingest.leases.embedded import EmbeddedLeases, Leases
from cameras.ingest.links import Link
from cameras.ingest.supervisor import Supervisor


class FakeLink:
    """A link that records what is sent, and reports one viewer of the camera.

    Packets in `down` are received after that.
    """

    def __init__(self) -> None:
        self.packets: list[tuple[float, dict[str, Any]]] = []
        self.down: asyncio.Queue[tuple[dict[str, Any], bytes]] = asyncio.Queue()

    async def send(self, header: dict[str, Any], payload: bytes) -> bool:
        self.packets.append((time.time(), header))
        return True

    async def receive(self) -> AsyncGenerator[tuple[dict[str, Any], bytes], None]:
        yield {"type": "demand", "cameras": {"c": [(0, 0, 1)]}}, b""
        while True:
            yield await self.down.get()

    def times(self, kind: str = "frame") -> list[float]:
        return [at for at, header in self.packets if header["type"] == kind]


def configuration(kind: str = "demo") -> dict[str, Any]:
    return {
        "camera": "c", "kind": kind, "source": "", "unusable": "", "fps": 10, "width": 160,
        "quality": 60, "detect": False, "classes": list(DEFAULT_CLASSES), "threshold": 0.4,
        "allow_loopback": True, "media_root": ".", "masks": [], "mask_version": "",
    }  # fmt: skip


@asynccontextmanager
async def supervised(
    monkeypatch: pytest.MonkeyPatch,
    leases: Leases | None = None,
    web_link: Link | None = None,
    kind: str = "demo",
    **writes: Callable[..., object],
) -> AsyncGenerator[tuple[Supervisor, FakeLink], None]:
    """Run a supervisor of one camera, by default the demo; `writes` replace its database functions.

    `web_link` is used in the place of the fake one.
    """
    monkeypatch.setattr(configurations, "load_configurations", lambda: {"c": configuration(kind)})
    monkeypatch.setattr(configurations, "claim_fences", lambda cameras: dict.fromkeys(cameras, 1))
    for name in ("store_state", "store_still"):
        monkeypatch.setattr(state_writer, name, lambda *arguments: None)
    for name, write in writes.items():
        module = state_writer if name in ("store_state", "store_still") else configurations
        monkeypatch.setattr(module, name, write)
    supervisor, link = Supervisor(leases or EmbeddedLeases()), FakeLink()
    task = asyncio.create_task(supervisor.run(web_link or link))
    try:
        yield supervisor, link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
