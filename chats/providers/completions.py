"""The chat completions protocol: what is sent, and what an event of the answer means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chats.providers.base import Conversation, Nonsense, Usage
from chats.providers.cleaning import clean
from chats.providers.refusals import error_of

CONTINUE = "Continue your answer exactly where it stopped. Do not repeat anything."
DONE = b"[DONE]"


@dataclass(slots=True)
class Dialect:
    """What an endpoint turned out not to accept; learnt from its 400s, see `learn`."""

    usage: bool = True  # `stream_options`, by which it counts
    temperature: bool = True  # OpenAI's reasoning models have a fixed one
    bound: str = "max_tokens"  # or its later name

    def learn(self, error: Any) -> bool:
        """True where this refusal names a parameter that can be left out or renamed."""
        said = str(error)
        if self.usage and "stream_options" in said:
            self.usage = False
        elif self.bound == "max_tokens" and "max_completion_tokens" in said:
            self.bound = "max_completion_tokens"
        elif self.temperature and "temperature" in said:
            self.temperature = False
        else:
            return False
        return True


def request(
    model: str, conversation: Conversation, dialect: Dialect, *, prefills: bool
) -> dict[str, Any]:
    """The JSON body. `prefills`: the endpoint continues a trailing assistant message."""
    messages = [{"role": turn.role, "content": clean(turn.content)} for turn in conversation.turns]
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": True}
    if conversation.unfinished:
        messages.append({"role": "assistant", "content": clean(conversation.unfinished)})
        if prefills:  # llama.cpp and vLLM
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        else:
            messages.append({"role": "user", "content": CONTINUE})
    body[dialect.bound] = conversation.max_tokens
    if dialect.temperature:
        body["temperature"] = conversation.temperature
    if dialect.usage:
        body["stream_options"] = {"include_usage": True}
    return body


@dataclass(frozen=True, slots=True)
class Delta:
    """What one event says; `error` ends the answer, whatever else there is."""

    text: str = ""
    reason: str = ""
    usage: Usage | None = None
    error: Any = None
    choice: bool = False


def read(data: bytes) -> Delta:
    """The meaning of one event's data, or of a whole body. Raises `Nonsense`."""
    try:
        event = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise Nonsense("The model's server sent something that is not JSON.") from None
    if not isinstance(event, dict):
        raise Nonsense("The model's server sent something that is not an answer.")
    if (error := error_of(event)) is not None:
        return Delta(error=error)
    usage = _usage(event.get("usage"))
    choices = event.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        return Delta(usage=usage)
    choice = choices[0]
    message = choice.get("delta") or choice.get("message")
    text = message.get("content") if isinstance(message, Mapping) else None
    reason = choice.get("finish_reason")
    return Delta(
        text=text if isinstance(text, str) else "",
        reason=("length" if reason == "length" else "stop") if reason else "",
        usage=usage,
        choice=True,
    )


def _usage(value: Any) -> Usage | None:
    if not isinstance(value, Mapping):
        return None
    tokens = (value.get("prompt_tokens"), value.get("completion_tokens"))
    counts = [n for n in tokens if isinstance(n, int) and 0 <= n < 2**31]
    return Usage(*counts) if len(counts) == 2 else None
