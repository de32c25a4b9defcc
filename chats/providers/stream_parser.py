"""Parses a streamed answer: bytes to server-sent events, events to text and an ending.

Django-free. The format is that of the HTML standard's event streams and of OpenAI's chat
completions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from chats.providers.base import Cleaner, Finish, InvalidResponse, ProviderError, Unreachable, Usage
from chats.providers.errors import error_of, exception_for

MAX_EVENT = 1 << 20  # bytes of one line, and of one event's data
MAX_TEXT = 1 << 20  # characters; far more than any request allows
DONE = b"[DONE]"

_ENDS = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class EventParser:
    """Splits a body into events and returns their data; ignores comments and other fields.

    Bound: `MAX_EVENT` bytes for a line and for an event; more raises `InvalidResponse`.
    """

    def __init__(self) -> None:
        self._tail = bytearray()  # an incomplete line
        self._data: list[bytes] = []
        self._size = 0
        self._first = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that this chunk completes."""
        self._tail += chunk
        if len(self._tail) > MAX_EVENT and not _ENDS.search(self._tail, 0, MAX_EVENT + 1):
            raise InvalidResponse("The model's server sent a line without an end.")
        if b"\n" not in chunk and b"\r" not in self._tail:
            return []
        # A CR at the very end may be half of a CRLF: its line waits for the next chunk.
        lines = _ENDS.split(self._tail[:-1] if self._tail.endswith(b"\r") else self._tail)
        rest = lines.pop()
        self._tail = bytearray(rest + b"\r" if self._tail.endswith(b"\r") else rest)
        return [data for line in lines if (data := self._line(bytes(line))) is not None]

    def end(self) -> list[bytes]:
        """Return the data of the last event, which needs no empty line after it."""
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
        if field in (b"data", b"error"):  # older llama.cpp sends errors in a field `error`
            self._data.append(value.removeprefix(b" "))
            self._size += len(value) + 1
            if self._size > MAX_EVENT:
                raise InvalidResponse("The model's server sent an event without an end.")
        return None


def _decode(data: bytes) -> dict[str, Any]:
    """Return the object in one event's data, or in a whole body. Raises `InvalidResponse`."""
    try:
        event = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise InvalidResponse("The model's server sent something that is not JSON.") from None
    if not isinstance(event, dict):
        raise InvalidResponse("The model's server sent something that is not an answer.")
    return event


def _usage(value: Any) -> Usage | None:
    if not isinstance(value, Mapping):
        return None
    tokens = (value.get("prompt_tokens"), value.get("completion_tokens"))
    counts = [n for n in tokens if isinstance(n, int) and 0 <= n < 2**31]
    return Usage(*counts) if len(counts) == 2 else None


class AnswerParser:
    """Parses a body: a stream of events or, from a server that does not stream, one JSON body.

    The caller raises `failure` after it has shown the text before it. `label` starts sentences;
    `key` is removed from them.
    """

    def __init__(self, label: str, key: str) -> None:
        self.is_done = False  # the rest of the body does not matter
        self.failure: ProviderError | None = None
        self._label, self._key = label, key
        self._events = EventParser()
        self._json_body: bytearray | None = None
        self._is_started = self._has_choice = False
        self._reason = ""
        self._usage: Usage | None = None
        self._cleaner = Cleaner()
        self._length = 0

    @property
    def is_finished(self) -> bool:
        """Whether a finish reason was received; the token counts may still follow."""
        return bool(self._reason)

    @property
    def finish(self) -> Finish:
        """The finish reason and usage as received."""
        return Finish(self._reason or "stop", self._usage)

    def feed(self, chunk: bytes) -> str:
        """Parse bytes and return their text; may be empty."""
        if not self._is_started and (start := chunk.lstrip()):
            self._is_started = True
            if start.startswith(b"{"):
                self._json_body = bytearray()
        if self._json_body is not None:
            self._json_body += chunk
            if len(self._json_body) > MAX_EVENT:
                self._fail(InvalidResponse(f"{self._label} sent an answer without an end."))
            return ""
        return self._parse(partial(self._events.feed, chunk))

    def end(self) -> str:
        """Return the remaining text. Sets `failure` if the answer is incomplete."""
        text = "" if self.is_done else self._parse(self._last)
        text += self._cleaner.end()
        if self.failure is None and not self._reason:
            if self._length and (self.is_done or self._json_body is not None):
                return text
            if self._has_choice and not self.is_done:
                self.failure = Unreachable(f"{self._label} broke off in mid-answer. Try again.")
            else:
                self.failure = InvalidResponse(
                    f"{self._label} did not send an answer. Check that the base URL leads to an "
                    "OpenAI-compatible API (it often ends in /v1)."
                )
        return text

    def _last(self) -> list[bytes]:
        return [bytes(self._json_body)] if self._json_body else self._events.end()

    def _parse(self, events: Callable[[], list[bytes]]) -> str:
        """Return the text of the events up to a failure. What it raised ends the answer."""
        found = []
        try:
            for data in events():
                if data.strip() == DONE:
                    self.is_done = True
                    break
                found.append(self._apply(_decode(data)))
        except ProviderError as failure:
            self._fail(failure)
        return "".join(found)

    def _apply(self, event: dict[str, Any]) -> str:
        """Note what an event says and return its text. Raises `ProviderError` for an error."""
        if (error := error_of(event)) is not None:
            raise exception_for(self._label, None, error, self._key)
        self._usage = _usage(event.get("usage")) or self._usage
        choices = event.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
            return ""
        self._has_choice = True
        if reason := choices[0].get("finish_reason"):
            self._reason = "length" if reason == "length" else "stop"
        message = choices[0].get("delta") or choices[0].get("message")
        text = message.get("content") if isinstance(message, Mapping) else None
        if not isinstance(text, str) or not text:
            return ""
        self._length += len(text)
        if self._length > MAX_TEXT:
            self._fail(InvalidResponse(f"{self._label} sent far more text than it was asked for."))
        return self._cleaner.feed(text)

    def _fail(self, failure: ProviderError) -> None:
        self.failure, self.is_done = failure, True
