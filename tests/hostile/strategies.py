"""Hypothesis strategies for messages that are almost valid, and for invalid ones.

`NOW` is a placeholder for the time of sending, of the same length; `dated` replaces it.
"""

from __future__ import annotations

import base64
import json
import struct
from functools import cache
from typing import Any

import cv2
import numpy as np
from hypothesis import strategies as st

from tests.push_messages import now
from tests.servers import plaza_jpegs
from tests.sockets import jpeg

NOW = 1_234_567_890_123
DEEP = 50_000
SOF, SOS, EOI = b"\xff\xc0", b"\xff\xda", b"\xff\xd9"


def dated(message: bytes) -> bytes:
    """Replace `NOW` by the current time."""
    return message.replace(str(NOW).encode(), str(now()).encode())


@cache
def progressive(side: int) -> bytes:
    """Return a grey progressive JPEG."""
    image = np.full((side, side, 3), 90, np.uint8)
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert done
    return bytes(data)


def with_scans(picture: bytes, count: int) -> bytes:
    """Repeat the last scan of a JPEG `count` times."""
    start = picture.rindex(SOS)
    return picture[:start] + picture[start:-2] * count + EOI


def with_size(picture: bytes, height: int, width: int) -> bytes:
    """Replace the size in the header of a JPEG."""
    changed = bytearray(picture)
    at = picture.index(SOF) + 5
    changed[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(changed)


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Draw a JPEG with bytes changed, removed or inserted."""
    picture = bytearray(draw(st.sampled_from([jpeg(), plaza_jpegs(4)[3], progressive(64)])))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(len(picture) - 1, 0)))
        how = draw(st.sampled_from("change cut insert end".split()))
        if how == "change" and picture:
            picture[at] = draw(st.integers(0, 255))
        elif how == "cut":
            del picture[at : at + draw(st.integers(1, 40))]
        elif how == "insert":
            picture[at:at] = draw(st.sampled_from([b"\xff", b"\0", SOF, SOS, EOI, b"\xff\xd8\xff"]))
        else:
            del picture[at + 1 :]
    return bytes(picture)


SIDES = st.sampled_from([0, 1, 8, 1000, 16_384, 16_385, 32_768, 65_535])
PICTURES = st.one_of(
    st.just(jpeg()),
    broken(),
    broken().map(lambda data: data + EOI),
    st.builds(with_size, st.sampled_from([jpeg(), plaza_jpegs(4)[3]]), SIDES, SIDES),
    st.builds(with_scans, st.just(progressive(64)), st.sampled_from([2, 50, 70, 3000])),
    st.binary(max_size=200),
    st.binary(max_size=50).map(lambda noise: b"\xff\xd8\xff" + noise + EOI),
    st.just(b"\x89PNG\r\n\x1a\n" + b"\0" * 64),
    st.just(jpeg()[:-2] + b"\0" * 300_000 + EOI),
)
BASE64 = st.one_of(
    PICTURES.map(lambda data: base64.b64encode(data).decode()),
    st.builds(
        lambda data, spoil: spoil(base64.b64encode(data).decode()),
        st.just(jpeg()),
        st.sampled_from([
            lambda text: text.rstrip("="),
            lambda text: text + "=",
            lambda text: text + "====",
            lambda text: text[:-5] + "=" + text[-5:],
            lambda text: text.replace("/", "_").replace("+", "-"),
            lambda text: "data:image/jpeg;base64," + text,
            lambda text: "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)),
            lambda text: " " + text,
            lambda text: text + "\0",
            lambda text: text.replace("A", "\u0410", 1),
            lambda text: text.replace("A", "\ud800", 1),
        ]),
    ),
    st.text(max_size=40),
)  # fmt: skip
NUMBERS = st.one_of(
    st.just(NOW),
    st.sampled_from([
        0, -1, 1, True, -62_167_219_200_000, 253_402_300_800_000, 2**53, 2**63, -(2**63) - 1,
        2**64, 10**15, 10**30, 10**400, -(10**30), 1e308, 5e-324, -0.0, 1.5, NOW + 0.5,
        float("nan"), float("inf"), float("-inf"), str(NOW), "", "NaN", None, [NOW], {},
    ]),
    st.integers(),
    st.floats(),
)  # fmt: skip
WORDS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["\0", "\ud800", "\udfff\ud800", "‮", "﷽", "../../etc/passwd", "a" * 20_000,
                     "' OR 1=1 --", "{{7*7}}", "%s%n", "\r\nX: y", "\ufeff"]),
    st.none(), st.booleans(), st.integers(),
)  # fmt: skip
BOXES = st.lists(
    st.fixed_dictionaries(
        {"class": WORDS, "confidence": NUMBERS, "bbox": st.lists(NUMBERS, max_size=6)},
    ),
    max_size=4,
)
ANYTHING = st.recursive(
    NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def members(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Members of an object in any order, with duplicates and members of other types."""
    optional = {name: each for name, each in optional.items() if name not in required}
    known = {**required, **optional}
    good = st.fixed_dictionaries(required, optional=optional).map(lambda one: list(one.items()))
    more = st.tuples(st.sampled_from(sorted(known)) | st.text(max_size=5), ANYTHING)
    return st.builds(lambda one, two: one + two, good, st.lists(more, max_size=1)).flatmap(
        st.permutations
    )


@st.composite
def nearly(draw: st.DrawFn, good: dict[str, Any], wild: dict[str, Any]) -> list[tuple[str, Any]]:
    """Draw the members of a valid object, with at most two replaced."""
    replaced = draw(st.lists(st.sampled_from(sorted(wild)), max_size=2))
    return list((good | {name: draw(wild[name]) for name in replaced}).items())


def as_json(members: list[tuple[str, Any]]) -> str:
    """Encode as JSON with NaN and duplicate members, which libraries do not write."""
    pairs = (f"{json.dumps(name)}:{json.dumps(value)}" for name, value in members)
    return "{" + ",".join(pairs) + "}"


CLASSICS = [
    "", " ", "null", "true", "7", '"a"', "[]", "[" * DEEP, '{"a":' * DEEP, "{}", "{", "{}{}",
    "[" * 900 + "]" * 900, "\ufeff{}", "\0", '{"timestamp":1e999}',
    '{"seq":' + "9" * 5000 + "}",
    '{"frame":"' + "A" * 100_000, '{"frame":"' + "\\u0041" * 20_000 + '"}',
    '{"frame":"' + "\\ud800" * 20_000 + '"}', '{"ack": 99999999999999999999}', '{"ack": -1}',
    '{"ack": 1}', '{"ack":"1"}', '{"ack": 0}', '{"ack": 1e3}', '{"type":"status"}',
]  # fmt: skip
ODD_TEXTS = st.one_of(st.sampled_from(CLASSICS), st.text(max_size=60), ANYTHING.map(json.dumps))


def encoded(texts: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """Encode texts, mostly as UTF-8; also with a BOM, as UTF-16 or -32, or with an invalid byte."""
    plain = texts.map(lambda text: text.encode("utf-8", "surrogatepass"))
    odd = st.sampled_from(["utf-8-sig", "utf-16", "utf-32-le", "utf-7"])
    return st.one_of(
        plain, plain, plain,
        st.builds(lambda text, how: text.encode(how, "replace"), texts, odd),
        st.builds(lambda data, at: data[:at] + b"\xff" + data[at:], plain, st.integers(0, 60)),
    )  # fmt: skip


FACTS = {"timestamp": NUMBERS}
MORE_FACTS = {"seq": NUMBERS, "camera_id": WORDS, "detections": BOXES | ANYTHING, "width": NUMBERS}
PICTURE = base64.b64encode(jpeg()).decode()
_SEED = FACTS | {"frame": BASE64}
SEED = encoded(
    (
        members(_SEED, MORE_FACTS)
        | nearly({"frame": PICTURE, "timestamp": NOW, "camera_id": "it"}, _SEED | MORE_FACTS)
    ).map(as_json)
    | ODD_TEXTS
)
_HEADERS = encoded(
    (members(FACTS, MORE_FACTS) | nearly({"timestamp": NOW}, FACTS | MORE_FACTS)).map(as_json)
    | ODD_TEXTS
)
_LENGTHS = st.sampled_from([None, None, None, 0, 1, -1, 3, 2**16, 2**31, 2**32 - 1])


def v1(head: bytes, length: int | None, picture: bytes) -> bytes:
    """Encode a binary message. `length` replaces the announced header length, unless None."""
    announced = len(head) if length is None else (len(head) - 1 if length < 0 else length)
    return struct.pack(">I", announced % 2**32) + head + picture


V1 = st.one_of(
    st.builds(v1, _HEADERS, _LENGTHS, PICTURES),
    st.builds(v1, st.just(b'{"timestamp":%d}' % NOW), st.none(), PICTURES),
    st.binary(max_size=40),
)
