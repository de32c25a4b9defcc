"""Django's database sessions, queried only for well-formed session keys.

A client can send any cookie, and PostgreSQL fails on a NUL in it.
"""

from __future__ import annotations

import re
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

_KEY = re.compile(r"[a-z0-9]{32}")


def is_key(text: str | None) -> bool:
    """True if the text has the form of Django's session keys."""
    return text is not None and _KEY.fullmatch(text) is not None


class SessionStore(DatabaseStore):
    """Django's store. The class name is part of its signatures and must stay the same."""

    def _validate_session_key(self, key: Any) -> bool:
        return isinstance(key, str) and is_key(key)
