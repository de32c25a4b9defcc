"""The protocol between a custom model's process and its parent. Numpy- and onnxruntime-free."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

MOST_BYTES = 64 * 1024 * 1024  # of an ONNX file
MEMORY = 1536 * 1024 * 1024  # bytes of address space; libraries take 200 MB of it
CHECK_S = 30.0  # for a whole check: start, load, three pictures
PICTURE_S = 1.0  # of computing for one picture, as measured in the check
LOAD_S = 30.0  # until a model that was checked takes pictures
ANSWER_S = 5.0  # for one picture, on a machine that has other work
SMALLEST, LARGEST = 32, 1280  # pixels of the picture's sides
USUAL_SIDE = 640  # where the file leaves the size open
BOXES = 1000  # candidates handed over for one picture; the most confident ones
VALUES = 6  # of a candidate, float32: centre x, centre y, width, height, score, class index
MOST_JSON = 1024 * 1024  # a thousand labels in any script fit

_LENGTH = struct.Struct(">I")


class ModelFailed(Exception):
    """A model is refused, or failed while it was used. `sentence` is plain text for its owner."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def send(link: socket.socket, facts: dict[str, Any]) -> None:
    """A JSON object with its length before it."""
    text = json.dumps(facts).encode()
    link.sendall(_LENGTH.pack(len(text)) + text)


def receive(link: socket.socket) -> dict[str, Any]:
    """The next JSON object. Raises `OSError` or `ValueError` where there is none."""
    length = count(link)
    if length > MOST_JSON:
        raise ValueError("The object is too long.")
    facts = json.loads(exactly(link, length))
    if not isinstance(facts, dict):
        raise ValueError("This is not an object.")
    return facts


def count(link: socket.socket) -> int:
    """The next unsigned 32-bit number."""
    return int(_LENGTH.unpack(exactly(link, _LENGTH.size))[0])


def exactly(link: socket.socket, length: int) -> bytearray:
    """So many bytes. Raises `EOFError` at the end."""
    made = bytearray(length)
    view, at = memoryview(made), 0
    while at < length:
        got = link.recv_into(view[at:])
        if not got:
            raise EOFError
        at += got
    return made
