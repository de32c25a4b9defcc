"""A minimal reader of ONNX files: walks the protobuf without a library or decoding tensors.

onnxruntime loads a tensor's external data from any path that the model names, such as
`/etc/passwd`. Such a model is refused here with a sentence; the model's process could not open the
file anyway (`main.confine`).
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping

# Message → its fields that hold messages. Numbers are those of onnx.proto.
_WITHIN: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse",
    },
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}  # fmt: skip
_EXTERNAL_DATA, _DATA_LOCATION, _EXTERNAL = 13, 14, 1
_VARINT, _EIGHT, _LENGTHY, _FOUR = 0, 1, 2, 5
_DEEPEST = 50


def keeps_data_elsewhere(data: memoryview, kind: str = "model", depth: int = 0) -> bool:
    """Whether a tensor anywhere in it lies in another file. Raises `ValueError` for no ONNX."""
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    for number, value in _fields(data):
        if kind == "tensor":
            if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value == _EXTERNAL):
                return True
        elif (inner := _WITHIN[kind].get(number)) is not None:
            if not isinstance(value, memoryview):
                raise ValueError("a message is missing")
            if keeps_data_elsewhere(value, inner, depth + 1):
                return True
    return False


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and value of each field: the bytes of a lengthy one, a varint's number, or 0."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: memoryview | int = 0
        if wire == _VARINT:
            value, at = _varint(data, at)
        elif wire == _LENGTHY:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        elif wire in (_EIGHT, _FOUR):
            at += 8 if wire == _EIGHT else 4
        else:
            raise ValueError("an unknown wire type")
        if not number or at > len(data):
            raise ValueError("cut off")
        yield number, value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    made = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        made |= (byte & 0x7F) << shift
        if byte < 0x80:
            return made, at
    raise ValueError("cut off")


def listed_names(text: str) -> list[str]:
    """The labels in a model's metadata `names`; empty where it cannot be read.

    YOLO exports write a Python dictionary, `{0: 'person', 1: 'ball'}`; others JSON, or a list with
    commas.
    """
    text = text.strip()[:100_000]
    if not text.startswith(("{", "[", "(")):
        return [name.strip() for name in text.split(",")] if text else []
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        if isinstance(found, dict):
            try:
                found = [found[key] for key in sorted(found, key=int)]
            except (TypeError, ValueError):
                return []
        return [str(name) for name in found]
    return []
