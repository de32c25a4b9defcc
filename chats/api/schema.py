"""OpenAPI descriptions of the streaming endpoints, which drf-spectacular does not find."""

from __future__ import annotations

from typing import Any

from project.api import CreatedAtCursorPagination
from project.problems import SECURITY, problem_response

_STREAM = """\
The answer is a stream of server-sent events. Each is an `id` and one `data:` line of JSON:

| `type` | other members | what to do |
|---|---|---|
| `start` | `message_id`, `user_message_id`, `model` | note `message_id` |
| `chunk` | `text` | append it |
| `error` | `code`, `message`, `retryable` | show `message`; `done` follows |
| `stopped` | | `done` follows |
| `reset` | | discard the text so far; a replay follows |
| `done` | `status`: `complete`, `stopped` or `failed` | end; always the last event |

Ignore types that you do not know. Lines that begin with `:` are pings. After a stream that ends
without `done`, resume from `messages/{message}/events` with the last id as `Last-Event-ID`.
Disconnecting does not stop an answer. The schemas of the events are at `/api/asyncapi/`.
"""
_EXAMPLE = """\
: ping
id: 2
data: {"type":"chunk","text":"Based on"}

"""
# A text: clients that parse events do so themselves, and generated ones must not parse it as JSON.
_EVENTS = {
    "200": {
        "description": "Events, as they happen.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    },
    "204": {"description": "`Last-Event-ID` is the id of `done`: there is no more."},
}
_REFUSALS = {
    "401": problem_response("401", "No valid credential."),
    "403": problem_response("403", "The scope “chat” is missing."),
    "404": problem_response("404", "There is no such chat or message."),
}
_BAD_KEY = "`Idempotency-Key` is longer than 200 characters, or some cannot be printed."
_BAD_PROMPT = f"The prompt is missing or is not a text. Or {_BAD_KEY}"
_BAD_NUMBER = "`Last-Event-ID` or `after` is no number."
_BUSY = {
    "409": problem_response("409", "The chat is being answered; `message_id` names the answer."),
    "413": problem_response(
        "413",
        "The prompt does not fit into the model (it has `prompt_tokens` and there is `room`), or "
        "the stored text is at its limit.",
    ),
    "429": problem_response("429", "The day's tokens are used up; see `Retry-After`."),
    "503": problem_response("503", "Too many answers are being made; see `Retry-After`."),
}


def _id(name: str) -> dict[str, Any]:
    schema = {"type": "string", "format": "uuid"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _status(description: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"type": "string", "description": "Of the answer."}},
    }
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_LAST_EVENT = {
    "name": "Last-Event-ID",
    "in": "header",
    "schema": {"type": "integer"},
    "description": "The id of the last event that you have: the stream begins after it.",
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 200},
    "description": "A repeated key returns the stream of the same answer, never a second answer.",
}
_PROMPT = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["prompt"],
                "properties": {"prompt": {"type": "string", "maxLength": 32000}},
            },
            "example": {"prompt": "What plays worked well last game?"},
        }
    },
}


def _streaming(name: str, summary: str, *, prompt: bool, message: bool = True) -> dict[str, Any]:
    return {
        "operationId": name,
        "tags": ["answers"],
        "summary": summary,
        "description": _STREAM,
        "security": SECURITY,
        "parameters": [_id("id"), *([_id("message")] if message else []), _KEY, _LAST_EVENT],
        **({"requestBody": _PROMPT} if prompt else {}),
        "responses": _EVENTS
        | {"400": problem_response("400", _BAD_PROMPT if prompt else _BAD_KEY)}
        | _REFUSALS
        | _BUSY,
    }


_MESSAGE = "/api/v1/actions/chats/{id}/messages/{message}"
_STREAMS: dict[str, Any] = {
    "/api/v1/actions/chats/{id}/messages": {
        "get": {
            "operationId": "messages_list",
            "tags": ["chats"],
            "summary": "List messages",
            "description": "The messages of the selected branch, oldest first, by cursor.",
            "security": SECURITY,
            "parameters": [
                _id("id"),
                {"name": "cursor", "in": "query", "schema": {"type": "string"}},
                {"name": "limit", "in": "query", "schema": {"type": "integer"}},
            ],
            "responses": {
                "200": {
                    "description": "A page.",
                    "content": {
                        "application/json": {
                            "schema": CreatedAtCursorPagination().get_paginated_response_schema(
                                {"type": "array", "items": {"$ref": "#/components/schemas/Message"}}
                            )
                        }
                    },
                },
                **_REFUSALS,
            },
        },
        "post": _streaming("send_prompt", "Send a prompt", prompt=True, message=False),
    },
    f"{_MESSAGE}/edit": {
        "post": _streaming("edit_prompt", "Edit a prompt, on a new branch", prompt=True)
    },
    f"{_MESSAGE}/again": {
        "post": _streaming("answer_again", "Make another answer to the same prompt", prompt=False)
    },
    f"{_MESSAGE}/continue": {
        "post": _streaming("continue_answer", "Continue an answer that ended early", prompt=False)
    },
    f"{_MESSAGE}/events": {
        "get": {
            "operationId": "message_events",
            "tags": ["answers"],
            "summary": "Follow an answer from any event on",
            "description": _STREAM,
            "security": SECURITY,
            "parameters": [
                _id("id"),
                _id("message"),
                _LAST_EVENT,
                {"name": "after", "in": "query", "schema": {"type": "integer"}},
            ],
            "responses": _EVENTS | {"400": problem_response("400", _BAD_NUMBER)} | _REFUSALS,
        }
    },
    f"{_MESSAGE}/stop": {
        "post": {
            "operationId": "stop_answer",
            "tags": ["answers"],
            "summary": "Stop an answer",
            "description": "Its text is kept. Works before the first text, too.",
            "security": SECURITY,
            "parameters": [_id("id"), _id("message")],
            "responses": {
                "200": _status("It had already ended."),
                "202": _status("It is being stopped."),
                **_REFUSALS,
            },
        }
    },
}


def add_streams(result: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """Add the streaming endpoints to the schema: a postprocessing hook of drf-spectacular."""
    for path, operations in _STREAMS.items():
        result["paths"].setdefault(path, {}).update(operations)
    result["paths"] = dict(sorted(result["paths"].items()))
    return result
