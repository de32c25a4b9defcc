"""The hub: newest wins, silence is reported, tasks end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cameras.live import hub as hub_module
from cameras.live.formats import SeedViewer
from cameras.live.frames import Frame, Status
from cameras.live.hub import Hub, Viewer
from cameras.live.variants import Demand, Variant
from tests.cameras.live.sources import NATIVE, Camera, join, picture


async def test_it_works(hub: Hub, camera: Camera) -> None:
    viewer = join(hub)
    await camera.send(picture(1))
    assert (await viewer.next_frame()).timestamp == 1
    assert viewer.missed == 0


async def test_slow_viewer_gets_the_newest_frame_and_counts_missed_ones(
    hub: Hub, camera: Camera
) -> None:
    slow, quick = join(hub), join(hub)
    for timestamp in range(1, 6):
        await camera.send(picture(timestamp))
        assert (await quick.next_frame()).timestamp == timestamp
    assert (await slow.next_frame()).timestamp == 5
    assert slow.missed == 4
    assert quick.missed == 0


async def test_old_frame_never_follows_a_newer_one(hub: Hub, camera: Camera) -> None:
    viewer = join(hub)
    await camera.send(picture(5), picture(4), picture(5))
    assert (await viewer.next_frame()).timestamp == 5
    assert viewer.take_frame() is None


async def test_frames_are_ordered_by_run_and_number_not_by_their_time(
    hub: Hub, camera: Camera
) -> None:
    """The clock of the host that reads the camera was an hour ahead, and is set at once."""
    viewer = join(hub)
    hour = 3_600_000
    ahead = replace(picture(5), timestamp=hour, run=1)
    for frame in (ahead, replace(ahead, timestamp=0, run=2, seq=1)):
        await camera.send(frame)
        assert await viewer.next_frame() == frame
    await camera.send(replace(ahead, timestamp=2 * hour, seq=6))
    assert viewer.take_frame() is None, "a process that no longer reads the camera"


async def test_repeated_picture_is_not_sent_again_even_after_a_silence(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker repeats it for new viewers in other processes."""
    monkeypatch.setattr(hub_module, "SILENCE_S", 0.0)
    viewer = join(hub)
    await camera.send(picture(5))
    assert (await viewer.next_frame()).timestamp == 5
    await camera.send(picture(5), Status("ended", 1), picture(5))
    assert viewer.take_frame() is None


