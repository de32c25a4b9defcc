"""The hub alone: newest wins, silence is said, tasks end."""

from __future__ import annotations

import asyncio

import pytest

from cameras.live import hub as hub_module
from cameras.live.formats import SeedViewer
from cameras.live.frames import Status
from cameras.live.hub import Hub
from cameras.live.variants import Variant, Wish
from tests.cameras.live.sources import Camera, look, picture


async def test_it_works(hub: Hub, camera: Camera) -> None:
    viewer = look(hub)
    await camera.say(picture(1))
    assert (await viewer.next_frame()).timestamp == 1
    assert viewer.missed == 0


async def test_slow_viewer_gets_the_newest_and_knows_what_it_missed(
    hub: Hub, camera: Camera
) -> None:
    slow, quick = look(hub), look(hub)
    for timestamp in range(1, 6):
        await camera.say(picture(timestamp))
        assert (await quick.next_frame()).timestamp == timestamp
    assert (await slow.next_frame()).timestamp == 5
    assert slow.missed == 4
    assert quick.missed == 0


async def test_old_frame_never_follows_a_newer_one(hub: Hub, camera: Camera) -> None:
    viewer = look(hub)
    await camera.say(picture(5), picture(4), picture(5))
    assert (await viewer.next_frame()).timestamp == 5
    assert viewer.take_frame() is None


async def test_a_picture_that_was_shown_is_not_shown_again_after_a_silence(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker sends it again for whoever came elsewhere."""
    monkeypatch.setattr(hub_module, "SILENCE_S", 0.0)
    viewer = look(hub)
    await camera.say(picture(5))
    assert (await viewer.next_frame()).timestamp == 5
    await camera.say(picture(5), Status("ended", 1), picture(5))
    assert viewer.take_frame() is None


async def test_frames_by_a_slower_clock_are_shown_after_a_moment_though_states_go_on(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another host reads the camera now, or the clock was set back."""
    monkeypatch.setattr(hub_module, "SILENCE_S", 0.2)
    viewer = look(hub)
    await camera.say(picture(60_000))
    assert (await viewer.next_frame()).timestamp == 60_000
    for at in range(30_000, 40_000):
        await camera.say(Status("live", 1, last_frame=at), picture(at))
        if (frame := viewer.take_frame()) is not None:
            break
        await asyncio.sleep(0.01)
    assert frame is not None
    assert frame.timestamp < 60_000


async def test_newcomer_sees_the_newest_picture_at_once(hub: Hub, camera: Camera) -> None:
    look(hub)
    await camera.say(picture(7), Status("live", 1))
    newcomer = look(hub)
    assert (await newcomer.next_frame()).timestamp == 7
    assert newcomer.take_status() == Status("live", 1)


async def test_one_source_serves_all_viewers_of_a_camera(hub: Hub, camera: Camera) -> None:
    for _ in range(50):
        look(hub)
    await camera.say(picture(1))
    assert camera.opened == 1


async def test_status_is_told_when_it_is_news(hub: Hub, camera: Camera) -> None:
    viewer = look(hub)
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
    viewer = look(hub)
    await camera.say(picture(1), Status("live", 1))
    told: list[Status] = []
    async with asyncio.timeout(30):
        while not told or told[-1].state == "live":
            if (status := viewer.take_status()) is not None:
                told.append(status)
            else:
                await viewer.wait()
    assert (told[-1].state, told[-1].since) == ("stale", 1)


async def test_silence_of_a_camera_that_is_off_is_no_news(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "SILENCE_S", 0.05)
    viewer = look(hub, known=Status("ended", 1, "This camera is switched off."))
    assert viewer.take_status() is not None
    feed = next(iter(hub._feeds.values()))
    feed.heard_at -= 10
    feed.note_silence()
    assert viewer.take_status() is None


async def test_lost_source_is_opened_again(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "RETRY_S", 0.01)
    viewer = look(hub)
    await camera.say(ConnectionError("Redis is away"))
    camera.items.put_nowait(picture(3))
    async with asyncio.timeout(30):
        assert (await viewer.next_frame()).timestamp == 3
    assert camera.opened == 2


async def test_feed_ends_after_its_last_viewer_and_demand_with_it(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "LINGER_S", 0.05)
    viewer = look(hub, Variant(320, 5))
    assert hub.wishes() == {"a": [Wish(320, 5, 0)]}
    viewer.leave()
    assert hub.wishes() == {"a": [Wish(320, 5, 0)]}, "what was wished last, for a moment"
    async with asyncio.timeout(30):
        while hub.wishes():
            hub.changed.clear()
            await hub.changed.wait()


async def test_wish_is_for_the_fastest_of_its_viewers(hub: Hub, camera: Camera) -> None:
    look(hub, Variant(0, 1))
    look(hub, Variant(0, 10))
    assert hub.wishes() == {"a": [Wish(0, 10, 0)]}
    hub.join("a", lambda feed: SeedViewer(feed, Variant(), "a"))
    assert hub.wishes() == {"a": [Wish(0, 0, 1)]}


async def test_viewer_is_sent_no_more_frames_than_it_asked_for(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = look(hub, Variant(0, 5))
    taken, at = 0, 0
    monkeypatch.setattr(hub_module.time, "monotonic", lambda: 100 + at / 1000)
    for at in range(0, 4000, 100):
        await camera.say(picture(1 + at))
        taken += viewer.take_frame() is not None
    assert 19 <= taken <= 21
    assert viewer.missed == 0, "what was not asked for was not missed"
