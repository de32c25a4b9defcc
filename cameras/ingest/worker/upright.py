"""From a decoded frame to the picture as it is shown: upright, square pixels, progressive, 8-bit.

Zones, masks and boxes live in that picture, so it is settled once, before anything looks at it.
"""

from __future__ import annotations

import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import cv2
import numpy as np
from av import VideoFrame
from av.error import FFmpegError
from av.filter import Graph
from av.sidedata.sidedata import SideData
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from cameras.ingest.worker.masks import Masks

Image = NDArray[np.uint8]

TICK = Fraction(1, 1000)  # of the filter's clock, which only numbers the frames
STRANGEST = 4  # pixels that are said to be more than so many times as wide as high, or the reverse


class Unconvertible(Exception):
    """A decoded frame that no picture can be made of; the text is a plain sentence."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What makes a picture upright: rows and columns exchanged first, then the flips."""

    transposed: bool = False
    mirrored: bool = False  # left to right
    flipped: bool = False  # top to bottom

    @classmethod
    def from_exif(cls, orientation: int) -> Turn:
        """For an orientation of EXIF, 1 to 8."""
        return cls(orientation >= 5, orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8))

    @classmethod
    def from_matrix(cls, matrix: bytes) -> Turn:
        """For the display matrix of FFmpeg: 9 native int32. Only right angles are done."""
        if len(matrix) != 36:
            return cls()
        a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
        if abs(a) > abs(b):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def apply(self, image: Image) -> Image:
        """The upright image; the same where there is nothing to turn."""
        if self.transposed:
            image = np.asarray(cv2.transpose(image), np.uint8)
        if self.mirrored or self.flipped:
            code = -1 if self.mirrored and self.flipped else int(self.mirrored)
            image = np.asarray(cv2.flip(image, code), np.uint8)
        return image


class Turns:
    """The turns that the display matrices of a stream's frames ask for.

    The matrix is read again only where the rotation changes: PyAV's side data and their frame hold
    each other, so that the pixels of a frame which was asked wait for the collector of cycles.
    """

    def __init__(self) -> None:
        self._known: tuple[int, Turn] | None = None

    def of(self, frame: VideoFrame) -> Turn:
        """The turn of a frame."""
        if self._known is None or self._known[0] != frame.rotation:
            self._known = frame.rotation, _turn_of(frame)
        return self._known[1]


def _turn_of(frame: VideoFrame) -> Turn:
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV 18.1 has no name for some side data, such as EXIF
        return Turn()
    return Turn() if matrix is None else Turn.from_matrix(bytes(cast(SideData, matrix)))


_of_thread = threading.local()  # one `VideoReformatter` for each pixel format


class UprightFrame:
    """A decoded frame with what makes it upright. Pixels are made when they are first asked for.

    `pixel_aspect` is the width of a pixel over its height; an `aspect` other than `auto` overrides
    it for the upright picture. Thread-safe.
    """

    def __init__(
        self,
        frame: VideoFrame,
        turn: Turn,
        masks: Masks,
        pixel_aspect: Fraction | None = None,
        aspect: str = "auto",
    ) -> None:
        self._frame, self._turn, self._masks = frame, turn, masks
        self.width, self.height = upright_size(
            frame.width, frame.height, turn, pixel_aspect, aspect
        )
        self._lock = threading.Lock()
        self._pixels: Image | None = None

    def pixels(self) -> Image:
        """BGR [height, width, 3], masks painted over. Raises `Unconvertible`."""
        with self._lock:
            if self._pixels is None:
                self._pixels = self._convert()
            return self._pixels

    def luma(self, width: int, height: int) -> Image:
        """Brightness [height, width] of the whole picture, scaled; masked areas are even grey.

        Costs a tenth of the pixels. Raises `Unconvertible`.
        """
        across, down = (height, width) if self._turn.transposed else (width, height)
        try:
            plane = _reformat(self._frame, "gray", across, down).to_ndarray()
        except (FFmpegError, ValueError) as error:
            raise self._unconvertible() from error
        upright = self._turn.apply(np.array(plane, np.uint8))
        self._masks.paint_luma(upright)
        return upright

    def _convert(self) -> Image:
        try:
            made = _reformat(self._frame, "bgr24").to_ndarray()
        except (FFmpegError, ValueError) as error:
            raise self._unconvertible() from error
        image = self._turn.apply(np.asarray(made, np.uint8))
        if image.shape[:2] != (self.height, self.width):
            size = (self.width, self.height)
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        self._masks.paint(image)
        return image

    def _unconvertible(self) -> Unconvertible:
        return Unconvertible(
            f"The camera's pictures have a format that cannot be shown ({self._frame.format.name})."
        )


