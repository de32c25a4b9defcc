"""What the hub keeps, when a camera's masks change: nothing that was made with other ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cameras.live.dialects import V1Viewer
from cameras.live.frames import Frame
from cameras.live.hub import Hub
from cameras.live.marks import RECENT_S, TRUST_S, Marks, Masked
from cameras.live.status import Status
from cameras.live.variants import Variant
from cameras.live.viewers import Viewer
from tests.cameras.live.sources import Camera, picture

pytestmark = pytest.mark.one_database


def masked(timestamp: int, mark: str) -> Frame:
    return replace(picture(timestamp), mark=mark)


def look(hub: Hub, mark: str | None = None) -> Viewer:
    return hub.join("a", lambda feed: Viewer(feed, Variant()), mark=mark)


def shown(viewer: Viewer) -> int | None:
    frame = viewer.take_frame()
    return None if frame is None else frame.timestamp


async def test_who_joins_gets_the_kept_picture_if_its_masks_are_still_those(
    hub: Hub, camera: Camera
) -> None:
    first = look(hub, "old")
    await camera.say(masked(1, "old"))
    assert shown(first) == 1
    assert shown(look(hub, "old")) == 1


async def test_who_joins_after_the_change_gets_nothing_from_before_it(
    hub: Hub, camera: Camera
) -> None:
    first = look(hub, "old")
    await camera.say(masked(1, "old"))
    late = look(hub, "new")
    assert shown(late) is None
    await camera.say(masked(2, "old"))
    assert shown(late) is None, "which was on its way"
    assert shown(first) is None, "nor does anybody else, from then on"
    await camera.say(masked(3, "new"))
    assert shown(late) == shown(first) == 3
    assert shown(look(hub, "new")) == 3


async def test_what_a_viewer_has_not_taken_goes_when_the_masks_change(
    hub: Hub, camera: Camera
) -> None:
    slow = look(hub, "old")
    await camera.say(masked(1, "old"), Status("connecting", 1, mark="new"))
    assert shown(slow) is None
    assert shown(look(hub)) is None, "also for who does not know of the change"


async def test_a_camera_that_is_switched_off_keeps_no_picture_here(
    hub: Hub, camera: Camera
) -> None:
    """Its masks can be changed without a word from ingest, which does not read it."""
    look(hub, "old")
    await camera.say(masked(1, "old"), Status("ended", 1, mark="old"))
    assert shown(look(hub)) is None


async def test_who_read_the_table_before_the_change_waits_for_nothing(
    hub: Hub, camera: Camera
) -> None:
    look(hub, "old")
    await camera.say(masked(1, "old"), masked(2, "new"))
    behind = look(hub, "old")
    assert shown(behind) == 2
    await camera.say(masked(3, "new"))
    assert shown(behind) == 3


async def test_a_socket_that_has_not_acknowledged_gets_no_old_picture(
    hub: Hub, camera: Camera
) -> None:
    viewer = hub.join("a", lambda feed: V1Viewer(feed, Variant(), "a"), mark="old")
    await camera.say(masked(1, "old"))
    hub_message = viewer.next()
    assert hub_message is not None
    await camera.say(masked(2, "old"), Status("connecting", 1, mark="new"))
    while (message := viewer.next()) is not None:
        assert message.is_text


def test_ingest_is_trusted_in_the_end() -> None:
    marks = Marks()
    assert marks.passes("old", 0)
    assert not marks.expect("new", 1)
    assert not marks.passes("old", 1 + TRUST_S)
    assert marks.passes("old", 1.1 + TRUST_S)


def test_masks_that_return_are_not_taken_for_old_ones_for_ever() -> None:
    marks = Marks()
    marks.passes("a", 0)
    marks.passes("b", 1)
    assert marks.expect("a", 1 + RECENT_S / 2), "read before the change, as far as anybody knows"
    assert not marks.expect("a", 1.1 + RECENT_S)
    assert not marks.passes("b", 1.2 + RECENT_S)
    assert marks.passes("a", 1.3 + RECENT_S)


def test_a_first_mark_that_is_not_the_awaited_one_does_not_pass() -> None:
    marks = Marks()
    assert not marks.expect("new", 0)
    assert not marks.passes("old", 0.1)
    assert marks.passes("new", 0.2)


async def test_ingests_word_comes_before_its_first_picture(hub: Hub, camera: Camera) -> None:
    slow = look(hub, "old")
    await camera.say(masked(1, "old"), Masked("new"))
    assert shown(slow) is None
    assert shown(look(hub)) is None
    await camera.say(masked(2, "new"))
    assert shown(slow) == 2
