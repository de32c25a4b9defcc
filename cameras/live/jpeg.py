"""Validation of JPEGs by their headers, and removal of what they tell beside the picture.

Nothing is decoded. Django-free, OpenCV-free.
"""

from __future__ import annotations

import re
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


def jpeg_orientation(data: bytes) -> int:
    """Return how EXIF says that the picture is turned, 1 to 8; 1 is upright.

    `data` has passed `jpeg_size`.
    """
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xFF:
            at += 1
            continue
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if marker == 0xE1 and data.startswith(_EXIF, at + 4):
            return _orientation(data[at + 4 + len(_EXIF) : at + 2 + length])
        if marker == 0xDA or length < 2:
            break
        at += 2 + length
    return 1


_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# Tables, headers of scans and the number of lines; before the first scan also frame headers.
_PICTURE = frozenset({0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD})
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC8}
_EXIF = b"Exif\0\0"
_ORIENTATION = 0x0112  # the tag


def without_metadata(jpeg: bytes) -> bytes:
    """Return the same picture without EXIF, XMP, IPTC, comments, thumbnails, colour profiles and
    bytes after its end: they tell where, when and with what it was taken.

    The picture's data is not changed. Of EXIF, the orientation stays, or a phone's picture would be
    shown turned. `jpeg` has passed `jpeg_size`. Raises `FrameError("frame", ...)` if it is damaged.
    """
    parts, at, orientation, segments = [b""], 2, 1, 0
    has_scan = False
    while True:
        while jpeg[at : at + 2] == b"\xff\xff":
            at += 1
        head = jpeg[at : at + 4]
        if head[:2] == b"\xff\xd9" and has_scan:
            break
        segments += 1
        if len(head) < 4 or head[0] != 0xFF or segments > MAX_SEGMENTS:
            raise FrameError("frame", "The JPEG is damaged.")
        marker, end = head[1], at + 2 + int.from_bytes(head[2:])
        content = jpeg[at + 4 : end]
        if marker in _PICTURE or (marker in _FRAME_HEADERS and not has_scan):
            parts.append(jpeg[at:end])
        elif marker == 0xE0 and content.startswith(b"JFIF\0") and len(content) >= 14:
            parts.append(_segment(marker, content[:12] + b"\0\0"))  # without its thumbnail
        elif marker == 0xEE and content.startswith(b"Adobe"):  # how the colours are coded
            parts.append(_segment(marker, content[:12]))
        elif marker == 0xE1 and content.startswith(_EXIF) and orientation == 1:
            orientation = _orientation(content[len(_EXIF) :])
        elif not (marker == 0xFE or 0xE0 <= marker <= 0xEF):
            raise FrameError("frame", "The JPEG is damaged.")
        at = end
        if marker == 0xDA:
            has_scan = True
            found = _MARKER_AFTER_SCAN.search(jpeg, at)
            if found is None:
                raise FrameError("frame", "The JPEG is damaged.")
            parts.append(jpeg[at : found.start()])
            at = found.start()
    if orientation != 1:
        tag = struct.pack(">HHIHH", _ORIENTATION, 3, 1, orientation, 0)
        parts[0] = _segment(0xE1, _EXIF + b"MM\0*" + struct.pack(">IH", 8, 1) + tag + bytes(4))
    return b"".join((b"\xff\xd8", *parts, b"\xff\xd9"))


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


def _orientation(tiff: bytes) -> int:
    """Return the orientation that EXIF names, 1 to 8; 1 (upright) if it names none."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 10:
        return 1
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    entries = tiff[start + 2 : start + 2 + 12 * 64]  # of the first directory; cameras write 20
    for at in range(0, len(entries) - 11, 12):
        tag, kind, count, value = struct.unpack_from(f"{order}HHIH", entries, at)
        if (tag, kind, count) == (_ORIENTATION, 3, 1):
            return value if 1 <= value <= 8 else 1
    return 1
