"""Privacy masks in a running installation: no output contains a masked pixel.

The frames alternate between two secrets that differ only under the mask. So masked pictures must be
identical, byte for byte.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.cameras.picture_outputs import OUTPUTS, Device, Found, bearer, by_v1, mask
from tests.cameras.temporary_camera import temporary_camera, worker
from tests.installation import KEEPER, Installation, submit
from tests.masked import MASKS, is_covered, is_loud
from tests.sockets import next_picture, receive_and_acknowledge, watching
from tests.waiting import until


@pytest.fixture
def camera(installation: Installation) -> Iterator[str]:
    with temporary_camera(
        installation, name=f"Secret {uuid.uuid4()}", kind="push", detect=False
    ) as made:
        yield made


@pytest.fixture(scope="module")
def staff(installation: Installation) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=installation.url, follow_redirects=True, timeout=30) as client:
        submit(client, client.get("/signin"), KEEPER)
        yield client


def collect_pictures(output: Iterator[Found], device: Device) -> set[bytes]:
    """Return the different pictures of an output, once each secret was sent three times."""
    pictures, secrets = set[bytes](), list[int]()
    with contextlib.closing(output):  # type: ignore[type-var]
        for at, jpeg in output:
            if at in device.secrets:
                pictures.add(jpeg)
                secrets.append(device.secrets[at])
            if min(secrets.count(1), secrets.count(2)) >= 3:
                return pictures
    raise AssertionError("the stream ended")


@pytest.mark.parametrize(
    "way",
    ["v1", *(pytest.param(way, marks=pytest.mark.extended) for way in ("json", "send"))],
)
def test_pushed_pictures_with_different_secrets_are_identical_when_masked(
    installation: Installation, camera: str, way: str
) -> None:
    mask(installation, camera)
    with Device(installation, camera, way) as device:
        for name, output in OUTPUTS.items():
            for query in ("", "?width=320&fps=10") if name != "snapshot" else ("",):
                pictures = collect_pictures(output(installation, camera, query), device)
                assert len(pictures) == 1, (name, query)
                assert all(map(is_covered, pictures)), (name, query)


def test_secrets_are_visible_without_masks(installation: Installation, camera: str) -> None:
    with Device(installation, camera, "v1") as device:
        for name, output in OUTPUTS.items():
            pictures = collect_pictures(output(installation, camera), device)
            assert len(pictures) == 2, name
            assert all(map(is_loud, pictures)), name


def test_still_and_admin_thumbnail_are_masked(
    installation: Installation, camera: str, staff: httpx.Client
) -> None:
    mask(installation, camera)
    thumbnail = f"/admin/cameras/camera/{camera}/thumbnail.jpg"
    with Device(installation, camera, "v1"):
        kept = until(lambda: picture(staff, f"/cameras/{camera}/still.jpg"), 60, "a still")
        fresh = until(lambda: picture(staff, thumbnail), 60, "a thumbnail")
    with watching(installation, camera, headers=bearer(installation), v1=True) as socket:
        until(lambda: receive_and_acknowledge(socket, 60).get("state") == "offline", 60, "offline")
    old = until(lambda: picture(staff, thumbnail), 60, "a thumbnail of the still")
    assert all(map(is_covered, (kept, fresh, old)))


def picture(client: httpx.Client, address: str) -> bytes | None:
    found = client.get(address)
    return found.content if found.status_code == 200 else None


@pytest.mark.postgres
def test_new_masks_take_effect_on_running_streams_for_good(
    installation: Installation, camera: str, staff: httpx.Client
) -> None:
    """Viewers get no unmasked picture after a masked one, and new viewers get no older picture."""
    masked_meanwhile(installation, camera, staff)


@pytest.mark.timing
def test_new_masks_take_effect_on_running_streams_within_two_seconds(
    installation: Installation, camera: str, staff: httpx.Client
) -> None:
    for name, seconds in masked_meanwhile(installation, camera, staff).items():
        assert seconds < 2, name


def masked_meanwhile(
    installation: Installation, camera: str, staff: httpx.Client
) -> dict[str, float]:
    """By output: the seconds from the change until the last picture without masks."""
    seen: dict[str, list[tuple[float, bytes]]] = {name: [] for name in OUTPUTS}
    stop = threading.Event()

    def watch(name: str) -> None:
        with contextlib.closing(OUTPUTS[name](installation, camera)) as frames:  # type: ignore[type-var]
            for _, jpeg in frames:
                seen[name].append((time.monotonic(), jpeg))
                if stop.is_set():
                    return

    threads = [threading.Thread(target=watch, args=[name], daemon=True) for name in OUTPUTS]
    with Device(installation, camera, "v1"):
        for thread in threads:
            thread.start()
        until(lambda: all(len(found) > 5 for found in seen.values()), 60, "all streams")
        until(lambda: picture(staff, f"/cameras/{camera}/still.jpg"), 60, "a still")
        mask(installation, camera)
        changed = time.monotonic()
        after = [
            staff.get(f"/cameras/{camera}/still.jpg"),
            staff.get(f"/api/v1/cameras/{camera}/snapshot.jpg", headers=bearer(installation)),
            staff.get(f"/admin/cameras/camera/{camera}/thumbnail.jpg"),
        ]
        until(
            lambda: all(is_covered(found[-1][1]) for found in seen.values()), 60, "masks everywhere"
        )
        counts = {name: len(found) for name, found in seen.items()}
        until(lambda: all(len(seen[n]) > counts[n] + 10 for n in seen), 60, "more pictures")
        stop.set()
        for thread in threads:
            thread.join(30)
    for answer in after:
        assert answer.status_code in (404, 503) or is_covered(answer.content)
    took = {}
    for name, found in seen.items():
        unmasked = [at for at, jpeg in found if not is_covered(jpeg)]
        covered = [at for at, jpeg in found if is_covered(jpeg)]
        assert max(unmasked) < min(covered), f"{name}: what was masked stays masked"
        took[name] = max(unmasked) - changed
    return took


@pytest.mark.extended
def test_changed_masks_cause_no_picture_without_masks(
    installation: Installation, camera: str, staff: httpx.Client
) -> None:
    small = [[[0, 0], [0.1, 0], [0.1, 0.1]]]
    mask(installation, camera, MASKS)
    stop, unmasked = threading.Event(), list[int]()
    is_watching = threading.Event()

    def watch() -> None:
        for at, jpeg in by_v1(installation, camera):
            is_watching.set()
            if not is_covered(jpeg):
                unmasked.append(at)
            if stop.is_set():
                return

    watcher = threading.Thread(target=watch, daemon=True)
    with Device(installation, camera, "v1"):
        watcher.start()
        assert is_watching.wait(60)
        for masks in (MASKS + small, MASKS, [*MASKS, MASKS[0]]):
            before = until(lambda: kept_at(staff, camera), 60, "a still")
            mask(installation, camera, masks)
            until(lambda: kept_at(staff, camera) not in ("", before), 60, "a new reader")  # noqa: B023
        stop.set()
        watcher.join(30)
    assert unmasked == []


def kept_at(staff: httpx.Client, camera: str) -> str:
    """The time of the still, or empty: a change deletes the still, a new worker stores another."""
    return staff.get(f"/cameras/{camera}/still.jpg").headers.get("X-Timestamp", "")


def test_new_viewer_of_a_silent_camera_gets_no_picture_from_before_the_masks(
    installation: Installation, camera: str
) -> None:
    with watching(installation, camera, headers=bearer(installation), v1=True) as keeps_it:
        with Device(installation, camera, "v1"):
            assert is_loud(next_picture(keeps_it)["jpeg"])
        former = worker(installation, camera)
        mask(installation, camera)
        with watching(installation, camera, headers=bearer(installation), v1=True) as late:
            until(lambda: worker(installation, camera) not in (None, former), 60, "a new reader")
            with Device(installation, camera, "v1"):
                assert is_covered(next_picture(late)["jpeg"]), "an old picture"


def test_masks_that_are_removed_and_drawn_again_hold_for_a_new_viewer(
    installation: Installation, camera: str
) -> None:
    """The masks are the same as before, but ingest still sends pictures from in between."""
    headers = bearer(installation)
    mask(installation, camera)
    with (
        Device(installation, camera, "v1"),
        watching(installation, camera, headers=headers, v1=True) as keeps_it,
    ):
        until(lambda: is_covered(next_picture(keeps_it)["jpeg"]), 60, "masks")
        mask(installation, camera, [])
        until(lambda: is_loud(next_picture(keeps_it)["jpeg"]), 60, "the secret")
        mask(installation, camera)
        for _ in range(3):
            with watching(installation, camera, headers=headers, v1=True) as late:
                assert is_covered(next_picture(late)["jpeg"])
