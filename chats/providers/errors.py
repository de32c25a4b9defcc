"""What an endpoint said no with, as an exception of `base` with a sentence for people."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from chats.providers.base import Busy, ProviderError, Refused, Rejected, Unreachable, clean

LONGEST_WAIT_S = 3600.0
WORDS = 160  # characters of an endpoint's own words in a sentence

_BUSY = ("rate_limit", "overloaded", "unavailable", "too_many", "server_busy")
_KEY = ("authentication", "invalid_api_key", "permission")
_TOO_LONG = ("context_length", "exceed_context", "context size", "context length", "too long")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")


def retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header (a number or an HTTP date), 0 to `LONGEST_WAIT_S`."""
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
    return min(max(seconds, 0.0), LONGEST_WAIT_S) if math.isfinite(seconds) else None


def words(error: Any, key: str) -> str:
    """A little of what an error says, on one line and without the key; may be empty."""
    message = error.get("message") if isinstance(error, dict) else error
    if not isinstance(message, str):
        return ""
    if key:
        message = message.replace(key, "…")
    message = _CONTROL.sub(" ", clean(message)).strip()
    return message if len(message) <= WORDS else message[: WORDS - 1] + "…"


def error_in(body: bytes) -> Any:
    """The error of a body: an object or a string as endpoints write them, or None."""
    try:
        answer = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return error_of(answer)


def error_of(answer: Any) -> Any:
    """The error of a decoded answer or event, or None."""
    if not isinstance(answer, dict):
        return None
    if error := answer.get("error"):
        return error
    if answer.get("object") == "error" or ("detail" in answer and "choices" not in answer):
        return answer.get("message") or answer.get("detail") or "error"
    return None


def refusal(
    who: str, status: int | None, error: Any, key: str, wait: float | None = None
) -> ProviderError:
    """The exception for a status, or (`status` None) for an error inside an answer.

    `who` starts the sentence: "The model at api.example.com". `wait` is in seconds.
    """
    said = words(error, key)
    kind = ""
    if isinstance(error, dict):
        kind = f"{error.get('type', '')} {error.get('code', '')}".lower()
        code = error.get("code")
        if status is None and isinstance(code, int) and 400 <= code < 600:
            status = code
    if status == 402 or "insufficient_quota" in kind:
        return Refused(f"{who} says that the account has no credit left. Top it up, then retry.")
    if status in (401, 403) or (status is None and any(word in kind for word in _KEY)):
        return Refused(f"{who} does not accept the key. Enter a valid key in the settings.")
    if status in (429, 503, 529) or (status is None and any(word in kind for word in _BUSY)):
        later = "in a moment" if wait is None or wait < 1 else f"in {_span(wait)}"
        return Busy(f"{who} is busy. Try again {later}.", retry_after=wait)
    if status in (408, 502, 504, 520, 521, 522, 523, 524):
        return Unreachable(f"{who} cannot be reached at the moment. Try again in a moment.")
    if status is not None and 300 <= status < 400:
        return Rejected(f"{who} redirects elsewhere. Enter the address it leads to as base URL.")
    if any(word in f"{kind} {said}".lower() for word in _TOO_LONG):
        return Rejected("The conversation is too long for this model. Start a new chat.")
    if status == 404:
        return Rejected(
            f"{who} knows no such model or address{_quoted(said)}. "
            "Check the base URL and the model's name in the settings."
        )
    if status is not None and 400 <= status < 500:
        return Rejected(f"{who} rejected the request{_quoted(said)}. Check the model's settings.")
    if status is not None:
        return ProviderError(
            f"{who} failed with an error of its own ({status}). Try again in a moment.",
            retry_after=wait,
        )
    return ProviderError(f"{who} broke off with an error{_quoted(said)}. Try again.")


def _quoted(said: str) -> str:
    return f" (“{said}”)" if said else ""


def _span(seconds: float) -> str:
    if seconds < 90:
        whole = math.ceil(seconds)
        return f"{whole} second" + ("s" if whole != 1 else "")
    return f"{math.ceil(seconds / 60)} minutes"
