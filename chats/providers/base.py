"""The interface to a language model: a conversation in, pieces of text out. Django-free.

    ProviderError              the model could not answer, or not completely
    ├── Unreachable            no connection, no answer in time, or a broken connection
    ├── Refused                401, 403: the key is not accepted
    ├── Busy                   429, 503: retry later, perhaps after `retry_after` seconds
    ├── Rejected               other 4xx: the request is wrong (unknown model, …)
    │   └── TooLong            the conversation does not fit into the model's context
    └── InvalidResponse        the response does not follow the protocol

Each has a `code` for programs and a plain `sentence` for users; `retryable` says whether a retry
may help.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Protocol

_UNFIT = re.compile("[\x00\ud800-\udfff]")


class ProviderError(Exception):
    """`sentence` is shown to users: it holds no key, and at most a short quote of the endpoint."""

    code: ClassVar[str] = "provider_failed"
    retryable: ClassVar[bool] = True

    def __init__(self, sentence: str, *, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.retry_after = retry_after


class Unreachable(ProviderError):
    code = "provider_unreachable"


class Refused(ProviderError):
    code = "provider_refused"
    retryable = False


class Busy(ProviderError):
    code = "provider_busy"


class Rejected(ProviderError):
    code = "provider_rejected"
    retryable = False


class TooLong(Rejected):
    code = "provider_too_long"


class InvalidResponse(ProviderError):
    code = "provider_nonsense"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation as the model receives it."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request to the model.

    `prefill` is the start of the answer: the provider yields the text that follows it directly.
    `max_tokens` limits the answer.
    """

    turns: tuple[Turn, ...]
    prefill: str = ""
    temperature: float = 0.7
    max_tokens: int = 1024

    def shortened(self) -> Conversation | None:
        """Return it without the older half of its turns; None if only the prompt is left."""
        system = tuple(turn for turn in self.turns if turn.role == "system")
        rest = self.turns[len(system) :]
        kept = rest[(len(rest) + 1) // 2 :]
        while len(kept) > 1 and kept[0].role == "assistant":
            kept = kept[1:]
        return replace(self, turns=system + kept) if kept else None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them."""

    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The last item that a provider yields. `usage` is None if the provider did not report it.

    `reason` is "stop" (the model ended) or "length" (it reached `max_tokens` or its context).
    """

    reason: str = "stop"
    usage: Usage | None = field(default=None)


class Provider(Protocol):
    """A model that answers conversations."""

    @property
    def model(self) -> str:
        """The model's name, as messages record it."""

    def answer(self, conversation: Conversation) -> AsyncGenerator[str | Finish, None]:
        """Yield non-empty pieces of text as they arrive, then one `Finish`.

        Raises `ProviderError`. Closing the iterator (or cancelling its task) stops the model, even
        before its first token.
        """

    async def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        """Return the tokens of each text by the model's tokenizer; None if it cannot be asked.

        Raises `ProviderError`.
        """

    async def close(self) -> None:
        """Close connections. The provider cannot be used afterwards."""


def clean(text: str) -> str:
    """Join surrogate pairs; replace lone surrogates and NUL by U+FFFD."""
    if not _UNFIT.search(text):
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return _UNFIT.sub("\ufffd", joined)


class Cleaner:
    """`clean` for a stream: half of a pair at the end of a piece waits for the next piece."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """Return the cleaned text that is complete so far; may be empty."""
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return clean(text)

    def end(self) -> str:
        """Return the rest: U+FFFD for half of a pair, or an empty text."""
        text, self._half = self._half, ""
        return clean(text)
