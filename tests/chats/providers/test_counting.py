"""Tokens are counted by the model's own tokenizer, and a conversation that is said to fit fits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chats.conversation import (
    PER_REQUEST,
    Draft,
    PromptTooLong,
    cut_to_fit,
    require_room,
    sizes_in_bytes,
)
from chats.models.quotas import PER_TURN, max_tokens_of
from chats.providers.base import Conversation, Finish, Turn
from chats.providers.embedded import Embedded
from chats.providers.openai import OpenAICompatible
from tests.chats.providers.embedded import collect, normal_priority
from tests.chats.providers.texts import TEXTS
from tests.endpoint import Model, endpoint


@pytest.fixture(scope="module")
def built_in() -> Iterator[Embedded]:
    model = normal_priority()
    yield model
    model.end()


def draft(*texts: str, room: int, system: str = "", prefill: str = "") -> Draft:
    """Return a draft whose turns have these texts; the last one is the prompt."""
    roles = ("user", "assistant")
    first = (len(texts) + 1) % 2
    turns = tuple(Turn(roles[(first + n) % 2], text) for n, text in enumerate(texts))
    return Draft(system, turns, prefill, room, 0.0, 1)


async def test_no_text_has_more_tokens_than_bytes(built_in: Embedded) -> None:
    counts = await built_in.count_tokens([*TEXTS.values()])
    assert counts is not None
    for (name, text), count in zip(TEXTS.items(), counts, strict=True):
        assert 0 < count + PER_TURN <= max_tokens_of(text), name
    by_name = dict(zip(TEXTS, counts, strict=True))
    csv = len(TEXTS["numbers as CSV"])
    assert by_name["numbers as CSV"] > csv // 2, "two bytes a token were no bound"
    assert by_name["English"] < len(TEXTS["English"]) // 3, "bytes alone would waste the context"


@pytest.mark.extended
@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("system", ["", "Answer briefly."], ids=["no system text", "system text"])
async def test_model_takes_what_was_cut_to_fit(built_in: Embedded, name: str, system: str) -> None:
    """Its usage is compared: tokens of the texts and of the template."""
    room, piece = 400, TEXTS[name].encode()[:150].decode(errors="ignore")
    conversation = await cut_to_fit(draft(*[piece] * 31, room=room, system=system), built_in)
    *_, finish = await collect(built_in, conversation)
    assert isinstance(finish, Finish)
    assert finish.usage is not None
    assert finish.usage.tokens_in <= room + PER_REQUEST
    kept = len(conversation.turns) - bool(system)
    assert kept == 31 or finish.usage.tokens_in > room // 3, "the context is not wasted"


@pytest.mark.parametrize("name", TEXTS)
async def test_prompt_is_refused_with_both_numbers(built_in: Embedded, name: str) -> None:
    (count,) = await built_in.count_tokens([TEXTS[name]]) or [0]
    exact = draft(TEXTS[name], room=count + PER_TURN)
    await require_room(exact, built_in)
    assert (await cut_to_fit(exact, built_in)).turns == exact.turns
    with pytest.raises(PromptTooLong) as refused:
        await require_room(draft(TEXTS[name], room=count + PER_TURN - 1), built_in)
    assert (refused.value.tokens, refused.value.room) == (count + PER_TURN, count + PER_TURN - 1)
    assert f"{count + PER_TURN:,} tokens" in refused.value.sentence


@pytest.fixture
def model() -> Iterator[Model]:
    with endpoint() as running:
        yield running


@pytest.fixture
async def remote(model: Model) -> OpenAICompatible:
    return OpenAICompatible(model.url, model.key, "m", listed=model.listed)


async def test_tokenizer_of_a_server_is_asked(model: Model, remote: OpenAICompatible) -> None:
    model.tokenizer = lambda text: len(text) // 10
    assert await remote.count_tokens(["x" * 100, "", "y" * 20]) == [10, 0, 2]
    history = ["x" * 300] * 9
    cut = await cut_to_fit(draft(*history, room=200), remote)
    assert len(cut.turns) == 5  # 38 tokens each


async def test_server_without_a_tokenizer_gets_what_is_likely_to_fit(
    model: Model, remote: OpenAICompatible
) -> None:
    assert await remote.count_tokens(["x"]) is None
    model.tokenizer = len
    assert await remote.count_tokens(["x"]) is None, "it is not asked again"
    cut = await cut_to_fit(draft(*["x" * 192] * 9, room=200), remote)
    assert [len(turn.content) for turn in cut.turns] == [192]
    await require_room(draft("x" * 700, room=200), remote)
    with pytest.raises(PromptTooLong, match="about 300 tokens") as refused:
        await require_room(draft("x" * 1200, room=200), remote)
    assert refused.value.room == 200


async def test_tokenizer_is_not_asked_about_what_fits_by_its_bytes(
    model: Model, remote: OpenAICompatible
) -> None:
    model.tokenizer = lambda text: pytest.fail("it was asked")
    texts = draft("x" * 40, "y" * 40, "z" * 40, room=3 * (40 + PER_TURN))
    assert (await cut_to_fit(texts, remote)).turns == texts.turns


def test_indispensable_texts_are_counted_first() -> None:
    whole = draft("old", "answer", "prompt", room=84, system="s" * 20, prefill="p" * 10)
    assert whole.texts == ("s" * 20, "p" * 10, "prompt", "answer", "old")
    fitted = whole.cut(sizes_in_bytes(whole.texts))
    kept = [turn.content for turn in fitted.turns]
    assert kept == ["s" * 20, "prompt"], "a conversation starts with a user's turn"
    tight = draft("old", "answer", "prompt", room=1)
    assert [turn.content for turn in tight.cut(sizes_in_bytes(tight.texts)).turns] == ["prompt"]


def test_shortened_conversation_keeps_system_and_prompt() -> None:
    turns = draft(*"abcdefg", room=0).turns
    conversation: Conversation | None = Conversation((Turn("system", "s"), *turns))
    seen = []
    while conversation is not None:
        seen.append("".join(turn.content for turn in conversation.turns))
        conversation = conversation.shortened()
    assert seen == ["sabcdefg", "sefg", "sg"]
