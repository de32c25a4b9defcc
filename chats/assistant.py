"""One turn: what the model is given to answer, and what that may cost.

The history is the server's: of the client there is the prompt and nothing else.
"""

from __future__ import annotations

from typing import Literal

from chats.models.assistants import Assistant
from chats.models.messages import Message, Role
from chats.providers.base import Conversation, Turn

EMBEDDED_MODEL = "SmolLM2-135M-Instruct"
EMBEDDED_CONTEXT = 4096
EMBEDDED_ANSWER = 512
PER_TURN = 8  # tokens of its frame


def model_of(assistant: Assistant) -> str:
    """The model's name, as messages record it."""
    return EMBEDDED_MODEL if assistant.is_embedded else assistant.model


def tokens_at_most(text: str) -> int:
    """More than the tokens of a text in any living language: they have two bytes and more each."""
    return len(text.encode()) // 2 + PER_TURN


def tokens_about(text: str) -> int:
    """An estimate, for providers that do not count: four bytes a token."""
    return (len(text.encode()) + 3) // 4


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


def cost_at_most(assistant: Assistant, answer: Message) -> int:
    """Tokens that the answer may cost, in and out."""
    asked = conversation_for(assistant, answer)
    return sum(tokens_at_most(turn.content) for turn in asked.turns) + asked.max_tokens


def _before(answer: Message) -> list[Message]:
    """The messages above, newest first."""
    by_id = {message.pk: message for message in Message.objects.filter(chat=answer.chat_id)}
    path = []
    at = by_id.get(answer.parent_id) if answer.parent_id else None
    while at is not None:
        path.append(at)
        at = by_id.get(at.parent_id) if at.parent_id else None
    return path
