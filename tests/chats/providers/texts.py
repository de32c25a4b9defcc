"""Texts of which a token has few bytes, and ordinary ones."""

from __future__ import annotations

import base64
import random

_chance = random.Random(1)

TEXTS = {
    "numbers as CSV": "\n".join(
        ",".join(str(_chance.randrange(100_000)) for _ in range(8)) for _ in range(60)
    ),
    "Burmese": "မြန်မာဘာသာစကား " * 40,
    "emoji": "🏀🤾🏽‍♀️👨‍👩‍👧" * 40,
    "base64": base64.b64encode(_chance.randbytes(1500)).decode(),
    "control characters": "\x01\x02\x7f" * 300,
    "code": "def f(x: int) -> list[int]:\n    return [x ** 2 for _ in range(x)]\n" * 30,
    "English": "The red team passed the ball and the blue team ran after it. " * 40,
    "spaces": " " * 3000,
}
