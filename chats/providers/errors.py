"""Converts an endpoint's error responses to exceptions of `base`, with a sentence for users."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from chats.providers.base import (
    Busy,
    ProviderError,
    Refused,
    Rejected,
    TooLong,
    Unreachable,
    clean,
)

MAX_RETRY_AFTER_S = 3600.0
MAX_QUOTE = 160  # characters of an endpoint's own message in a sentence

_BUSY = ("rate_limit", "overloaded", "unavailable", "too_many", "server_busy")
_KEY = ("authentication", "invalid_api_key", "permission")
_TOO_LONG = ("context_length", "exceed_context", "context size", "context length", "too long")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")


def retry_after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header (number or HTTP date), or None if invalid.

    Limited to 0 to `MAX_RETRY_AFTER_S`.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            seconds = (moment - datetime.now(UTC)).total_seconds()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if math.isfinite(seconds) else None


def quote_of(error: Any, key: str) -> str:
    """Return the start of an error's message, on one line and without the key; may be empty."""
    message = error.get("message") if isinstance(error, dict) else error
    if not isinstance(message, str):
        return ""
    if key:
        message = message.replace(key, "…")
    message = _CONTROL.sub(" ", clean(message)).strip()
    return message if len(message) <= MAX_QUOTE else message[: MAX_QUOTE - 1] + "…"


def error_in(body: bytes) -> Any:
    """Return the error in a body: an object or a string, or None."""
    try:
        answer = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return error_of(answer)


def error_of(answer: Any) -> Any:
    """Return the error in a decoded response or event, or None."""
    if not isinstance(answer, dict):
        return None
    if error := answer.get("error"):
        return error
    if answer.get("object") == "error" or ("detail" in answer and "choices" not in answer):
        return answer.get("message") or answer.get("detail") or "error"
    return None


def exception_for(
    label: str, status: int | None, error: Any, key: str, wait: float | None = None
) -> ProviderError:
    """Return the exception for a status, or (`status` None) for an error inside an answer.

    `label` starts the sentence: "The model at api.example.com". `wait` is in seconds.
    """
    quote = quote_of(error, key)
    kind = ""
    if isinstance(error, dict):
        kind = f"{error.get('type', '')} {error.get('code', '')}".lower()
        code = error.get("code")
        if status is None and isinstance(code, int) and 400 <= code < 600:
            status = code
    if status == 402 or "insufficient_quota" in kind:
        return Refused(f"{label} says that the account has no credit left. Top it up, then retry.")
    if status in (401, 403) or (status is None and any(word in kind for word in _KEY)):
        return Refused(f"{label} does not accept the key. Enter a valid key in the settings.")
    if status in (429, 503, 529) or (status is None and any(word in kind for word in _BUSY)):
        later = "in a moment" if wait is None or wait < 1 else f"in {_duration(wait)}"
        return Busy(f"{label} is busy. Try again {later}.", retry_after=wait)
    if status in (408, 502, 504, 520, 521, 522, 523, 524):
        return Unreachable(f"{label} cannot be reached at the moment. Try again in a moment.")
    if status is not None and 300 <= status < 400:
        return Rejected(f"{label} redirects elsewhere. Enter the address it leads to as base URL.")
    if any(word in f"{kind} {quote}".lower() for word in _TOO_LONG):
        return TooLong(
            f"The prompt is too long for this model{_in_brackets(quote)}. Send a shorter one."
        )
    if status == 404:
        return Rejected(
            f"{label} knows no such model or address{_in_brackets(quote)}. "
            "Check the base URL and the model's name in the settings."
        )
    if status is not None and 400 <= status < 500:
        return Rejected(
            f"{label} rejected the request{_in_brackets(quote)}. Check the model's settings."
        )
    if status is not None:
        return ProviderError(
            f"{label} failed with an error of its own ({status}). Try again in a moment.",
            retry_after=wait,
        )
    return ProviderError(f"{label} broke off with an error{_in_brackets(quote)}. Try again.")


def _in_brackets(quote: str) -> str:
    return f" (“{quote}”)" if quote else ""


def _duration(seconds: float) -> str:
    if seconds < 90:
        whole = math.ceil(seconds)
        return f"{whole} second" + ("s" if whole != 1 else "")
    return f"{math.ceil(seconds / 60)} minutes"
