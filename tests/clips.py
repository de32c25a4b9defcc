"""Clips of the demo scene as other cameras would send it, and how alike two pictures are."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tests.servers import PLAZA

Image = NDArray[np.uint8]

INTERLACED = (1 << 18) | (1 << 29)  # AV_CODEC_FLAG_INTERLACED_DCT and _ME


@cache
def scene(count: int = 40) -> tuple[Image, ...]:
    """The first pictures of the demo clip, BGR [432, 768, 3]."""
    with av.open(str(PLAZA)) as clip:
        frames = clip.decode(video=0)
        return tuple(next(frames).to_ndarray(format="bgr24") for _ in range(count))


def make_clip(
    path: Path,
    codec: str = "libx264",
    *,
    size: tuple[int, int] = (768, 432),
    pixels: str = "yuv420p",
    pixel_aspect: Fraction | None = None,
    interlaced: bool = False,
    keyframes: int = 10,
    rate: int = 10,
    every: int = 0,
    count: int = 40,
) -> Path:
    """Encode the scene; `keyframes` is the number of frames from one to the next.

    `every`: the seconds between two frames, of a clip that has less than one a second.
    """
    options = {"preset": "ultrafast", "bf": "0"} if codec == "libx264" else {}
    if codec == "libx265":
        options = {"preset": "ultrafast", "x265-params": "log-level=none"}
    if interlaced and codec == "libx264":
        options["x264-params"] = "tff=1"
    with av.open(str(path), "w") as output:
        step = Fraction(every) if every else Fraction(1, rate)
        stream = output.add_stream(codec, rate=1 / step, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.gop_size = keyframes
        # One slice a frame: the tests' RTSP server repeats the parameters before each slice, which
        # FFmpeg takes for the start of another frame.
        stream.codec_context.thread_count = 1
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if interlaced:
            stream.codec_context.flags |= INTERLACED
        for number, image in enumerate(_pictures(count, interlaced)):
            scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            frame = av.VideoFrame.from_ndarray(scaled, "bgr24").reformat(format=pixels)
            frame.pts, frame.time_base = number, step
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def _pictures(count: int, interlaced: bool) -> Iterator[Image]:
    for number in range(count):
        image = scene()[number % 39]
        if interlaced:
            image = image.copy()
            image[1::2] = scene()[number % 39 + 1][1::2]
        yield image


def unlikeness(image: Image, other: Image | None = None) -> float:
    """How far the picture is from another (or the scene), in grey levels: 0 to 255.

    Pictures of the same scene are below 10, stretched or turned ones above 20.
    """
    other = scene()[0] if other is None else other
    small = [cv2.resize(each, (96, 54), interpolation=cv2.INTER_AREA) for each in (image, other)]
    return float(np.abs(small[0].astype(np.int16) - small[1]).mean())


def with_exif(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG, whose EXIF says that it is turned."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


# What makes a picture upright whose EXIF has that orientation, and its inverse.
STORED = {
    1: lambda image: image,
    2: lambda image: np.fliplr(image),
    3: lambda image: np.rot90(image, 2),
    4: lambda image: np.flipud(image),
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, 1),
    7: lambda image: np.rot90(image, 2).transpose(1, 0, 2),
    8: lambda image: np.rot90(image, -1),
}


def turned_jpeg(image: Image, orientation: int) -> bytes:
    """A JPEG as a camera stores that upright picture when it is held so."""
    stored = np.ascontiguousarray(STORED[orientation](image))
    return with_exif(cv2.imencode(".jpg", stored)[1].tobytes(), orientation)
