"""What may be sent to a model, how much of it fits, and its cost in tokens.

The history comes from the database; a client sends only its prompt. A token has at least one byte:
what fits by its bytes fits. For more than that the model's own tokenizer is asked. A server without
one is sent what is likely to fit, and less if it refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from chats.models.assistants import Assistant
from chats.models.messages import Message, Role
from chats.models.quotas import PER_TURN, estimate_tokens, max_tokens_of
from chats.providers.base import Conversation, Provider, Turn

EMBEDDED_MODEL = "SmolLM2-135M-Instruct"
EMBEDDED_CONTEXT = 4096  # tokens
EMBEDDED_ANSWER = 512  # tokens
# Tokens that a chat template adds to a request: a system text of its own, the answer's head.
PER_REQUEST = 32
# Older messages are not looked at beyond this: no prose has more bytes a token.
MAX_BYTES_PER_TOKEN = 8
# A server that does not count is sent what fits at this rate.
LIKELY_BYTES_PER_TOKEN = 2
_AT_ONCE = 32  # messages read from the database in one query


def model_of(assistant: Assistant) -> str:
    """Return the model's name, as messages record it."""
    return EMBEDDED_MODEL if assistant.is_embedded else assistant.model


def context_of(assistant: Assistant) -> int:
    """Return the tokens that a conversation and its answer may have together."""
    return EMBEDDED_CONTEXT if assistant.is_embedded else assistant.context_tokens


def max_answer_tokens(assistant: Assistant) -> int:
    """Return the most tokens that an answer may have: at most half of the context."""
    limit = min(assistant.max_tokens, context_of(assistant) // 2)
    return min(limit, EMBEDDED_ANSWER) if assistant.is_embedded else limit


@dataclass(frozen=True, slots=True)
class Draft:
    """What may be sent, before it is cut to the model's context.

    `turns` are the newest of the branch, oldest first; the last one is the prompt. `room` is in
    tokens, for all texts together.
    """

    system: str
    turns: tuple[Turn, ...]
    prefill: str
    room: int
    temperature: float
    max_tokens: int

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts, the indispensable first: system text, prefill, prompt, then older turns,
        newest first."""
        return (self.system, self.prefill, *(turn.content for turn in reversed(self.turns)))

    @property
    def required(self) -> tuple[str, ...]:
        """The texts without which there is no answer: system text, prefill, prompt."""
        return self.texts[:3]

    def cut(self, sizes: Sequence[int]) -> Conversation:
        """Return the conversation without the oldest turns that do not fit.

        `sizes` are the tokens of each of `texts`. The prompt stays in any case.
        """
        left = self.room - sum(sizes[:2])
        kept: list[Turn] = []
        for turn, size in zip(reversed(self.turns), sizes[2:], strict=True):
            left -= size
            if kept and left < 0:
                break
            kept.append(turn)
        while len(kept) > 1 and kept[-1].role == "assistant":
            kept.pop()  # a conversation starts with a user's turn
        system = (Turn("system", self.system),) if self.system else ()
        return Conversation(
            (*system, *reversed(kept)), self.prefill, self.temperature, self.max_tokens
        )


def draft_of_turns(assistant: Assistant, turns: Iterable[Turn], prefill: str) -> Draft:
    """Return the draft of a conversation. `turns` are newest first; the first is the prompt."""
    max_tokens = max_answer_tokens(assistant)
    room = context_of(assistant) - max_tokens - PER_REQUEST
    kept: list[Turn] = []
    size = 0
    for turn in turns:
        size += len(turn.content.encode())
        if kept and size > room * MAX_BYTES_PER_TOKEN:
            break
        kept.append(turn)
    return Draft(
        assistant.system_prompt, tuple(reversed(kept)), prefill, room, assistant.temperature,
        max_tokens,
    )  # fmt: skip


def draft_of_answer(assistant: Assistant, answer: Message, prefill: str = "") -> Draft:
    """Return the draft for the branch that leads to `answer`."""
    return draft_of_turns(assistant, _turns_before(answer), prefill)


def sizes_in_bytes(texts: Iterable[str], per_token: int = 1) -> list[int]:
    """Return how many tokens each text has at most, or at `per_token` bytes a token."""
    return [-(-max_tokens_of(text) // per_token) if text else 0 for text in texts]


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


@dataclass(frozen=True, slots=True)
class Cost:
    """Tokens of an answer: an upper `limit` of input and output, and estimates of its input
    (`prompt`) and of the text that it starts with (`prefill`)."""

    limit: int
    prompt: int
    prefill: int


def cost_of(assistant: Assistant, answer: Message, prefill: str) -> Cost:
    """Return what an answer may cost, without asking the model's tokenizer.

    The limit holds whatever part of the draft is sent: all of it, what the tokenizer says that
    fits, or what is likely to fit where there is no tokenizer.
    """
    draft = draft_of_answer(assistant, answer, prefill)
    room = draft.room
    if not assistant.is_embedded:
        room = max(room * LIKELY_BYTES_PER_TOKEN, sum(sizes_in_bytes(draft.required)))
    most = min(sum(sizes_in_bytes(draft.texts)), room)
    return Cost(
        limit=PER_REQUEST + most + draft.max_tokens,
        prompt=min(sum(map(estimate_tokens, draft.texts)), draft.room),
        prefill=estimate_tokens(prefill),
    )


def _turns_before(answer: Message) -> Iterator[Turn]:
    """Yield the turns that lead to `answer`, newest first; other branches are not loaded."""
    parents = dict(Message.objects.filter(chat=answer.chat_id).values_list("pk", "parent_id"))
    path = []
    at = answer.parent_id
    while at is not None:
        path.append(at)
        at = parents.get(at)
    for start in range(0, len(path), _AT_ONCE):
        keys = path[start : start + _AT_ONCE]
        found = Message.objects.only("role", "content").in_bulk(keys)
        for message in map(found.__getitem__, keys):
            if message.content:
                role: Literal["user", "assistant"] = (
                    "user" if message.role == Role.USER else "assistant"
                )
                yield Turn(role, message.content)
