"""OpenAPI descriptions of the streaming endpoints, which drf-spectacular does not find."""

from __future__ import annotations

from typing import Any

from project.problems import SECURITY, problem_response

_STREAM = """\
The answer is a stream of server-sent events. Each is one `data:` line of JSON with an `id`:
`start`, `chunk` (append its `text`), `sources`, `error`, `stopped`, `reset` (discard the text so
far; a replay follows) and, always last, `done` with `status` complete, stopped or failed. Lines
that begin with `:` are pings. After a stream that ends without `done`, resume from
`messages/{message}/events` with the last id as `Last-Event-ID`. Disconnecting does not stop an
answer.
"""
_EVENT = {
    "type": "object",
    "required": ["id", "data"],
    "properties": {
        "id": {"type": "string", "description": "Counts up from 1."},
        "data": {"type": "string", "description": "One line of JSON with a `type`."},
    },
}
_EVENTS = {
    "200": {
        "description": "Events.",
        "content": {
            "text/event-stream": {
                "schema": _EVENT,
                "example": 'id: 1\ndata: {"type":"chunk","text":"Based on"}\n\n',
            }
        },
    }
}
_REFUSALS = {
    "400": problem_response("The prompt is missing or is not a text."),
    "401": problem_response("No valid credential."),
    "403": problem_response("The scope “chat” is missing."),
    "404": problem_response("There is no such chat or message."),
}
_BUSY = {
    "409": problem_response("The chat is being answered; `message_id` names the answer."),
    "413": problem_response(
        "The prompt does not fit into the model (it has `prompt_tokens` and there is `room`), or "
        "the stored text is at its limit."
    ),
    "429": problem_response("The day's tokens are used up; see `Retry-After`."),
    "503": problem_response("Too many answers are being made; see `Retry-After`."),
}


def _id(name: str) -> dict[str, Any]:
    schema = {"type": "string", "format": "uuid"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


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
        "tags": ["actions"],
        "description": f"{summary}\n\n{_STREAM}",
        "security": SECURITY,
        "parameters": [_id("id"), *([_id("message")] if message else []), _KEY],
        **({"requestBody": _PROMPT} if prompt else {}),
        "responses": _EVENTS | _REFUSALS | _BUSY,
    }


_MESSAGE = "/api/v1/actions/chats/{id}/messages/{message}"
_STREAMS: dict[str, Any] = {
    "/api/v1/actions/chats/{id}/messages": {
        "get": {
            "operationId": "messages_list",
            "tags": ["actions"],
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
                            "schema": {
                                "type": "object",
                                "properties": {
                                    "next": {"type": "string", "nullable": True},
                                    "previous": {"type": "string", "nullable": True},
                                    "results": {
                                        "type": "array",
                                        "items": {"$ref": "#/components/schemas/Message"},
                                    },
                                },
                            }
                        }
                    },
                },
                **{status: _REFUSALS[status] for status in ("401", "403", "404")},
            },
        },
        "post": _streaming("send_prompt", "Send a prompt.", prompt=True, message=False),
    },
    f"{_MESSAGE}/edit": {
        "post": _streaming("edit_prompt", "Edit a prompt, on a new branch.", prompt=True)
    },
    f"{_MESSAGE}/again": {
        "post": _streaming("answer_again", "Another answer to the same prompt.", prompt=False)
    },
    f"{_MESSAGE}/continue": {
        "post": _streaming("continue_answer", "Continue an answer that ended early.", prompt=False)
    },
    f"{_MESSAGE}/events": {
        "get": {
            "operationId": "message_events",
            "tags": ["actions"],
            "description": f"Follow an answer from any event on.\n\n{_STREAM}",
            "security": SECURITY,
            "parameters": [
                _id("id"),
                _id("message"),
                {"name": "Last-Event-ID", "in": "header", "schema": {"type": "integer"}},
                {"name": "after", "in": "query", "schema": {"type": "integer"}},
            ],
            "responses": _EVENTS | _REFUSALS,
        }
    },
    f"{_MESSAGE}/stop": {
        "post": {
            "operationId": "stop_answer",
            "tags": ["actions"],
            "description": "Stop an answer; its text is kept.",
            "security": SECURITY,
            "parameters": [_id("id"), _id("message")],
            "responses": {
                "200": {"description": "It had already ended."},
                "202": {"description": "It is being stopped."},
                **{status: _REFUSALS[status] for status in ("401", "403", "404")},
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