def _reformat(
    frame: VideoFrame, pixel_format: str, width: int | None = None, height: int | None = None
) -> VideoFrame:
    """Convert like `frame.reformat`; any number of threads may convert the same frame.

    PyAV keeps a converter with threads of its own in each frame, and two callers crash it. Here
    each calling thread keeps one for each format.
    """
    converters: dict[str, VideoReformatter] = _of_thread.__dict__
    if pixel_format not in converters:
        converters[pixel_format] = VideoReformatter()
    return converters[pixel_format].reformat(frame, width, height, pixel_format, threads=1)


def upright_size(
    width: int, height: int, turn: Turn, pixel_aspect: Fraction | None, aspect: str
) -> tuple[int, int]:
    """Width and height in square pixels of the upright picture, made of `width` × `height`."""
    if aspect == "auto" and pixel_aspect and 1 / STRANGEST <= pixel_aspect <= STRANGEST:
        width = max(1, round(width * pixel_aspect))
    if turn.transposed:
        width, height = height, width
    if ":" in aspect:
        across, _, down = aspect.partition(":")
        width = max(1, round(height * int(across) / int(down)))
    return width, height


SETTLED = 250  # progressive frames in a row after which the filter, and its delay, are dropped


class Deinterlacer:
    """Passes progressive frames on; filters from the first interlaced one on.

    The filter (bwdif) looks at the next frame, so it delays each by one. Bound: that one frame.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._layout: tuple[int, int, str] | None = None
        self._count = self._progressive = 0
        self._held: dict[int, Any] = {}

    def feed(self, frame: VideoFrame, tag: Any) -> list[tuple[VideoFrame, Any]]:
        """The frames that are ready, each with the `tag` that it was fed with.

        Raises `Unconvertible`.
        """
        self._progressive = 0 if frame.interlaced_frame else self._progressive + 1
        if self._progressive > SETTLED:
            self._graph, self._layout = None, None
        if self._graph is None and not frame.interlaced_frame:
            return [(frame, tag)]
        try:
            return self._filter(frame, tag)
        except (FFmpegError, ValueError) as error:
            raise Unconvertible(
                "The camera's pictures are interlaced in a format that cannot be shown "
                f"({frame.format.name})."
            ) from error

    def _filter(self, frame: VideoFrame, tag: Any) -> list[tuple[VideoFrame, Any]]:
        layout = frame.width, frame.height, frame.format.name
        if self._graph is None or layout != self._layout:
            self._graph, self._layout = _graph(frame), layout
            self._held.clear()
        self._count += 1
        self._held[self._count] = tag
        frame.pts, frame.time_base = self._count, TICK
        self._graph.push(frame)
        ready = []
        with suppress(BlockingIOError):
            while True:
                made = self._graph.pull()
                assert isinstance(made, VideoFrame)
                assert made.pts is not None
                number = made.pts // 2  # the filter counts fields
                if number in self._held:
                    ready.append((made, self._held.pop(number)))
        return ready


def _graph(frame: VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=TICK
    )
    deinterlace = graph.add("bwdif", "mode=send_frame:deint=interlaced")
    sink = graph.add("buffersink")
    source.link_to(deinterlace)
    deinterlace.link_to(sink)
    graph.configure()
    return graph
