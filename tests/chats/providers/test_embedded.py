"""The built-in model, in its real process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import aclosing

import httpx
import psutil
import pytest

from chats.providers import embedded as module
from chats.providers.base import Busy, Finish, ProviderError
from chats.providers.embedded import Embedded
from chats.providers.embedded_server import NAME, NICENESS
from tests.chats.providers.embedded import (
    LONG,
    STORY,
    ask,
    collect,
    cpu_seconds,
    is_idle,
    normal_priority,
    process,
    text_of,
)
from tests.waiting import until


@pytest.fixture(scope="module")
def model() -> Iterator[Embedded]:
    """A running model, shared by the tests that do not end it."""
    model = normal_priority()
    yield model
    model.end()


async def test_it_works(model: Embedded) -> None:
    *pieces, finish = await collect(model, ask("Say hello.", max_tokens=200))
    assert text_of(pieces)
    assert isinstance(finish, Finish)
    assert finish.reason == "stop"
    assert finish.usage is not None
    assert finish.usage.tokens_in > 10
    assert 0 < finish.usage.tokens_out < 200
    assert model.model == NAME == "SmolLM2-135M-Instruct"
    assert (await model.check()).startswith(f"“{NAME}” answers")


async def test_closing_the_iterator_stops_the_model(model: Embedded) -> None:
    """Measured in CPU time: the whole story would take more than half a minute."""
    async with aclosing(model.answer(ask(STORY, max_tokens=3500))) as pieces:
        await anext(pieces)
        before = cpu_seconds(process(model))
    await asyncio.to_thread(until, lambda: is_idle(process(model)), 60)
    assert cpu_seconds(process(model)) - before < 2


async def test_prefill_is_continued_directly(model: Embedded) -> None:
    whole = text_of(await collect(model, ask(STORY, max_tokens=40)))
    cut = whole.index(" ", len(whole) // 2)
    rest = text_of(await collect(model, ask(STORY, prefill=whole[:cut], max_tokens=12)))
    assert rest
    assert whole.startswith(whole[:cut] + rest[:12])


async def test_too_long_conversation_is_rejected(model: Embedded) -> None:
    with pytest.raises(ProviderError, match="too long for this model") as caught:
        await collect(model, ask(LONG * 5))
    assert not caught.value.retryable


async def test_answers_beyond_the_limit_raise_busy(
    model: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ANSWERS", 1)
    async with aclosing(model.answer(ask(STORY, max_tokens=500))) as pieces:
        await anext(pieces)
        with pytest.raises(Busy) as caught:
            await collect(model, ask("Hello."))
        assert caught.value.retry_after
    assert await collect(model, ask("Hello.", max_tokens=2))


async def test_server_requires_its_key_and_has_no_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Starts it as the product does, with low priority."""
    monkeypatch.setenv("SIDELINE_SECRET_KEY", "hush")
    model = Embedded()
    await collect(model, ask("Hello.", max_tokens=1))
    server, child = process(model), model._child
    (listening,) = [c for c in server.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert listening.laddr.ip == "127.0.0.1"
    url = f"http://127.0.0.1:{listening.laddr.port}/v1/chat/completions"
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as outsider:
        for headers in ({}, {"Authorization": "Bearer guess"}):
            answer = await outsider.post(url, json=body, headers=headers)
            assert answer.status_code == 401
        assert "<html" not in (await outsider.get(url.partition("/v1")[0])).text
    priorities = [os.getpriority(os.PRIO_PROCESS, thread.id) for thread in server.threads()]
    assert set(priorities) == {NICENESS}
    assert child is not None
    exposed = " ".join([*server.cmdline(), *server.environ(), *server.environ().values()])
    assert "SIDELINE" not in exposed
    assert child.key not in exposed
    assert len(child.key) > 40
    await model.close()
