"""The hub alone: newest wins, silence is said, tasks end."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import pytest

from cameras.live import hub as hub_module
from cameras.live import messages as messages_module
from cameras.live import viewers as viewers_module
from cameras.live.dialects import SeedViewer, V1Viewer
from cameras.live.frames import Frame
from cameras.live.hub import Hub
from cameras.live.status import Status
from cameras.live.variants import Variant, Wish
from cameras.live.viewers import Viewer

pytestmark = pytest.mark.one_database
NATIVE = Variant()


def picture(timestamp: int) -> Frame:
    return Frame(b"\xff\xd8\xff\xd9", timestamp, timestamp, 4, 3)


class Camera:
    """A source whose items the test chooses. `lost` raises in it once."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[Frame | Status | Exception] = asyncio.Queue()
        self.opened = 0

    async def __call__(self, camera_id: str, width: int) -> AsyncGenerator[Frame | Status, None]:
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


def look(hub: Hub, variant: Variant = NATIVE, known: Status | None = None) -> Viewer:
    """A viewer who waits for pictures."""
    return hub.join("a", lambda feed: Viewer(feed, variant), variant.width, known)


@pytest.fixture
async def camera() -> Camera:
    return Camera()


@pytest.fixture
async def hub(camera: Camera) -> AsyncIterator[Hub]:
    made = Hub(camera)
    yield made
    await made.close()


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


