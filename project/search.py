"""Searches for words in text columns: literal, in time proportional to the text, and bounded.

`LIKE` compares a word of 200 letters at every place of a text (10 s for 3 MB of one letter). The
functions below compare by `memcmp`. There is no full-text index: a person's chats are some
megabytes, which take a twentieth of a second, and it would have to be kept on two databases.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction
from django.db.models import Value
from django.db.models.functions import Lower, StrIndex
from django.db.models.lookups import GreaterThan

MAX_QUERY = 200  # characters
MAX_WORDS = 8
SEARCH_S = 2.0
_STEPS = 500  # instructions of SQLite between two looks at the clock


class SearchTimeout(Exception):
    """A search took longer than its limit. `sentence` is for the person who searched."""

    sentence = "The search took too long. Search for fewer words, or less often used ones."

    def __init__(self) -> None:
        super().__init__(self.sentence)


def words_of(text: str) -> list[str]:
    """Return the first words of a query, each once."""
    words = text[:MAX_QUERY].replace("\0", " ").split()
    return list(dict.fromkeys(words))[:MAX_WORDS]


def contains(column: str, word: str) -> GreaterThan:
    """Return a condition: the column contains the word, in any case.

    On SQLite the case of other letters than A to Z matters, as with `LIKE`.
    """
    return GreaterThan(StrIndex(Lower(column), Lower(Value(word))), 0)


@contextmanager
def time_limit(seconds: float = SEARCH_S) -> Iterator[None]:
    """End each statement of the block after `seconds`, so that it holds no thread for longer.

    Raises `SearchTimeout`.
    """
    try:
        with _sqlite_limit(seconds) if connection.vendor == "sqlite" else _other_limit(seconds):
            yield
    except OperationalError as error:
        cause = error.__cause__
        code = getattr(cause, "sqlite_errorcode", None) or getattr(cause, "sqlstate", None)
        if code in (sqlite3.SQLITE_INTERRUPT, "57014"):
            raise SearchTimeout from None
        raise


@contextmanager
def _sqlite_limit(seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    connection.ensure_connection()
    raw = connection.connection
    raw.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


@contextmanager
def _other_limit(seconds: float) -> Iterator[None]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = %s", [round(seconds * 1000)])
        yield
        cursor.execute("SET LOCAL statement_timeout = DEFAULT")  # an outer transaction may go on
