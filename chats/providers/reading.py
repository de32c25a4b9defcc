"""From the bytes of an answer to its text, as a machine without any waiting in it."""

from __future__ import annotations

from typing import Any

from chats.providers.base import Finish, Nonsense, ProviderError, Unreachable, Usage
from chats.providers.cleaning import Cleaner
from chats.providers.completions import DONE, Delta, read
from chats.providers.events import LONGEST, Events
from chats.providers.refusals import refusal

LONGEST_TEXT = 1 << 20  # characters; nobody asks for that many, so an endpoint ran away


class Answer:
    """Feed it the body; `failure` is to be raised after the text that came before it was shown.

    `who` starts sentences, `key` is kept out of them. Takes a stream of events or, from a server
    that does not stream, one JSON body.
    """

    def __init__(self, who: str, key: str) -> None:
        self.done = False  # nothing more has to be read
        self.failure: ProviderError | None = None
        self._who, self._key = who, key
        self._events = Events()
        self._whole: bytearray | None = None
        self._started = self._chose = False
        self._reason = ""
        self._usage: Usage | None = None
        self._cleaner = Cleaner()
        self._length = 0

    @property
    def finished(self) -> bool:
        """True once the model said that it is done; perhaps only its count is still to come."""
        return bool(self._reason)

    @property
    def finish(self) -> Finish:
        """The end as the model told it."""
        return Finish(self._reason or "stop", self._usage)

    def feed(self, chunk: bytes) -> str:
        """The text in these bytes, joined; may be empty."""
        if not self._started and (begun := chunk.lstrip()):
            self._started = True
            if begun.startswith(b"{"):
                self._whole = bytearray()
        if self._whole is not None:
            self._whole += chunk
            if len(self._whole) > LONGEST:
                self._fail(Nonsense(f"{self._who} sent an answer without an end."))
            return ""
        try:
            return self._text(self._events.feed(chunk))
        except Nonsense as failure:
            self._fail(failure)
            return ""

    def end(self) -> str:
        """The text that was held back. Sets `failure` where the answer is not a whole one."""
        if not self.done:
            text = self._last()
        else:
            text = ""
        text += self._cleaner.end()
        if self.failure is None and not self._reason:
            if self._length and (self.done or self._whole is not None):
                return text
            if self._chose and not self.done:
                self.failure = Unreachable(f"{self._who} broke off in mid-answer. Try again.")
            else:
                self.failure = Nonsense(
                    f"{self._who} did not send an answer. Check that the base URL leads to an "
                    "OpenAI-compatible API (it often ends in /v1)."
                )
        return text

    def _last(self) -> str:
        try:
            return self._text([bytes(self._whole)] if self._whole else self._events.end())
        except Nonsense as failure:
            self._fail(failure)
            return ""

    def _text(self, events: list[bytes]) -> str:
        found = []
        for data in events:
            if data.strip() == DONE:
                self.done = True
                break
            try:
                delta = read(data)
            except Nonsense as failure:
                self._fail(failure)
                break
            if delta.error is not None:
                self._fail(self._refused(delta.error))
                break
            found.append(self._take(delta))
        return "".join(found)

    def _take(self, delta: Delta) -> str:
        self._chose |= delta.choice
        self._reason = delta.reason or self._reason
        self._usage = delta.usage or self._usage
        self._length += len(delta.text)
        if self._length > LONGEST_TEXT:
            self._fail(Nonsense(f"{self._who} sent far more text than it was asked for."))
        return self._cleaner.feed(delta.text) if delta.text else ""

    def _refused(self, error: Any) -> ProviderError:
        return refusal(self._who, None, error, self._key)

    def _fail(self, failure: ProviderError) -> None:
        self.failure, self.done = failure, True
