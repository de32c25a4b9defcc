"""Parses a streamed answer: bytes into server-sent events, events into text and the end.

Django-free. The format is that of the HTML standard's event streams and of OpenAI's chat
completions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chats.providers.base import Cleaner, Finish, Nonsense, ProviderError, Unreachable, Usage
from chats.providers.errors import error_of, refusal

LONGEST = 1 << 20  # bytes of one line, and of one event's data
LONGEST_TEXT = 1 << 20  # characters; nobody asks for that many, so an endpoint ran away
DONE = b"[DONE]"

_ENDS = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class EventParser:
    """Cuts a body into events and keeps their data; comments and other fields are passed over.

    Bound: `LONGEST` bytes for a line and for an event; more raises `Nonsense`.
    """

    def __init__(self) -> None:
        self._tail = bytearray()  # a line whose end has not come
        self._data: list[bytes] = []
        self._size = 0
        self._first = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that this chunk completes."""
        self._tail += chunk
        if len(self._tail) > LONGEST and not _ENDS.search(self._tail, 0, LONGEST + 1):
            raise Nonsense("The model's server sent a line without an end.")
        if b"\n" not in chunk and b"\r" not in self._tail:
            return []
        # A CR at the very end may be half of a CRLF: its line waits for what follows.
        lines = _ENDS.split(self._tail[:-1] if self._tail.endswith(b"\r") else self._tail)
        rest = lines.pop()
        self._tail = bytearray(rest + b"\r" if self._tail.endswith(b"\r") else rest)
        return [data for line in lines if (data := self._line(bytes(line))) is not None]

    def end(self) -> list[bytes]:
        """What the end of the body completes: a last event needs no empty line after it."""
        lines = (bytes(self._tail.removesuffix(b"\r")), b"")
        self._tail.clear()
        return [data for line in lines if (data := self._line(line)) is not None]

    def _line(self, line: bytes) -> bytes | None:
        if self._first:
            line, self._first = line.removeprefix(_BOM), False
        if not line:
            data, self._data, self._size = b"\n".join(self._data), [], 0
            return data or None
        field, _, value = line.partition(b":")
        if field in (b"data", b"error"):  # older llama.cpp names the field after what it holds
            self._data.append(value.removeprefix(b" "))
            self._size += len(value) + 1
            if self._size > LONGEST:
                raise Nonsense("The model's server sent an event without an end.")
        return None


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


class AnswerParser:
    """Feed it the body; `failure` is to be raised after the text that came before it was shown.

    `who` starts sentences, `key` is kept out of them. Takes a stream of events or, from a server
    that does not stream, one JSON body.
    """

    def __init__(self, who: str, key: str) -> None:
        self.done = False  # nothing more has to be read
        self.failure: ProviderError | None = None
        self._who, self._key = who, key
        self._events = EventParser()
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
