"""`manage.py serve` with the metronome as the model: `python -m tests.bench.answers.ours`.

Everything except the model is the product: prompts, rows, logs, streams.
"""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

from project.server.daphne import Server  # noqa: F401  # isort:skip  # Daphne's reactor first

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import django
from django.core.management import call_command

django.setup()

from chats import services  # noqa: E402
from chats.prompts import PromptResult  # noqa: E402
from chats.providers.base import Conversation, Finish, Provider, Usage  # noqa: E402
from tests.bench.answers.metronome import Metronome  # noqa: E402


class Model:
    """The metronome as a `Provider`."""

    model = "metronome"

    def __init__(self, rate: float, seconds: float) -> None:
        self._metronome, self._seconds = Metronome(rate), seconds

    async def answer(self, conversation: Conversation) -> AsyncGenerator[str | Finish, None]:
        async with aclosing(self._metronome.tokens(self._seconds)) as tokens:
            async for token in tokens:
                yield token
        yield Finish("stop", Usage(1, 1))

    async def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        return None

    async def close(self) -> None:
        pass


MODEL = Model(float(os.environ["BENCH_RATE"]), float(os.environ["BENCH_SECONDS"]))


async def prepare(prompt: PromptResult) -> tuple[Provider, Conversation]:
    return MODEL, Conversation(turns=())


services.prepare = prepare

if __name__ == "__main__":
    call_command("serve")
