"""The seam to a language model: a conversation in, pieces of text out. Django-free.

    ProviderError              the model could not answer, or not to its end
    ├── Unreachable            no connection, no answer in time, or the connection broke
    ├── Refused                401, 403: the key is not accepted
    ├── Busy                   429, 503: later, perhaps after `retry_after` seconds
    ├── Rejected               other 4xx: the request itself (unknown model, too long, …)
    └── Nonsense               an answer that is not of the protocol

Each has a `code` for programs, a plain `sentence` for people, and says whether trying again helps.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

_UNFIT = re.compile("[\x00\ud800-\udfff]")


class ProviderError(Exception):
    """`sentence` is shown to people: no key is in it, and few words of the endpoint's own."""

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


class Nonsense(ProviderError):
    code = "provider_nonsense"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation as the model gets to see it."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is asked of the model.

    `unfinished` is the beginning of the answer where it is to be continued: what the provider
    yields follows it without a seam. `max_tokens` bounds the answer.
    """

    turns: tuple[Turn, ...]
    unfinished: str = ""
    temperature: float = 0.7
    max_tokens: int = 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them."""

    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The last that a provider yields. `usage` is None where it was not told.

    `reason` is "stop" (the model was done) or "length" (it met `max_tokens` or its context's end).
    """

    reason: str = "stop"
    usage: Usage | None = field(default=None)


class Provider(Protocol):
    """A model behind some endpoint."""

    @property
    def model(self) -> str:
        """The model's name, as messages record it."""

    def answer(self, conversation: Conversation) -> AsyncGenerator[str | Finish, None]:
        """Pieces of text as they come (never empty), then one `Finish`.

        Raises `ProviderError`. Closing the iterator (or cancelling its task) ends the work of the
        model, also before its first token.
        """

    async def close(self) -> None:
        """Give connections back. Nothing may be asked afterwards."""


def clean(text: str) -> str:
    """Surrogate pairs joined; lone surrogates and NUL become U+FFFD."""
    if not _UNFIT.search(text):
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return _UNFIT.sub("\ufffd", joined)


class Cleaner:
    """`clean` over a stream: half of a pair at the end of a piece waits for the next piece."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """What is fit to show now; may be empty."""
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return clean(text)

    def end(self) -> str:
        """What is left: half of a pair whose other half never came."""
        text, self._half = self._half, ""
        return clean(text)
