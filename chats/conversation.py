"""One turn: what the model is given to answer, and what that may cost.

The history is the server's: of the client there is the prompt and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chats.models.assistants import Assistant
from chats.models.messages import Message, Role
from chats.models.quotas import tokens_about, tokens_at_most
from chats.providers.base import Conversation, Turn

EMBEDDED_MODEL = "SmolLM2-135M-Instruct"
EMBEDDED_CONTEXT = 4096
EMBEDDED_ANSWER = 512


def model_of(assistant: Assistant) -> str:
    """The model's name, as messages record it."""
    return EMBEDDED_MODEL if assistant.is_embedded else assistant.model


def answer_most(assistant: Assistant) -> int:
    """Tokens that an answer may have."""
    most = assistant.max_tokens
    return min(most, EMBEDDED_ANSWER) if assistant.is_embedded else most


def conversation_for(assistant: Assistant, answer: Message, beginning: str = "") -> Conversation:
    """The branch that leads to `answer`, as much of its end as the model takes."""
    system = Turn("system", assistant.system_prompt) if assistant.system_prompt else None
    context = EMBEDDED_CONTEXT if assistant.is_embedded else assistant.context_tokens
    room = context - answer_most(assistant) - tokens_at_most(beginning)
    room -= tokens_at_most(system.content) if system else 0
    turns: list[Turn] = []
    for message in _before(answer):
        room -= tokens_at_most(message.content)
        if turns and room < 0:
            break
        if message.content:
            role: Literal["user", "assistant"] = (
                "user" if message.role == Role.USER else "assistant"
            )
            turns.append(Turn(role, message.content))
    while len(turns) > 1 and turns[-1].role == "assistant":
        turns.pop()  # it starts with a question
    return Conversation(
        turns=tuple(filter(None, (system, *reversed(turns)))),
        unfinished=beginning,
        temperature=assistant.temperature,
        max_tokens=answer_most(assistant),
    )


@dataclass(frozen=True, slots=True)
class Cost:
    """Tokens: `most` that an answer may cost, in and out; about what is `asked`, and what it has
    `begun` with."""

    most: int
    asked: int
    begun: int


def cost_of(assistant: Assistant, answer: Message, beginning: str) -> Cost:
    """What answering may cost."""
    conversation = conversation_for(assistant, answer, beginning)
    texts = [turn.content for turn in conversation.turns] + [beginning] * bool(beginning)
    return Cost(
        most=sum(map(tokens_at_most, texts)) + conversation.max_tokens,
        asked=sum(map(tokens_about, texts)),
        begun=tokens_about(beginning),
    )


def _before(answer: Message) -> list[Message]:
    """The messages above, newest first. Of other branches no word is read."""
    parents = dict(Message.objects.filter(chat=answer.chat_id).values_list("pk", "parent_id"))
    path = []
    at = answer.parent_id
    while at is not None:
        path.append(at)
        at = parents.get(at)
    found = Message.objects.in_bulk(path)
    return [found[pk] for pk in path]
