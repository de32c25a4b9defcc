"""What is sent in the rows of the tables, by the name that stands there."""

from __future__ import annotations

from typing import Any

from tests.parcels import parcel

_BODIES: dict[str, Any] = {
    "-": None,
    "empty": {},
    "camera": {"organization": "{ours}", "name": "Made by {asker}", "kind": "push"},
    "fps": {"fps": 9},
    "for-plaza": {"camera": "{plaza}", "name": "k"},
    "ours": {"organization": "{ours}"},
    "title": {"title": "Renamed"},
    "prompt": {"prompt": "Hello?"},
    "rating": {"rating": 1},
    "watch": {"camera": "{plaza}", "purpose": "watch"},
    "publish": {"camera": "{push}", "purpose": "publish"},
    "token": {"organization": "{ours}", "name": "t", "scopes": ["read"]},
    "form": {},
    "role": {"role": "viewer"},
    "ours-slug": {"organization": "demo-club"},
    "ours-form": {"organization": "{ours}", "name": "", "kind": "push"},
    "camera-form": {"organization": "{ours}", "name": "x", "kind": "push"},
    "unlisted": {"base_url": "http://127.0.0.1:9/v1", "model": "none"},
    "strong": {"organization": "{ours}", "name": "t", "scopes": ["read", "admin"]},
}


def body(name: str, facts: dict[str, str]) -> Any:
    """The body of that name, with the facts filled in; None for “-”."""
    if name == "frame":
        return parcel(facts["plaza"])
    found = _BODIES[name]
    if found is None:
        return None
    return {
        key: value.format(**facts) if isinstance(value, str) else value
        for key, value in found.items()
    }
