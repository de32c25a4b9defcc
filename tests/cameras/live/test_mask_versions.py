"""The hub drops pictures with old masks when a camera's masks change."""

from __future__ import annotations

from dataclasses import replace

from cameras.live.formats import V1Viewer
from cameras.live.frames import Frame, Status
from cameras.live.hub import Hub, Viewer
from cameras.live.mask_versions import TRUST_S, MasksChanged, MaskVersions
from cameras.live.variants import Variant
from tests.cameras.live.sources import Camera, picture

OLD, NEW = "1-a", "2-b"


def masked(timestamp: int, version: str) -> Frame:
    return replace(picture(timestamp), mask_version=version)


def join(hub: Hub, version: str | None = None) -> Viewer:
    return hub.join("a", lambda feed: Viewer(feed, Variant()), mask_version=version)


def timestamp_of(viewer: Viewer) -> int | None:
    frame = viewer.take_frame()
    return None if frame is None else frame.timestamp


async def test_new_viewer_gets_the_kept_picture_if_its_masks_are_current(
    hub: Hub, camera: Camera
) -> None:
    first = join(hub, OLD)
    await camera.send(masked(1, OLD))
    assert timestamp_of(first) == 1
    assert timestamp_of(join(hub, OLD)) == 1


async def test_viewer_that_joins_after_the_change_gets_no_picture_from_before_it(
    hub: Hub, camera: Camera
) -> None:
    first = join(hub, OLD)
    await camera.send(masked(1, OLD))
    late = join(hub, NEW)
    assert timestamp_of(late) is None
    await camera.send(masked(2, OLD))
    assert timestamp_of(late) is None, "it was sent before ingest knew of the change"
    assert timestamp_of(first) is None, "from then on no viewer gets the old one"
    await camera.send(masked(3, NEW))
    assert timestamp_of(late) == timestamp_of(first) == 3
    assert timestamp_of(join(hub, NEW)) == 3


async def test_untaken_picture_is_dropped_when_the_masks_change(hub: Hub, camera: Camera) -> None:
    slow = join(hub, OLD)
    await camera.send(masked(1, OLD), Status("connecting", 1, mask_version=NEW))
    assert timestamp_of(slow) is None
    assert timestamp_of(join(hub)) is None, "also for a viewer that does not know the version"


async def test_no_picture_is_kept_of_a_camera_that_is_switched_off(
    hub: Hub, camera: Camera
) -> None:
    """Its masks may change without notice, since ingest does not read it."""
    join(hub, OLD)
    await camera.send(masked(1, OLD), Status("ended", 1, mask_version=OLD))
    assert timestamp_of(join(hub)) is None


async def test_viewer_with_an_older_version_gets_the_current_picture(
    hub: Hub, camera: Camera
) -> None:
    join(hub, OLD)
    await camera.send(masked(1, OLD), masked(2, NEW))
    behind = join(hub, OLD)
    assert timestamp_of(behind) == 2
    await camera.send(masked(3, NEW))
    assert timestamp_of(behind) == 3


async def test_viewer_without_credit_gets_no_old_picture_later(hub: Hub, camera: Camera) -> None:
    viewer = hub.join("a", lambda feed: V1Viewer(feed, Variant(), "a"), mask_version=OLD)
    await camera.send(masked(1, OLD))
    assert viewer.next_message() is not None
    await camera.send(masked(2, OLD), Status("connecting", 1, mask_version=NEW))
    while (message := viewer.next_message()) is not None:
        assert message.is_text


def test_version_of_ingest_is_accepted_after_a_while() -> None:
    versions = MaskVersions()
    assert versions.accept("1-a", 0)
    assert not versions.expect("2-b", 1)
    assert not versions.accept("1-a", 1 + TRUST_S)
    assert versions.accept("1-a", 1.1 + TRUST_S)


def test_masks_that_are_drawn_again_have_a_new_version() -> None:
    versions = MaskVersions()
    assert versions.accept("1-a", 0)
    assert versions.accept("2-b", 1)
    assert not versions.expect("3-a", 1.1), "the masks are those of 1-a, but newer than 2-b"
    assert not versions.accept("2-b", 1.2)
    assert versions.accept("3-a", 1.3)


def test_version_older_than_the_newest_is_not_expected() -> None:
    versions = MaskVersions()
    assert versions.accept("1-a", 0)
    assert versions.accept("3-c", 1)
    assert versions.expect("2-b", 1.1), "it was read before the last change"
    assert versions.accept("3-c", 1.2)


def test_the_newest_of_several_expected_versions_counts() -> None:
    versions = MaskVersions()
    assert versions.accept("1-a", 0)
    assert not versions.expect("3-c", 0.1)
    assert not versions.expect("2-b", 0.2)
    assert not versions.accept("2-b", 0.3)
    assert versions.accept("3-c", 0.4)


def test_packets_of_a_replaced_reader_are_refused() -> None:
    versions = MaskVersions()
    assert versions.accept("2-b", 0)
    assert not versions.accept("1-a", 0.1)
    assert (versions.accept("2-b", 3), versions.newest) == (True, "2-b")
    assert not versions.accept("1-a", TRUST_S), "while the newer one still arrives"
    assert versions.accept("1-a", 3 + TRUST_S), "a restored database counts from a lower number"


def test_version_without_a_number_is_the_oldest() -> None:
    versions = MaskVersions()
    assert versions.accept("", 0)
    assert not versions.expect("1-a", 0.1)
    assert not versions.accept("1234567890", 0.2)
    assert versions.accept("1-a", 0.3)


def test_first_version_is_refused_if_another_is_expected() -> None:
    versions = MaskVersions()
    assert not versions.expect("2-b", 0)
    assert not versions.accept("1-a", 0.1)
    assert versions.accept("2-b", 0.2)


async def test_notice_of_changed_masks_drops_pictures_before_the_next_one(
    hub: Hub, camera: Camera
) -> None:
    slow = join(hub, OLD)
    await camera.send(masked(1, OLD), MasksChanged(NEW))
    assert timestamp_of(slow) is None
    assert timestamp_of(join(hub)) is None
    await camera.send(masked(2, NEW))
    assert timestamp_of(slow) == 2
