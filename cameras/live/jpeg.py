"""Validation of JPEGs by their headers, without decoding. Django-free, OpenCV-free."""

from __future__ import annotations

import struct

MAX_JPEG_BYTES = 8 * 1024 * 1024
MAX_PIXELS = 40_000_000
MAX_SIDE = 16_384
MAX_SCANS = 64  # a progressive picture has about ten; each costs a pass over all pixels
MAX_FILL = 64  # bytes between segments; cameras write none
MAX_SEGMENTS = 1_000  # before the picture; cameras write about ten, a colour profile up to 255
MAX_DECODED_PIXELS = 10 * MAX_PIXELS  # scans × pixels: decoding takes two seconds at most


class FrameError(ValueError):
    """Invalid input. `field` names the invalid part, `sentence` is for the client."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field
        self.sentence = sentence


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a JPEG in pixels, read from its header without decoding.

    Raises `FrameError("frame", ...)` if it is incomplete, no JPEG, or beyond the limits.
    """
    if len(data) > MAX_JPEG_BYTES:
        raise FrameError("frame", "The picture is larger than 8 MiB.")
    if data[:3] != b"\xff\xd8\xff":
        raise FrameError("frame", "The picture is not a JPEG.")
    if data.rstrip(b"\x00")[-2:] != b"\xff\xd9":
        raise FrameError("frame", "The JPEG is truncated: its end marker is missing.")
    scans = data.count(b"\xff\xda")
    if scans > MAX_SCANS:
        raise FrameError("frame", "The JPEG has more scans than any camera writes.")
    width, height = _start_of_frame(data)
    if not width or not height:
        raise FrameError("frame", "The JPEG has no size.")
    if max(width, height) > MAX_SIDE:
        raise FrameError("frame", f"The picture is {width}×{height}; a side may be 16,384 pixels.")
    if width * height > MAX_PIXELS:
        raise FrameError("frame", f"The picture is {width}×{height}; 40 megapixels are the limit.")
    if scans * width * height > MAX_DECODED_PIXELS:
        raise FrameError("frame", "The JPEG has more scans than a picture of its size may have.")
    return width, height


def _start_of_frame(data: bytes) -> tuple[int, int]:
    """Return width and height from the only frame header.

    Stricter than decoders, so that none can read another size. Runs on the event loop, one step
    per segment and fill byte: hence their limits.
    """
    at, size = 2, None
    fill = segments = 0
    while at + 4 <= len(data):
        marker = data[at + 1]
        if data[at] == 0xFF and marker == 0xFF:  # fill byte before a marker
            at, fill = at + 1, fill + 1
            if fill > MAX_FILL:
                raise FrameError("frame", "The JPEG has more fill bytes than any camera writes.")
            continue
        segments += 1
        if segments > MAX_SEGMENTS:
            raise FrameError("frame", "The JPEG has more segments than any camera writes.")
        (length,) = struct.unpack_from(">H", data, at + 2)
        no_segment = marker < 0xC0 or 0xD0 <= marker <= 0xD9  # none may come before a scan
        if data[at] != 0xFF or no_segment or length < 2:
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if size is not None or length < 8 or at + 9 > len(data):
                raise FrameError("frame", "The JPEG has more than one frame header.")
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = width, height
        if marker == 0xDA:
            if size is None:
                break
            return size
        at += 2 + length
    raise FrameError("frame", "The JPEG has no frame header, or no picture after it.")
