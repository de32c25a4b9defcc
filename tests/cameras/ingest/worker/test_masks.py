"""Privacy masks in ingest: what is painted, how fast, and that nothing shows through."""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cameras.ingest.worker.detector import Detector
from cameras.ingest.worker.encoder import encode_picture
from cameras.ingest.worker.masks import GREY, MARGIN, Masks
from cameras.ingest.worker.push import Push
from tests.cameras.ingest.worker.driven import is_frame, worker
from tests.masked import MASKS, area, is_covered, is_loud, likeness, scene, secret_jpeg
from tests.servers import http_camera, plaza_jpegs, rtsp_server
from tests.sockets import pixels
from tests.waiting import until

SAMPLINGS = (
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)
WHOLE = [[[0, 0], [1, 0], [1, 1], [0, 1]]]


def painted(polygons: Any, width: int = 640, height: int = 360) -> np.ndarray[Any, Any]:
    """Return a bitmap that is True where a white picture was painted."""
    image = np.full((height, width, 3), 255, np.uint8)
    Masks(polygons).paint(image)
    assert set(np.unique(image)) <= {GREY, 255}
    return (image == GREY).all(axis=2)


def test_area_and_its_margin_are_painted_and_nothing_else() -> None:
    found = painted([[[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]])
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    assert found[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    for found_at, exact in ((columns[0], 160), (rows[0], 90)):
        assert MARGIN <= exact - found_at <= MARGIN + 1
    for found_at, exact in ((columns[-1], 479), (rows[-1], 269)):
        assert MARGIN <= found_at - exact <= MARGIN + 1


def test_area_at_the_edge_is_painted_up_to_the_edge() -> None:
    found = painted([[[0, 0], [0.3, 0], [0.3, 1], [0, 1]]])
    assert found[:, :190].all()
    assert not found[:, 230:].any()
    assert painted(WHOLE, 37, 23).all()
    assert painted([[[0.5, 0.5], [1, 0.5], [1, 1]]], 1, 1).all()


def test_self_intersecting_outline_has_no_hole() -> None:
    star = [
        [0.5 + 0.4 * np.sin(4 * np.pi * at / 5), 0.5 - 0.4 * np.cos(4 * np.pi * at / 5)]
        for at in range(5)
    ]
    assert painted([star])[180, 320], "its middle"
    assert painted([[[0.2, 0.2], [0.8, 0.8], [0.8, 0.2], [0.2, 0.8]]])[180, 150:200].all()


def test_overlapping_areas_do_not_cancel_out() -> None:
    found = painted([WHOLE[0], [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]])
    assert found.all()


def test_masks_follow_a_changed_picture_size() -> None:
    masks = Masks(MASKS)
    for width, height in ((640, 360), (1280, 720), (320, 240), (641, 359), (640, 360)):
        image = scene(1, width, height).copy()
        masks.paint(image)
        assert is_covered(image), (width, height)


def test_view_of_a_larger_array_is_painted_in_place() -> None:
    larger = np.full((400, 700, 3), 255, np.uint8)
    Masks(WHOLE).paint(larger[20:380, 30:670])
    assert (larger[20:380, 30:670] == GREY).all()
    assert (larger[:20] == 255).all()


def test_pixels_that_cannot_be_painted_in_place_are_refused() -> None:
    with pytest.raises((ValueError, cv2.error)):
        Masks(WHOLE).paint(np.full((360, 640), 255, np.uint8))


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_no_pixel_depends_on_the_masked_content(sampling: int) -> None:
    """A compressed picture shows traces around the mask too, in the rest of each block."""
    one, other = (pixels(secret_jpeg(secret, sampling)) for secret in (1, 2))
    outside = ~area(640, 360)
    assert (one[outside] != other[outside]).any(), "there is something to hide outside the area"
    for image in (one, other):
        Masks(MASKS).paint(image)
    assert (one == other).all()


@pytest.mark.parametrize("quality", [30, 80, 95])
def test_encoded_picture_does_not_correlate_with_the_masked_content(quality: int) -> None:
    image = pixels(secret_jpeg(1))
    assert likeness(image, 1) > 0.5
    Masks(MASKS).paint(image)
    shown = bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])
    assert is_covered(shown)
    by_chance = max(likeness(shown, secret) for secret in range(20, 24))
    assert likeness(shown, 1) < max(2 * by_chance, 0.01)


@pytest.mark.timing
def test_painting_a_720p_picture_is_faster_than_encoding_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    image = scene(1, 1280, 720).copy()
    many = [
        [[x / 8, y / 2], [x / 8 + 0.1, y / 2], [x / 8, y / 2 + 0.4]]
        for x in range(8)
        for y in (0, 1)
    ]
    for name, polygons in (("one area", MASKS), ("16 areas", many), ("all of it", WHOLE)):
        masks = Masks(polygons)
        first = _ms(lambda: masks.paint(image), 1)  # noqa: B023
        paint = _ms(lambda: masks.paint(image), 50)  # noqa: B023
        encode = _ms(lambda: cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80]), 20)
        with capsys.disabled():
            print(
                f"\n{name}: {paint:.2f} ms a picture ({first:.1f} the first), encoding {encode:.2f}"
            )
        assert paint < encode
        assert paint <= 5


def _ms(call: Callable[[], object], times: int) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return float(np.median(found)) * 1000


