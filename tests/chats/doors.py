"""The chat's rows of the access matrix: a chat is its owner's, here the viewer's, and no other's.

Askers: nobody, outsider, chatter, reader, viewer, operator, admin. `reader` lacks the scope.
"""

from __future__ import annotations

from typing import Any

_OWN = (401, 404, 404, 403, 200, 404, 404)
_ANYONE = (401, 200, 200, 403, 200, 200, 200)
_CHAT = "actions/chats/{read_chat}"
_MESSAGE = "actions/chats/{read_chat}/messages/{read_answer}"
_HELLO = {"prompt": "Hello?"}


def _own(status: int) -> tuple[int, ...]:
    """As its owner is answered."""
    return tuple(status if code == 200 else code for code in _OWN)


CHAT_DOORS: dict[str, list[tuple[str, str, Any, tuple[int, ...]]]] = {
    "api-chats": [
        ("GET", "actions/chats", None, _ANYONE),
        ("POST", "actions/chats", {}, (401, 201, 201, 403, 201, 201, 201)),
        (
            "POST",
            "actions/chats",
            {"organization": "{ours}"},
            (401, 404, 201, 403, 201, 201, 201),
        ),
    ],
    "api-chat": [
        ("GET", _CHAT, None, _OWN),
        ("PATCH", _CHAT, {"title": "Renamed"}, _OWN),
        ("DELETE", "actions/chats/{other_chat}", None, _own(204)),
    ],
    "api-chat-restore": [("POST", "actions/chats/{other_chat}/restore", None, _OWN)],
    "api-chat-export": [
        ("GET", _CHAT + "/export", None, _OWN),
        ("GET", _CHAT + "/export?as=json", None, _OWN),
    ],
    "api-messages": [
        ("GET", _CHAT + "/messages", None, _OWN),
        ("POST", "actions/chats/{send_chat}/messages", _HELLO, _OWN),
    ],
    "api-messages-at-root": [
        ("GET", "/chats/{read_chat}/messages", None, _OWN),
        ("POST", "/chats/{read_chat}/messages", {}, _own(400)),
    ],
    "api-message-events": [("GET", _MESSAGE + "/events", None, _OWN)],
    "api-message-stop": [("POST", _MESSAGE + "/stop", None, _OWN)],
    "api-message-edit": [
        ("POST", "actions/chats/{edit_chat}/messages/{edit_prompt}/edit", _HELLO, _OWN)
    ],
    "api-message-again": [
        ("POST", "actions/chats/{again_chat}/messages/{again_answer}/again", None, _OWN)
    ],
    "api-message-continue": [
        ("POST", "actions/chats/{continue_chat}/messages/{continue_answer}/continue", None, _OWN)
    ],
    "api-message-select": [("POST", _MESSAGE + "/select", None, _OWN)],
    "api-message-rating": [("PUT", _MESSAGE + "/rating", {"rating": 1}, _own(204))],
}
