"""Pictures of cameras that are interlaced, squeezed, turned or coded in rare ways, as shown."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from cameras.ingest.worker.picture import Picture
from cameras.ingest.worker.reconnect import ReconnectingCapture
from cameras.ingest.worker.source import Source
from tests.cameras.ingest.worker.captured import captured, pictures, state
from tests.clips import Image, make_clip, scene, unlikeness
from tests.servers import ffmpeg, rtsp_server
from tests.waiting import until


def shown(path: Path, count: int = 3, aspect: str = "auto") -> Picture:
    """A picture of a clip in the media folder, after the first ones."""
    with captured("file", path.name, media_root=path.parent, aspect=aspect) as camera:
        return pictures(camera, count)[-1]


def pixels(picture: Picture) -> Image:
    image = picture.pixels()
    assert image is not None
    assert image.shape == (picture.height, picture.width, 3)
    return image


def combing(image: Image) -> float:
    """How much lines differ from both their neighbours: high where two fields are woven."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.int16)
    middle = grey[1:-1] * 2 - grey[:-2] - grey[2:]
    return float(np.abs(middle).mean())


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [
        ("libx264", "yuv420p"), ("libx264", "yuv420p10le"), ("libx264", "yuv422p"),
        ("libx264", "yuv444p"), ("libx265", "yuv420p"), ("mpeg2video", "yuv420p"),
        ("mpeg4", "yuv420p"), ("mjpeg", "yuvj422p"), ("ffv1", "gray"), ("ffv1", "bgr0"),
    ],
)  # fmt: skip
def test_every_pixel_format_is_shown(codec: str, pixel_format: str, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", codec, pixels=pixel_format, rate=25)
    image = pixels(shown(clip))
    expected = scene()[0]
    if pixel_format == "gray":
        expected = cv2.cvtColor(cv2.cvtColor(expected, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert unlikeness(image, expected) < 8


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_interlaced_picture_is_shown_without_combs(codec: str, tmp_path: Path) -> None:
    woven = scene()[20].copy()
    woven[1::2] = scene()[30][1::2]
    clip = make_clip(
        tmp_path / "clip.ts", codec, size=(720, 432), interlaced=True, rate=25, count=40
    )
    image = pixels(shown(clip, 12))
    assert unlikeness(image) < 8
    still = cv2.resize(scene()[5], (720, 432), interpolation=cv2.INTER_AREA)
    assert combing(image) < combing(still) * 1.3


def test_interlaced_and_squeezed_rtsp_camera_is_shown_in_its_shape(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "clip.mp4", size=(704, 576), pixel_aspect=Fraction(16, 11), interlaced=True
    )
    with rtsp_server(clip) as server, captured("rtsp", server.url) as camera:
        picture = pictures(camera, 5)[-1]
        assert (picture.width, picture.height) == (1024, 576)
        assert unlikeness(pixels(picture)) < 8
        until(lambda: state(camera) == "live")


def test_shape_that_the_camera_does_not_tell_can_be_set(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=(704, 576))
    picture = shown(clip, aspect="16:9")
    assert (picture.width, picture.height) == (1024, 576)
    assert pixels(picture).shape == (576, 1024, 3)
    clip = make_clip(tmp_path / "told.mp4", size=(704, 576), pixel_aspect=Fraction(16, 11))
    picture = shown(clip, aspect="square")
    assert (picture.width, picture.height) == (704, 576)


def test_senseless_shape_is_ignored(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=(352, 288), pixel_aspect=Fraction(1, 200))
    assert (shown(clip).width, shown(clip).height) == (352, 288)


@pytest.mark.parametrize(("degrees", "code"), [(90, cv2.ROTATE_90_COUNTERCLOCKWISE),
                                               (180, cv2.ROTATE_180),
                                               (270, cv2.ROTATE_90_CLOCKWISE)])  # fmt: skip
def test_video_is_turned_once_as_its_metadata_says(degrees: int, code: int, tmp_path: Path) -> None:
    ffmpeg("-c", "copy", "-t", "3", "-metadata:s:v", f"rotate={degrees}", tmp_path / "clip.mp4")
    picture = shown(tmp_path / "clip.mp4")
    upright = cv2.rotate(scene()[0], code)
    assert (picture.width, picture.height) == upright.shape[1::-1]
    assert unlikeness(pixels(picture), upright) < 8
    luma = picture.luma(64, 64)
    assert luma is not None
    grey = cv2.resize(cv2.cvtColor(upright, cv2.COLOR_BGR2GRAY), (64, 64))
    assert np.abs(luma.astype(int) - grey).mean() < 12


@pytest.mark.parametrize("decoder", ["cuda", "qsv"])
def test_video_is_decoded_in_software_where_the_hardware_is_missing(
    decoder: str, tmp_path: Path
) -> None:
    if any(Path("/dev").glob("nvidia*")) or Path("/dev/dri").exists():
        pytest.skip("this machine may have the hardware")
    make_clip(tmp_path / "clip.mp4")
    source = Source("file", "clip.mp4", tmp_path, decoder=decoder)
    camera = ReconnectingCapture(source)
    camera.rate = 100
    camera.start()
    try:
        assert unlikeness(pixels(pictures(camera, 2)[-1])) < 8
        health = until(lambda: (now := camera.health()).state == "live" and now)
        assert health.reason == f"Decoded in software: {decoder} cannot be used here."
    finally:
        assert camera.stop(60)
