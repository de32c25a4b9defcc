"""Helpers for tests of the built-in model: requests, and its process."""

from __future__ import annotations

import time
from typing import Any

import psutil

from chats.providers.base import Conversation, Finish, Turn
from chats.providers.embedded import Embedded

STORY = "Tell me a long story about a rugby team and its coach."
LONG = "Sum this up: " + "the red team passed the ball and the blue team ran after it. " * 100
# The server at normal priority: at its own it would get almost no CPU beside other tests.
_NORMAL_PRIORITY = (
    "-c",
    "from chats.providers import embedded_server as s; s.NICENESS = 0; s.main()",
)


def normal_priority(**options: Any) -> Embedded:
    """Return the model, running at the priority of the tests."""
    return Embedded(command=_NORMAL_PRIORITY, **options)


def ask(text: str, *, prefill: str = "", max_tokens: int = 20) -> Conversation:
    turns = (Turn("user", text),)
    return Conversation(turns, prefill=prefill, temperature=0.0, max_tokens=max_tokens)


async def collect(model: Embedded, conversation: Conversation) -> list[str | Finish]:
    return [piece async for piece in model.answer(conversation)]


def text_of(pieces: list[str | Finish]) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


def process(model: Embedded) -> psutil.Process:
    assert model.pid is not None
    return psutil.Process(model.pid)


def servers() -> list[psutil.Process]:
    """Return the model servers that are children of this process."""
    return [p for p in psutil.Process().children() if "chats.providers" in " ".join(p.cmdline())]


def cpu_seconds(server: psutil.Process) -> float:
    """Return the CPU seconds used so far."""
    return sum(server.cpu_times()[:2])


def is_idle(server: psutil.Process) -> bool:
    """Whether it uses less than a tenth of a core, measured over 0.2 s."""
    before = cpu_seconds(server)
    time.sleep(0.2)
    return cpu_seconds(server) - before < 0.02