async def test_frames_of_a_slower_clock_are_accepted_after_a_silence_of_frames(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another host reads the camera now, or its clock was set back. States do not count."""
    monkeypatch.setattr(hub_module, "SILENCE_S", 0.2)
    viewer = join(hub)
    await camera.send(picture(60_000))
    assert (await viewer.next_frame()).timestamp == 60_000
    for at in range(30_000, 40_000):
        await camera.send(Status("live", 1, last_frame=at), picture(at))
        if (frame := viewer.take_frame()) is not None:
            break
        await asyncio.sleep(0.01)
    assert frame is not None
    assert frame.timestamp < 60_000


async def test_new_viewer_gets_the_newest_picture_at_once(hub: Hub, camera: Camera) -> None:
    join(hub)
    await camera.send(picture(7), Status("live", 1))
    newcomer = join(hub)
    assert (await newcomer.next_frame()).timestamp == 7
    assert newcomer.take_status() == Status("live", 1)


async def test_one_source_serves_all_viewers_of_a_camera(hub: Hub, camera: Camera) -> None:
    for _ in range(50):
        join(hub)
    await camera.send(picture(1))
    assert camera.opened == 1


async def test_status_is_sent_only_when_it_changes(hub: Hub, camera: Camera) -> None:
    viewer = join(hub)
    await camera.send(Status("live", 1, last_frame=10))
    assert viewer.take_status() is not None
    await camera.send(Status("live", 1, last_frame=20))
    assert viewer.take_status() is None
    await camera.send(Status("stale", 30, "No picture for a while."))
    status = viewer.take_status()
    assert status is not None
    assert status.state == "stale"


async def test_status_of_a_process_that_handed_the_camera_over_is_ignored(
    hub: Hub, camera: Camera
) -> None:
    viewer = join(hub)
    await camera.send(Status("live", 1, fence=2))
    assert viewer.take_status() is not None
    await camera.send(Status("offline", 5, "It ended.", fence=1))
    assert viewer.take_status() is None


async def test_silence_is_reported_as_stale(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "SILENCE_S", 0.2)
    viewer = join(hub)
    await camera.send(picture(1), Status("live", 1))
    statuses: list[Status] = []
    async with asyncio.timeout(30):
        while not statuses or statuses[-1].state == "live":
            if (status := viewer.take_status()) is not None:
                statuses.append(status)
            else:
                await viewer.wait()
    assert (statuses[-1].state, statuses[-1].since) == ("stale", 1)


async def test_silence_of_a_camera_that_is_off_is_not_reported(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "SILENCE_S", 0.05)
    viewer = join(hub, known=Status("ended", 1, "This camera is switched off."))
    assert viewer.take_status() is not None
    feed = next(iter(hub._feeds.values()))
    feed.received_at -= 10
    feed.check_silence()
    assert viewer.take_status() is None


@pytest.mark.parametrize("item", [picture(1), Status("live", 1)], ids=["frame", "status"])
async def test_viewer_that_fails_is_closed_and_the_others_go_on(
    hub: Hub, camera: Camera, item: Frame | Status, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Viewer):
        def offer_frame(self, prepared: object) -> bool:
            raise RuntimeError("of one viewer")

        offer_status = offer_frame  # type: ignore[assignment]

    closed: list[str] = []
    before, failing, after = join(hub), hub.join("a", lambda feed: Failing(feed, NATIVE)), join(hub)

    def close() -> None:
        closed.append("failing")
        raise RuntimeError("of its connection")

    failing.on_failure = close
    await camera.send(item, picture(2), Status("stale", 1))
    for viewer in (before, after):
        assert (await viewer.next_frame()).timestamp == 2
        assert (status := viewer.take_status()) is not None
        assert status.state == "stale"
    assert closed == ["failing"]
    assert caplog.text.count("a viewer failed") == 1
    assert caplog.text.count("a viewer could not be closed") == 1


async def test_failed_source_is_opened_again(hub: Hub, camera: Camera) -> None:
    viewer = join(hub)
    await camera.send(ConnectionError("Redis is away"))
    camera.items.put_nowait(picture(3))
    async with asyncio.timeout(30):
        assert (await viewer.next_frame()).timestamp == 3
    assert camera.opened == 2


async def test_feed_and_its_demand_end_after_the_last_viewer(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "LINGER_S", 0.05)
    viewer = join(hub, Variant(320, 5))
    assert hub.demand() == {"a": [Demand(320, 5, 0)]}
    viewer.leave()
    assert hub.demand() == {"a": [Demand(320, 5, 0)]}, "the last demand, while the feed lingers"
    async with asyncio.timeout(30):
        while hub.demand():
            hub.demand_changed.clear()
            await hub.demand_changed.wait()


async def test_demand_is_that_of_the_fastest_viewer(hub: Hub, camera: Camera) -> None:
    join(hub, Variant(0, 1))
    join(hub, Variant(0, 10))
    assert hub.demand() == {"a": [Demand(0, 10, 0)]}
    hub.join("a", lambda feed: SeedViewer(feed, Variant(), "a"))
    assert hub.demand() == {"a": [Demand(0, 0, 1)]}


async def test_viewer_gets_at_most_the_requested_rate(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = join(hub, Variant(0, 5))
    taken, at = 0, 0
    monkeypatch.setattr(hub_module.time, "monotonic", lambda: 100 + at / 1000)
    for at in range(0, 4000, 100):
        await camera.send(picture(1 + at))
        taken += viewer.take_frame() is not None
    assert 19 <= taken <= 21
    assert viewer.missed == 0, "frames beyond the rate do not count as missed"
