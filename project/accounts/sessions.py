"""Sessions in the database, looked up only under what can be the key of one.

The cookie is whatever a client sends. PostgreSQL fails on a NUL in it, and nothing but a key that
Django has drawn is worth a query.
"""

from __future__ import annotations

import re
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

_SPELLING = re.compile(r"[a-z0-9]{32}")


def is_key(text: str | None) -> bool:
    """Whether the text is spelled as Django spells the keys of sessions."""
    return text is not None and _SPELLING.fullmatch(text) is not None


class SessionStore(DatabaseStore):
    """Django's, with that spelling. Its name is part of the signatures, and so stays the same."""

    def _validate_session_key(self, key: Any) -> bool:
        return isinstance(key, str) and is_key(key)
