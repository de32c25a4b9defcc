"""The conversation that is sent to a model, and its cost in tokens.

The history comes from the database; a client sends only its prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chats.models.assistants import Assistant
from chats.models.messages import Message, Role
from chats.models.quotas import estimate_tokens, max_tokens_of
from chats.providers.base import Conversation, Turn

EMBEDDED_MODEL = "SmolLM2-135M-Instruct"
EMBEDDED_CONTEXT = 4096  # tokens
EMBEDDED_ANSWER = 512  # tokens


def model_of(assistant: Assistant) -> str:
    """Return the model's name, as messages record it."""
    return EMBEDDED_MODEL if assistant.is_embedded else assistant.model


def max_answer_tokens(assistant: Assistant) -> int:
    """Return the most tokens that an answer may have."""
    limit = assistant.max_tokens
    return min(limit, EMBEDDED_ANSWER) if assistant.is_embedded else limit


def conversation_for(assistant: Assistant, answer: Message, prefill: str = "") -> Conversation:
    """Return the branch that leads to `answer`, without the oldest turns beyond the context."""
    system = Turn("system", assistant.system_prompt) if assistant.system_prompt else None
    context = EMBEDDED_CONTEXT if assistant.is_embedded else assistant.context_tokens
    room = context - max_answer_tokens(assistant) - max_tokens_of(prefill)
    room -= max_tokens_of(system.content) if system else 0
    turns: list[Turn] = []
    for message in _before(answer):
        room -= max_tokens_of(message.content)
        if turns and room < 0:
            break
        if message.content:
            role: Literal["user", "assistant"] = (
                "user" if message.role == Role.USER else "assistant"
            )
            turns.append(Turn(role, message.content))
    while len(turns) > 1 and turns[-1].role == "assistant":
        turns.pop()  # a conversation starts with a user's turn
    return Conversation(
        turns=tuple(filter(None, (system, *reversed(turns)))),
        prefill=prefill,
        temperature=assistant.temperature,
        max_tokens=max_answer_tokens(assistant),
    )


@dataclass(frozen=True, slots=True)
class Cost:
    """Tokens of an answer: an upper `limit` of input and output, and estimates of its input
    (`prompt`) and of the text that it starts with (`prefill`)."""

    limit: int
    prompt: int
    prefill: int


def cost_of(assistant: Assistant, answer: Message, prefill: str) -> Cost:
    """Return what an answer may cost."""
    conversation = conversation_for(assistant, answer, prefill)
    texts = [turn.content for turn in conversation.turns] + [prefill] * bool(prefill)
    return Cost(
        limit=sum(map(max_tokens_of, texts)) + conversation.max_tokens,
        prompt=sum(map(estimate_tokens, texts)),
        prefill=estimate_tokens(prefill),
    )


def _before(answer: Message) -> list[Message]:
    """Return the messages that lead to `answer`, newest first; other branches are not loaded."""
    parents = dict(Message.objects.filter(chat=answer.chat_id).values_list("pk", "parent_id"))
    path = []
    at = answer.parent_id
    while at is not None:
        path.append(at)
        at = parents.get(at)
    found = Message.objects.in_bulk(path)
    return [found[pk] for pk in path]