async def test_seed_viewer_who_joins_is_not_shown_an_old_picture(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(hub)
    await camera.say(picture(1))
    fresh, old = Paper(), Paper()
    seed_on(hub, fresh)
    now = time.monotonic()
    monkeypatch.setattr(messages_module.time, "monotonic", lambda: now + 10)
    seed_on(hub, old)
    assert (fresh.frames(), old.frames()) == ([1], [])


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
    viewer.take_status()
    async with asyncio.timeout(5):
        while (status := viewer.take_status()) is None:
            await viewer.wait()
    assert (status.state, status.since) == ("stale", 1)


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
    async with asyncio.timeout(5):
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
    async with asyncio.timeout(5):
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
    monkeypatch.setattr(viewers_module.time, "monotonic", lambda: 100 + at / 1000)
    for at in range(0, 4000, 100):
        await camera.say(picture(1 + at))
        taken += viewer.take_frame() is not None
    assert 19 <= taken <= 21
    assert viewer.missed == 0, "what was not asked for was not missed"


# --- viewers that are written to ----------------------------------------------------------------


class Paper:
    """A wire that keeps what is written. `full` makes it refuse; `said` is what the peer says."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.full = False
        self.at_once = False
        self.said: list[bytes] = []
        self.viewer: V1Viewer | None = None
        self._call: Callable[[], None] | None = None

    @property
    def ready(self) -> bool:
        return not self.full

    def write(self, data: bytes) -> bool:
        if not self.full:
            self.written.append(data)
        return not self.full

    def call_when_ready(self, call: Callable[[], None]) -> None:
        self._call = call

    def drain(self) -> None:
        self.full = False
        call, self._call = self._call, None
        if call is not None:
            call()

    def read_now(self) -> None:
        said, self.said = self.said, []
        for word in said:
            assert self.viewer is not None
            self.viewer.hear(word)

    def read_at_once(self, wanted: bool) -> None:
        self.at_once = wanted

    def frames(self) -> list[int]:
        """Numbers of the pictures written, as both formats say them."""
        found = (re.search(rb'"(?:seq|timestamp)":(\d+)', data) for data in self.written)
        return [int(one[1]) for one in found if one]

    def words(self) -> list[dict[str, Any]]:
        return [json.loads(data[2:]) for data in self.written if data[:1] == b"\x81"]


def seed_on(hub: Hub, paper: Paper) -> SeedViewer:
    viewer = hub.join("a", lambda feed: SeedViewer(feed, Variant(), "a"))
    viewer.attach(paper)
    return viewer


def v1_on(hub: Hub, paper: Paper, variant: Variant = NATIVE) -> V1Viewer:
    viewer = hub.join("a", lambda feed: V1Viewer(feed, variant, "a"))
    paper.viewer = viewer
    viewer.attach(paper)
    return viewer


async def test_full_wire_gets_the_newest_when_it_has_room(hub: Hub, camera: Camera) -> None:
    slow, quick = Paper(), Paper()
    viewer = seed_on(hub, slow)
    seed_on(hub, quick)
    await camera.say(picture(1))
    slow.full = True
    await camera.say(picture(2), picture(3), picture(4))
    slow.drain()
    await camera.say(picture(5))
    assert slow.frames() == [1, 4, 5]
    assert quick.frames() == [1, 2, 3, 4, 5]
    assert (viewer.delivered, viewer.missed) == (3, 2)


async def test_v1_viewer_has_two_credits_and_is_told_what_it_missed(
    hub: Hub, camera: Camera
) -> None:
    paper = Paper()
    viewer = v1_on(hub, paper)
    await camera.say(*map(picture, range(1, 7)))
    assert paper.frames() == [1, 2]
    assert paper.at_once, "with no credit left it is heard as it speaks"
    viewer.hear(b'{"ack": 2}')
    assert paper.frames() == [1, 2, 6]
    assert paper.words() == [{"type": "dropped", "frames": 3}]


async def test_acknowledgements_are_read_when_credit_is_needed(hub: Hub, camera: Camera) -> None:
    paper = Paper()
    viewer = v1_on(hub, paper)
    for number in range(1, 10):
        await camera.say(picture(number))
        paper.said.append(b'{"ack": %d}' % number)
    assert paper.frames() == list(range(1, 10))
    assert not paper.at_once
    assert viewer.missed == 0


async def test_frame_that_waits_goes_out_when_credit_is_collected(hub: Hub, camera: Camera) -> None:
    paper = Paper()
    v1_on(hub, paper)
    await camera.say(*map(picture, range(1, 4)))
    assert paper.frames() == [1, 2]
    paper.said = [b'{"ack": 2}']
    async with asyncio.timeout(5):
        while paper.frames() != [1, 2, 3]:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("word", [b"{}", b"[]", b"null", b'{"ack": "1"}', b"\xff", b"x" * 99, "{"])
async def test_what_is_no_acknowledgement_gives_no_credit(
    hub: Hub, camera: Camera, word: bytes | str
) -> None:
    paper = Paper()
    viewer = v1_on(hub, paper)
    await camera.say(*map(picture, range(1, 4)))
    assert viewer.hear(word) is False
    assert viewer.hear(b'{"ack": 7}') is False
    assert paper.frames() == [1, 2]
    assert viewer.hear('{"ack":1,"more":true}') is True
    assert paper.frames() == [1, 2, 3]


async def test_status_goes_first_and_needs_no_credit(hub: Hub, camera: Camera) -> None:
    paper = Paper()
    v1_on(hub, paper)
    await camera.say(*map(picture, range(1, 4)), Status("stale", 9, "No picture for a while."))
    assert [word["type"] for word in paper.words()] == ["status"]
    paper.full = True
    await camera.say(Status("live", 10), picture(5), Status("stale", 11))
    paper.drain()
    assert [word["state"] for word in paper.words()] == ["stale", "stale"], "only the newest"


async def test_who_left_is_written_to_no_more_and_is_counted(hub: Hub, camera: Camera) -> None:
    paper = Paper()
    viewer = seed_on(hub, paper)
    await camera.say(picture(1))
    viewer.leave()
    viewer.leave()
    await camera.say(picture(2), Status("live", 1))
    paper.drain()
    assert paper.frames() == [1]
    assert hub.tallies["a"].delivered == {"seed": 1}


async def test_ages_at_delivery_are_counted_for_every_viewer(hub: Hub, camera: Camera) -> None:
    for _ in range(3):
        seed_on(hub, Paper())
    await camera.say(picture(int(time.time() * 1000) - 70))
    tally = hub.tallies["a"]
    assert sum(tally.ages) == 3
    assert sum(tally.ages[:3]) == 0
    assert 200 <= tally.age_ms < 1500
