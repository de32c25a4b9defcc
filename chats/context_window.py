"""Cuts a conversation to what its model can take.

A token has at least one byte: what fits by its bytes fits. For more than that the model's own
tokenizer is asked. A server without one is sent what is likely to fit, and less if it refuses.
"""

from __future__ import annotations

from chats.conversation import LIKELY_BYTES_PER_TOKEN, Draft, sizes_in_bytes
from chats.models.quotas import PER_TURN, estimate_tokens
from chats.providers.base import Conversation, Provider


class PromptTooLong(Exception):
    """A prompt that cannot fit: it has `tokens`, and there is room for `room`."""

    def __init__(self, tokens: int, room: int, *, is_estimate: bool) -> None:
        about = "about " if is_estimate else ""
        self.sentence = (
            f"The prompt has {about}{tokens:,} tokens, and the model has room for {room:,}. "
            "Shorten it."
        )
        super().__init__(self.sentence)
        self.tokens, self.room = tokens, room


async def cut_to_fit(draft: Draft, provider: Provider) -> Conversation:
    """Return the conversation without the oldest turns that do not fit. Raises `ProviderError`."""
    sizes = sizes_in_bytes(draft.texts)
    if sum(sizes) > draft.room:
        counted = await _count(provider, draft.texts)
        sizes = counted or sizes_in_bytes(draft.texts, LIKELY_BYTES_PER_TOKEN)
    return draft.cut(sizes)


def surely_fits(draft: Draft) -> bool:
    """Whether the prompt fits by its bytes alone."""
    return sum(sizes_in_bytes(draft.required)) <= draft.room


async def require_room(draft: Draft, provider: Provider) -> None:
    """Raise `PromptTooLong` if the prompt cannot fit, even without any history.

    A server that does not count tokens decides itself about prompts near the limit. Raises
    `ProviderError`.
    """
    sizes = await _count(provider, draft.required)
    is_estimate = sizes is None
    if sizes is None:
        sizes = [estimate_tokens(text) for text in draft.required]
    system, *prompt = sizes
    if sum(sizes) > draft.room:
        raise PromptTooLong(sum(prompt), max(0, draft.room - system), is_estimate=is_estimate)


async def _count(provider: Provider, texts: tuple[str, ...]) -> list[int] | None:
    """Return the tokens of each text with what the chat template adds, or None."""
    counts = await provider.count_tokens(texts)
    if counts is None:
        return None
    return [count + PER_TURN if text else 0 for text, count in zip(texts, counts, strict=True)]
