"""JPEGs with the metadata that phones and image editors write."""

from __future__ import annotations

import struct

import cv2
import numpy as np

from tests.sockets import jpeg

PLACE = b"52.5200N 13.4050E"  # stands for all that must not reach a viewer


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


def exif(orientation: int = 1, order: str = ">") -> bytes:
    """Return an EXIF segment: the orientation, a GPS directory's pointer, a place, a thumbnail."""
    start = b"MM\0*" if order == ">" else b"II*\0"
    entries = [
        struct.pack(f"{order}HHII", 0x010F, 2, len(PLACE), 38),
        struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0),
    ]
    directory = struct.pack(f"{order}H", 2) + b"".join(entries) + bytes(4)
    tiff = start + struct.pack(f"{order}I", 8) + directory + PLACE + jpeg(shade=10)
    return segment(0xE1, b"Exif\0\0" + tiff)


def described(*, orientation: int = 1, order: str = ">", progressive: bool = False) -> bytes:
    """Return a JPEG of 64 × 48 pixels with the place in every part where it can be."""
    picture = np.full((48, 64, 3), 90, np.uint8)
    picture[:, :20] = 200
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    plain = cv2.imencode(".jpg", picture, options)[1].tobytes()
    head = (
        segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\2\2" + PLACE[:12])  # with a thumbnail
        + segment(0xE0, b"JFXX\0\x10" + PLACE)
        + exif(orientation, order)
        + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + PLACE)
        + segment(0xE2, b"ICC_PROFILE\0\1\1" + PLACE)
        + segment(0xED, b"Photoshop 3.0\x008BIM" + PLACE)
        + segment(0xFE, PLACE)
    )
    last = plain.rindex(b"\xff\xda")  # before the last scan, and thus between two if progressive
    return b"\xff\xd8" + head + plain[20:last] + segment(0xFE, PLACE) + plain[last:] + PLACE
