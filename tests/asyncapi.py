"""Validates messages against the schemas of `project/asyncapi.yaml`, more strictly than clients."""

from __future__ import annotations

import copy
from typing import Any

from jsonschema import Draft7Validator, FormatChecker

from project.openapi import asyncapi_document

DOCUMENT: dict[str, Any] = asyncapi_document()


def validate(schema: str, message: Any) -> None:
    """Assert that a message is as described, and has no member that is not.

    Raises `jsonschema.ValidationError`. Clients must ignore unknown members; the description must
    not lack any.
    """
    root = {"$ref": f"#/components/schemas/{schema}", "components": _CLOSED["components"]}
    Draft7Validator(root, format_checker=FormatChecker()).validate(message)


def _close(node: Any) -> Any:
    """Forbid, in place, members that the object schemas do not name."""
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, dict | list):
            _close(child)
    if isinstance(node, dict) and node.get("type") == "object":
        node["additionalProperties"] = False
    return node


_CLOSED = _close(copy.deepcopy(DOCUMENT))