def test_pushed_picture_is_masked_before_it_can_be_read() -> None:
    camera = Push(Masks(MASKS))
    camera.start()
    assert camera.take(1000, secret_jpeg(1), captured_at=7.0)
    picture = until(lambda: camera.slot.newest(), 30, "a picture")
    assert picture.jpeg is None
    assert picture.image is not None
    assert is_covered(picture.image)
    assert (picture.timestamp, picture.width, picture.height) == (1000, 640, 360)
    assert picture.captured_at == 7.0, "its age counts from its arrival"


def test_pushed_picture_that_cannot_be_decoded_is_not_shown() -> None:
    camera = Push(Masks(MASKS))
    camera.start()
    lossless = secret_jpeg(1).replace(b"\xff\xc0", b"\xff\xc3", 1)  # not decodable
    assert camera.take(1000, lossless)
    assert camera.take(2000, secret_jpeg(1))
    picture = until(lambda: camera.slot.newest(), 30, "a picture")
    assert picture.timestamp == 2000


def test_picture_with_exif_rotation_is_masked_as_shown() -> None:
    """Masks are drawn on the rotated picture. The EXIF thumbnail is removed, too."""
    upright = np.rot90(scene(1, 360, 640), 1)  # as a phone held upright stores it
    jpeg = bytes(cv2.imencode(".jpg", upright)[1])
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4) + secret_jpeg(1)[:5000]
    rotated = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    assert pixels(rotated).shape == (640, 360, 3)
    assert is_loud(rotated)
    camera = Push(Masks(MASKS))
    camera.start()
    assert camera.take(1000, rotated)
    picture = until(lambda: camera.slot.newest(), 30, "a picture")
    frame = encode_picture(picture, None, 80, None)
    assert frame is not None
    assert (frame.width, frame.height) == (360, 640)
    assert is_covered(frame.jpeg)
    assert b"Exif" not in frame.jpeg


def clip(folder: Path, name: str, codec: str) -> str:
    """Write a video whose masked content changes with every picture."""
    writer = cv2.VideoWriter(str(folder / name), cv2.VideoWriter_fourcc(*codec), 10, (640, 360))  # type: ignore[attr-defined]
    assert writer.isOpened()
    for number in range(30):
        writer.write(scene(number))
    writer.release()
    read, image = cv2.VideoCapture(str(folder / name)).read()
    assert read
    assert is_loud(image)
    return name


@pytest.mark.parametrize(
    ("name", "codec", "masks"),
    [("secret.avi", "MJPG", MASKS), ("secret.mp4", "mp4v", MASKS), ("secret.avi", "MJPG", [])],
    ids=["avi", "mp4", "without masks"],
)
def test_every_packet_of_a_recording_is_masked(
    tmp_path: Path, name: str, codec: str, masks: Any
) -> None:
    source = clip(tmp_path, name, codec)
    with worker(kind="file", source=source, media_root=str(tmp_path), masks=masks) as driver:
        driver.send({"type": "demand", "rates": [(0, 0), (320, 0)]})
        found: dict[tuple[str, int], int] = {}
        for header, jpeg in driver.packets(60):
            if header["type"] not in ("frame", "still"):
                continue
            place = header["type"], header.get("variant", 0)
            found[place] = found.get(place, 0) + 1
            assert is_covered(jpeg) if masks else is_loud(jpeg), place
            if found.get(("frame", 0), 0) >= 10 and found.get(("frame", 320), 0) >= 10:
                break
        assert found.keys() == {("frame", 0), ("frame", 320), ("still", 0)}


def test_every_packet_of_an_http_camera_is_masked() -> None:
    with http_camera() as camera, worker(kind="http", source=camera.url, masks=MASKS) as driver:
        driver.send({"type": "demand", "rates": [(0, 0)]})
        driver.first(lambda h: h["type"] == "still")
        for _ in range(5):
            _, jpeg = driver.first(is_frame)
            assert is_covered(jpeg)
        camera.frozen = True
        _, jpeg = driver.first(lambda h: h["type"] == "still")
        assert is_covered(jpeg), "the last picture of a camera that went stale"


def test_every_packet_of_an_rtsp_camera_is_masked() -> None:
    with rtsp_server() as camera, worker(kind="rtsp", source=camera.url, masks=MASKS) as driver:
        driver.send({"type": "demand", "rates": [(0, 0)]})
        pictures = [driver.first(is_frame)[1] for _ in range(8)]
        assert all(map(is_covered, pictures))


def test_nothing_is_detected_beneath_a_mask() -> None:
    """With the right half of a picture masked, only people in the left half are found."""
    jpeg, right = plaza_jpegs()[0], [[[0.5, 0], [1, 0], [1, 1], [0.5, 1]]]
    there = middles(found.bbox for found in Detector().detect(pixels(jpeg)))
    assert sum(at > 384 + MARGIN for at in there) >= 2
    numbers = itertools.count()
    with worker(kind="push", detect=True, masks=right) as driver:
        driver.send({"type": "demand", "rates": [(0, 0)]})

        def detected() -> list[float]:
            timestamp = int(time.time() * 1000) + next(numbers)
            driver.send({"type": "push", "timestamp": timestamp}, jpeg)
            header, shown = driver.first(is_frame)
            assert (abs(pixels(shown)[:, 384:].astype(int) - GREY) <= 2).all()
            return middles(found["bbox"] for found in header["detections"])

        assert max(until(detected, 60, "a detection")) < 384


def middles(boxes: Iterable[Sequence[float]]) -> list[float]:
    """Return the horizontal centres of the boxes, in pixels."""
    return [left + width / 2 for left, _, width, _ in boxes]
