"""The request bodies that the tables refer to by name."""

from __future__ import annotations

from typing import Any

from tests.push_messages import send_body

_BODIES: dict[str, Any] = {
    "-": None,
    "empty": {},
    "camera": {"organization": "{ours}", "name": "Made by {caller}", "kind": "push"},
    "file": {"organization": "{ours}", "name": "f", "kind": "file", "source": "no.mp4"},
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
    "ours-file": {"organization": "{ours}", "kind": "file", "source": "no.mp4"},
    "theirs-file": {"organization": "{theirs}", "kind": "file", "source": "no.mp4"},
    "ours-onvif": {"organization": "{ours}", "address": "http://192.0.2.1/reboot"},
    "theirs-onvif": {"organization": "{theirs}", "address": "http://192.0.2.1/reboot"},
    "unlisted": {"base_url": "http://127.0.0.1:9/v1", "model": "none"},
    "wall-order": {"order": "{push},{plaza}", "live_first": "0"},
    "strong": {"organization": "{ours}", "name": "t", "scopes": ["read", "admin"]},
}


def body(name: str, values: dict[str, str]) -> Any:
    """Return the body with its placeholders filled in; None for “-”."""
    if name == "frame":
        return send_body(values["plaza"])
    template = _BODIES[name]
    if template is None:
        return None
    return {
        key: value.format(**values) if isinstance(value, str) else value
        for key, value in template.items()
    }
