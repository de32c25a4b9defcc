"""What the hub keeps, when a camera's masks change: nothing that was made with other ones."""

from __future__ import annotations

from dataclasses import replace

from cameras.live.formats import V1Viewer
from cameras.live.frames import Frame, Status
from cameras.live.hub import Hub, Viewer
from cameras.live.mask_versions import TRUST_S, Masked, MaskVersions
from cameras.live.variants import Variant
from tests.cameras.live.sources import Camera, picture

OLD, NEW = "1-a", "2-b"


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
    first = look(hub, OLD)
    await camera.say(masked(1, OLD))
    assert shown(first) == 1
    assert shown(look(hub, OLD)) == 1


async def test_who_joins_after_the_change_gets_nothing_from_before_it(
    hub: Hub, camera: Camera
) -> None:
    first = look(hub, OLD)
    await camera.say(masked(1, OLD))
    late = look(hub, NEW)
    assert shown(late) is None
    await camera.say(masked(2, OLD))
    assert shown(late) is None, "which was on its way"
    assert shown(first) is None, "nor does anybody else, from then on"
    await camera.say(masked(3, NEW))
    assert shown(late) == shown(first) == 3
    assert shown(look(hub, NEW)) == 3


async def test_what_a_viewer_has_not_taken_goes_when_the_masks_change(
    hub: Hub, camera: Camera
) -> None:
    slow = look(hub, OLD)
    await camera.say(masked(1, OLD), Status("connecting", 1, mark=NEW))
    assert shown(slow) is None
    assert shown(look(hub)) is None, "also for who does not know of the change"


async def test_a_camera_that_is_switched_off_keeps_no_picture_here(
    hub: Hub, camera: Camera
) -> None:
    """Its masks can be changed without a word from ingest, which does not read it."""
    look(hub, OLD)
    await camera.say(masked(1, OLD), Status("ended", 1, mark=OLD))
    assert shown(look(hub)) is None


async def test_who_read_the_table_before_the_change_waits_for_nothing(
    hub: Hub, camera: Camera
) -> None:
    look(hub, OLD)
    await camera.say(masked(1, OLD), masked(2, NEW))
    behind = look(hub, OLD)
    assert shown(behind) == 2
    await camera.say(masked(3, NEW))
    assert shown(behind) == 3


async def test_a_socket_that_has_not_acknowledged_gets_no_old_picture(
    hub: Hub, camera: Camera
) -> None:
    viewer = hub.join("a", lambda feed: V1Viewer(feed, Variant(), "a"), mark=OLD)
    await camera.say(masked(1, OLD))
    hub_message = viewer.next()
    assert hub_message is not None
    await camera.say(masked(2, OLD), Status("connecting", 1, mark=NEW))
    while (message := viewer.next()) is not None:
        assert message.is_text


def test_ingest_is_trusted_in_the_end() -> None:
    marks = MaskVersions()
    assert marks.passes("1-a", 0)
    assert not marks.expect("2-b", 1)
    assert not marks.passes("1-a", 1 + TRUST_S)
    assert marks.passes("1-a", 1.1 + TRUST_S)


def test_masks_that_are_drawn_again_are_not_taken_for_those_of_before() -> None:
    marks = MaskVersions()
    assert marks.passes("1-a", 0)
    assert marks.passes("2-b", 1)
    assert not marks.expect("3-a", 1.1), "however short a time they were gone"
    assert not marks.passes("2-b", 1.2)
    assert marks.passes("3-a", 1.3)


def test_a_mark_that_was_skipped_is_not_waited_for() -> None:
    marks = MaskVersions()
    assert marks.passes("1-a", 0)
    assert marks.passes("3-c", 1)
    assert marks.expect("2-b", 1.1), "it was read before the last change"
    assert marks.passes("3-c", 1.2)


def test_the_newest_that_anybody_read_is_waited_for() -> None:
    marks = MaskVersions()
    assert marks.passes("1-a", 0)
    assert not marks.expect("3-c", 0.1)
    assert not marks.expect("2-b", 0.2)
    assert not marks.passes("2-b", 0.3)
    assert marks.passes("3-c", 0.4)


def test_what_a_replaced_reader_still_sends_does_not_pass() -> None:
    marks = MaskVersions()
    assert marks.passes("2-b", 0)
    assert not marks.passes("1-a", 0.1)
    assert (marks.passes("2-b", 3), marks.newest) == (True, "2-b")
    assert not marks.passes("1-a", TRUST_S), "while the newer one speaks"
    assert marks.passes("1-a", 3 + TRUST_S), "a database that was restored counts from there"


def test_a_mark_without_a_number_is_the_oldest() -> None:
    marks = MaskVersions()
    assert marks.passes("", 0)
    assert not marks.expect("1-a", 0.1)
    assert not marks.passes("1234567890", 0.2)
    assert marks.passes("1-a", 0.3)


def test_a_first_mark_that_is_not_the_awaited_one_does_not_pass() -> None:
    marks = MaskVersions()
    assert not marks.expect("2-b", 0)
    assert not marks.passes("1-a", 0.1)
    assert marks.passes("2-b", 0.2)


async def test_ingests_word_comes_before_its_first_picture(hub: Hub, camera: Camera) -> None:
    slow = look(hub, OLD)
    await camera.say(masked(1, OLD), Masked(NEW))
    assert shown(slow) is None
    assert shown(look(hub)) is None
    await camera.say(masked(2, NEW))
    assert shown(slow) == 2
