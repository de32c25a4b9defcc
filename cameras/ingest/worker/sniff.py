"""What an HTTP camera's answer is, by its first bytes, since cameras tell wrong types."""

from __future__ import annotations

import io
from typing import Literal

from cameras.ingest.sources.http_response import MAX_PEEK, READ, Response
from cameras.ingest.worker.mjpeg import JPEGReader

Kind = Literal["mjpeg", "still", "container"]

FIRST = 64  # bytes that are enough for all but a JPEG
ALONE_S = 1.5  # after a whole picture; what brings no other in this time is a still image

JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"


def is_picture(data: bytes) -> bool:
    """Whether a body begins like a JPEG, PNG or WebP."""
    return data.startswith((JPEG, _PNG)) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def kind_of(response: Response, first: bytes = b"") -> Kind:
    """`mjpeg` for `JPEGReader`, `still` for `StillImage`, `container` for FFmpeg.

    `first` are bytes that were peeked at, or nothing. Takes nothing out of the body; of a JPEG
    without a multipart type it waits for the end, or for another one. Raises `SourceError`, and
    `OSError`.
    """
    first = first if len(first) >= FIRST else response.peek(FIRST)
    start = first.lstrip(b"\r\n \t")
    if response.content_type.startswith("multipart/") or start.startswith(b"--"):
        return "mjpeg"
    if start[:13].lower() == b"content-type:":  # a part's head without a boundary
        return "mjpeg"
    if not is_picture(first):
        return "still" if _is_image(response.content_type) else "container"
    if not first.startswith(JPEG):
        return "still"
    return "mjpeg" if _another_follows(response) else "still"


def _is_image(content_type: str) -> bool:
    return content_type.startswith("image/") and "svg" not in content_type


def _another_follows(response: Response) -> bool:
    """Whether a second picture comes after the first JPEG of a body."""
    size = READ
    while True:
        data = response.peek(size, ALONE_S)
        one = next(iter(JPEGReader(io.BytesIO(data).read)), None)
        if one is not None:
            end = data.find(one) + len(one)
            if JPEG in data[end:] or len(data) < size or size == MAX_PEEK:
                return JPEG in data[end:]
        elif size == MAX_PEEK and len(data) == size:
            return False
        elif len(data) < size and len(response.peek(len(data) + 1)) == len(data):
            return False  # it ended within the picture
        if len(data) == size:
            size = min(size * 4, MAX_PEEK)
