"""OpenAPI descriptions that drf-spectacular cannot derive: those of the views outside DRF."""

from __future__ import annotations

from typing import Any

from cameras.live.variants import RATES, WIDTHS
from project.problems import PROBLEM_SCHEMA, SECURITY, problem_response

_CAMERA_PARAMETER = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "The camera's id, or a stream key, which is then a sufficient credential.",
}
_PICTURE_SECURITY = [*SECURITY, {"basic": []}, {}]
_BASIC = {
    "type": "http",
    "scheme": "basic",
    "description": "Any user name; the password is a stream key, or a token with only `read`.",
}
_VARIANT_PARAMETERS = [
    {
        "name": name,
        "in": "query",
        "schema": {"type": "integer", "enum": list(values)},
        "description": "Lighter pictures. Other values are refused with 400.",
    }
    for name, values in (("width", WIDTHS), ("fps", RATES))
]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FRAME_EXAMPLE = {
    "streamName": "webcam",
    "streamType": "frame",
    "frame": "/9j/4AAQSkZJRgABAQ…",
    "timestamp": 1767225600000,
    "camera_id": "0c1de7c5-5f0a-4c33-9a3e-0d8f0b8f6f11",
}
_TOO_MANY = "One credential opened too many connections or views; see `Retry-After`."
_ASYNC_PATHS: dict[str, Any] = {
    "/api/v1/cameras/{id}/snapshot.jpg": {
        "get": {
            "operationId": "camera_snapshot",
            "summary": "Read the newest picture",
            "tags": ["cameras"],
            "description": "The newest frame, with `Last-Modified`; never one older than 3 s.",
            "security": _PICTURE_SECURITY,
            "parameters": [_CAMERA_PARAMETER, _VARIANT_PARAMETERS[0]],
            "responses": {
                "200": {"description": "A JPEG.", "content": {"image/jpeg": _BINARY}},
                "429": problem_response("429", _TOO_MANY),
                "503": problem_response(
                    "503",
                    "There is no fresh picture, or the view cannot be recorded; `detail` says "
                    "which. See `Retry-After`.",
                ),
            },
        }
    },
    "/api/v1/cameras/{id}/stream.mjpeg": {
        "get": {
            "operationId": "camera_mjpeg",
            "summary": "Watch as MJPEG",
            "tags": ["cameras"],
            "description": (
                "An endless stream of frames. A slow reader misses frames. The socket "
                "`/ws/stream/{id}` takes the same parameters."
            ),
            "security": _PICTURE_SECURITY,
            "parameters": [_CAMERA_PARAMETER, *_VARIANT_PARAMETERS],
            "responses": {
                "200": {
                    "description": "JPEGs, one after the other.",
                    "content": {"multipart/x-mixed-replace": _BINARY},
                },
                "429": problem_response("429", _TOO_MANY),
                "503": problem_response(
                    "503", "The view cannot be recorded just now; see `Retry-After`."
                ),
            },
        }
    },
    "/api/v1/actions/actions/send": {
        "post": {
            "operationId": "send_frame",
            "summary": "Hand over a frame",
            "tags": ["frames"],
            "description": (
                "Hand over a frame. Echoes of a camera that the server reads itself are "
                "duplicates; a newer frame of a `push` camera is published once. A stream key "
                "in `camera_id` is a sufficient credential for duplicates.\n\n"
                "Devices that send many frames do better with the WebSocket `/ws/publish/{id}`: "
                "see `/api/asyncapi/`."
            ),
            "security": [*SECURITY, {}],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": list(_FRAME_EXAMPLE),
                            "properties": {
                                "streamName": {"type": "string"},
                                "streamType": {"type": "string", "enum": ["frame"]},
                                "frame": {"type": "string", "description": "Base64 JPEG, ≤8 MiB."},
                                "timestamp": {"type": "integer", "description": "Unix ms."},
                                "camera_id": {"type": "string", "description": "Or a stream key."},
                            },
                        },
                        "example": _FRAME_EXAMPLE,
                    }
                },
            },
            "responses": {
                "202": {
                    "description": "Accepted.",
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {
                                    "accepted": {"type": "boolean"},
                                    "duplicate": {"type": "boolean"},
                                },
                            },
                            "example": {"accepted": True, "duplicate": True},
                        }
                    },
                },
                "400": problem_response("400", "The frame is bad; `errors` names the field."),
                "413": problem_response("413", "The body is over 12 MiB."),
                "429": problem_response("429", _TOO_MANY),
            },
        }
    },
}


def add_streams(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add the async views and the problem schema (a postprocessing hook of drf-spectacular)."""
    paths = {path.rstrip("/"): operations for path, operations in result["paths"].items()}
    result["paths"] = dict(sorted((paths | _ASYNC_PATHS).items()))
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
    components.setdefault("securitySchemes", {})["basic"] = _BASIC
    return result
