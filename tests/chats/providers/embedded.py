"""Asking the built-in model, and finding its process."""

from __future__ import annotations

import time
from typing import Any

import psutil

from chats.providers.base import Conversation, Finish, Turn
from chats.providers.embedded import Embedded

STORY = "Tell me a long story about a rugby team and its coach."
LONG = "Sum this up: " + "the red team passed the ball and the blue team ran after it. " * 100
# Its server as it is, but for its priority, which beside other tests would leave it hardly a core.
_HURRIED = ("-c", "from chats.providers import embedded_server as s; s.NICENESS = 0; s.main()")


def hurried(**options: Any) -> Embedded:
    """The model at the priority of the tests."""
    return Embedded(command=_HURRIED, **options)


def ask(text: str, *, unfinished: str = "", most: int = 20) -> Conversation:
    turns = (Turn("user", text),)
    return Conversation(turns, unfinished=unfinished, temperature=0.0, max_tokens=most)


async def heard(model: Embedded, conversation: Conversation) -> list[str | Finish]:
    return [piece async for piece in model.answer(conversation)]


def text_of(pieces: list[str | Finish]) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


def process(model: Embedded) -> psutil.Process:
    assert model.pid is not None
    return psutil.Process(model.pid)


def servers() -> list[psutil.Process]:
    """The model servers that are our children."""
    return [p for p in psutil.Process().children() if "chats.providers" in " ".join(p.cmdline())]


def used(server: psutil.Process) -> float:
    """CPU seconds so far."""
    return sum(server.cpu_times()[:2])


def is_idle(server: psutil.Process) -> bool:
    """Whether it uses less than a tenth of a core, over a fifth of a second."""
    before = used(server)
    time.sleep(0.2)
    return used(server) - before < 0.02
