"""Events as bytes of `text/event-stream`. Django-free."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

PING = b": ping\n"  # an empty line after it would make some libraries fire an empty event
MAX_CHUNK = 1000  # bytes of text in one event: the seed's client does not reassemble lines
_LINE_ENDS = "\x85\u2028\u2029"  # JSON does not escape them; Python's splitlines breaks there
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
BURST = 8 * 1024  # bytes of events sent to a subscriber at once


def event_json(event: dict[str, Any]) -> str:
    """Return the event as JSON on one line, without any character that a client may split at."""
    return _on_one_line(_encode(event))


def chunk_json(text: str) -> str:
    """Return a `chunk` event as JSON; faster than `event_json`, as there are very many."""
    return f'{{"type":"chunk","text":{_on_one_line(_encode(text))}}}'


def event_bytes(seq: int, line: str) -> bytes:
    """Return one event of the stream; `line` is its JSON."""
    return f"id: {seq}\ndata: {line}\n\n".encode()


def _on_one_line(text: str) -> str:
    if not text.isascii():
        for end in _LINE_ENDS:
            text = text.replace(end, f"\\u{ord(end):04x}")
    return text


def pieces(text: str, limit: int = MAX_CHUNK) -> Iterator[str]:
    """Split a text into pieces of at most `limit` bytes of UTF-8; none is empty."""
    while text:
        if len(text) * 4 <= limit or len(text.encode()) <= limit:
            yield text
            return
        piece = text.encode()[:limit].decode(errors="ignore")
        yield piece
        text = text[len(piece) :]


def as_chunk(data: bytes) -> bytes:
    """Return the data as one chunk of HTTP/1.1's chunked transfer coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def start(message_id: object, user_message_id: object, model: str) -> dict[str, Any]:
    return {
        "type": "start",
        "message_id": str(message_id),
        "user_message_id": str(user_message_id),
        "model": model,
    }


def chunk(text: str) -> dict[str, Any]:
    return {"type": "chunk", "text": text}


def error(code: str, message: str, *, retryable: bool) -> dict[str, Any]:
    return {"type": "error", "code": code, "message": message, "retryable": retryable}


def ending(status: str, code: str, message: str, *, retryable: bool) -> list[dict[str, Any]]:
    """Return the last events of an answer that is complete, stopped, failed or interrupted."""
    if status == "complete":
        return [{"type": "done", "status": "complete"}]
    if status == "stopped":
        return [{"type": "stopped"}, {"type": "done", "status": "stopped"}]
    return [error(code, message, retryable=retryable), {"type": "done", "status": "failed"}]


RESET: dict[str, Any] = {"type": "reset"}
