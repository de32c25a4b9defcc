"""The hub alone: newest wins, silence is said, tasks end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from cameras.live import hub as hub_module
from cameras.live.frames import Frame
from cameras.live.hub import Hub, Status

pytestmark = pytest.mark.one_database


def picture(timestamp: int) -> Frame:
    return Frame(b"\xff\xd8\xff\xd9", timestamp, timestamp, 4, 3)


class Camera:
    """A source whose items the test chooses. `lost` raises in it once."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[Frame | Status | Exception] = asyncio.Queue()
        self.opened = 0

    async def __call__(self, camera_id: str) -> AsyncGenerator[Frame | Status, None]:
        self.opened += 1
        while True:
            item = await self.items.get()
            if isinstance(item, Exception):
                raise item
            yield item

    async def say(self, *items: Frame | Status | Exception) -> None:
        """Hand over and let the feed take them."""
        for item in items:
            self.items.put_nowait(item)
        while not self.items.empty():
            await asyncio.sleep(0)
        await asyncio.sleep(0)


@pytest.fixture
async def camera() -> Camera:
    return Camera()


@pytest.fixture
async def hub(camera: Camera) -> AsyncIterator[Hub]:
    made = Hub(camera)
    yield made
    await made.close()


async def test_it_works(hub: Hub, camera: Camera) -> None:
    viewer = hub.join("a")
    await camera.say(picture(1))
    assert (await viewer.next_frame()).timestamp == 1
    assert viewer.dropped == 0


async def test_slow_viewer_gets_the_newest_and_knows_what_it_missed(
    hub: Hub, camera: Camera
) -> None:
    slow, quick = hub.join("a"), hub.join("a")
    for timestamp in range(1, 6):
        await camera.say(picture(timestamp))
        assert (await quick.next_frame()).timestamp == timestamp
    assert (await slow.next_frame()).timestamp == 5
    assert slow.dropped == 4
    assert quick.dropped == 0


async def test_old_frame_never_follows_a_newer_one(hub: Hub, camera: Camera) -> None:
    viewer = hub.join("a")
    await camera.say(picture(5), picture(4), picture(5))
    assert (await viewer.next_frame()).timestamp == 5
    assert viewer.take_frame() is None


async def test_newcomer_sees_the_newest_picture_at_once(hub: Hub, camera: Camera) -> None:
    hub.join("a")
    await camera.say(picture(7), Status("live", 1))
    newcomer = hub.join("a")
    assert (await newcomer.next_frame()).timestamp == 7
    assert newcomer.take_status() == Status("live", 1)


async def test_one_source_serves_all_viewers_of_a_camera(hub: Hub, camera: Camera) -> None:
    for _ in range(50):
        hub.join("a")
    await camera.say(picture(1))
    assert camera.opened == 1


async def test_status_is_told_when_it_is_news(hub: Hub, camera: Camera) -> None:
    viewer = hub.join("a")
    await camera.say(Status("live", 1, last_frame=10))
    assert viewer.take_status() is not None
    await camera.say(Status("live", 1, last_frame=20))
    assert viewer.take_status() is None
    await camera.say(Status("stale", 30, "No picture for a while."))
    status = viewer.take_status()
    assert status is not None
    assert status.state == "stale"


async def test_silence_is_said_once(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "SILENCE_S", 0.2)
    viewer = hub.join("a")
    await camera.say(picture(1), Status("live", 1))
    viewer.take_status()
    async with asyncio.timeout(5):
        while (status := viewer.take_status()) is None:
            await viewer.wait()
    assert (status.state, status.since) == ("stale", 1)


async def test_silence_of_a_camera_that_is_off_is_no_news(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "SILENCE_S", 0.05)
    viewer = hub.join("a", Status("ended", 1, "This camera is switched off."))
    assert viewer.take_status() is not None
    feed = next(iter(hub._feeds.values()))
    feed.heard_at -= 10
    feed.note_silence()
    assert viewer.take_status() is None


async def test_lost_source_is_opened_again(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "RETRY_S", 0.01)
    viewer = hub.join("a")
    await camera.say(ConnectionError("Redis is away"))
    camera.items.put_nowait(picture(3))
    async with asyncio.timeout(5):
        assert (await viewer.next_frame()).timestamp == 3
    assert camera.opened == 2


async def test_feed_ends_after_its_last_viewer_and_demand_with_it(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "LINGER_S", 0.05)
    viewer = hub.join("a")
    assert hub.watched == {"a"}
    viewer.leave()
    hub.changed.clear()
    async with asyncio.timeout(5):
        await hub.changed.wait()
    assert hub.watched == frozenset()
