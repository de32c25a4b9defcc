"""The OpenAPI schema and its page: complete, with examples, without external assets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.installation import Installation


@pytest.fixture(scope="module")
def schema(installation: Installation) -> str:
    return httpx.get(f"{installation.url}/api/schema/").text


@pytest.fixture(scope="module")
def document(installation: Installation) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{installation.url}/api/schema/?format=json").json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, by_method in document["paths"].items():
        for method, operation in by_method.items():
            yield f"{method} {path}", operation


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a JSON document."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, dict | list):
            yield from nodes(child)


def test_every_endpoint_is_described(schema: str) -> None:
    for path in (
        "/api/v1/auth/login",
        "/api/v1/auth/logout",
        "/api/v1/organizations",
        "/api/v1/cameras",
        "/api/v1/cameras/{id}",
        "/api/v1/cameras/{id}/snapshot.jpg",
        "/api/v1/cameras/{id}/stream.mjpeg",
        "/api/v1/stream-keys",
        "/api/v1/actions/actions/send",
        "/api/v1/actions/chats",
        "/api/v1/actions/chats/{id}",
        "/api/v1/actions/chats/{id}/messages",
        "/api/v1/actions/chats/{id}/messages/{message}/again",
        "/api/v1/actions/chats/{id}/messages/{message}/continue",
        "/api/v1/actions/chats/{id}/messages/{message}/edit",
        "/api/v1/actions/chats/{id}/messages/{message}/events",
        "/api/v1/actions/chats/{id}/messages/{message}/rating",
        "/api/v1/actions/chats/{id}/messages/{message}/select",
        "/api/v1/actions/chats/{id}/messages/{message}/stop",
        "/api/v1/actions/chats/{id}/export",
        "/api/v1/actions/chats/{id}/restore",
    ):
        assert re.search(rf"^  {re.escape(path)}:$", schema, re.MULTILINE), path
    assert "example" in schema
    assert "scheme: bearer" in schema


@pytest.mark.parametrize("path", ["/api/v1/cameras", "/api/v1/actions/actions/send"])
def test_request_bodies_have_examples(document: dict[str, Any], path: str) -> None:
    body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    examples = [body[key] for key in ("example", "examples") if key in body]
    assert examples
    assert all(examples)


def test_document_names_licence_contact_and_server(document: dict[str, Any]) -> None:
    assert document["info"]["license"]["name"] == "Apache-2.0"
    assert document["info"]["contact"]
    assert [server["url"] for server in document["servers"]] == ["/"]


def test_every_operation_has_a_summary_a_described_tag_and_security(
    document: dict[str, Any],
) -> None:
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    for name, operation in operations(document):
        assert operation["summary"], name
        assert set(operation["tags"]) <= tags, name
        is_open = name == "post /api/v1/auth/login"
        assert operation["security"] == [] if is_open else operation["security"], name


def test_streams_are_text_and_pictures_are_binary(document: dict[str, Any]) -> None:
    """A generated client that took a stream for JSON raised after the prompt had been sent."""
    found = set()
    for name, operation in operations(document):
        for media_type, content in operation["responses"].get("200", {}).get("content", {}).items():
            assert content["schema"], name
            if media_type == "text/event-stream":
                assert content["schema"] == {"type": "string"}, name
                assert isinstance(content["example"], str)
            elif media_type.startswith(("image/", "multipart/")):
                assert content["schema"] == {"type": "string", "format": "binary"}, name
            found.add(media_type)
    assert {"text/event-stream", "image/jpeg", "multipart/x-mixed-replace"} <= found


def test_whatever_may_be_null_has_a_type(document: dict[str, Any]) -> None:
    nullable = [node for node in nodes(document) if node.get("nullable") is True]
    assert nullable
    assert [node for node in nullable if "type" not in node] == []
    # A type beside a reference is misread by generators.
    assert [node for node in nullable if {"allOf", "oneOf"} & node.keys()] == []


def test_docs_page_loads_no_external_assets(installation: Installation) -> None:
    page = httpx.get(f"{installation.url}/api/docs/")
    assert page.status_code == 200
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert assets
    for asset in assets:
        assert asset.startswith("/"), asset
        assert httpx.get(installation.url + asset).status_code == 200, asset
    assert "<style" not in page.text
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>\s*\S", page.text), "an inline script"


@pytest.mark.parametrize(
    ("path", "method", "named", "unnamed"),
    [
        ("", "post", ("prompt", "Idempotency-Key"), ("Last-Event-ID",)),
        ("/{message}/edit", "post", ("prompt", "Idempotency-Key"), ("Last-Event-ID",)),
        ("/{message}/again", "post", ("Idempotency-Key",), ("prompt",)),
        ("/{message}/continue", "post", ("Idempotency-Key",), ("prompt",)),
        ("/{message}/events", "get", ("Last-Event-ID", "after"), ("prompt", "Idempotency-Key")),
    ],
)
def test_bad_requests_name_what_the_address_takes(
    document: dict[str, Any],
    path: str,
    method: str,
    named: tuple[str, ...],
    unnamed: tuple[str, ...],
) -> None:
    operation = document["paths"][f"/api/v1/actions/chats/{{id}}/messages{path}"][method]
    sentence = operation["responses"]["400"]["description"]
    assert [word for word in named if word not in sentence] == []
    assert [word for word in unnamed if word in sentence] == []


@pytest.mark.parametrize(
    ("path", "method", "status", "sentence"),
    [
        ("/api/v1/cameras/{id}/stream.mjpeg", "get", "503", "cannot be recorded"),
        ("/api/v1/cameras/{id}/snapshot.jpg", "get", "503", "cannot be recorded"),
        ("/api/v1/cameras/{id}/snapshot.jpg", "get", "503", "no fresh picture"),
        ("/api/v1/auth/login", "post", "429", "Retry-After"),
        ("/api/v1/auth/login", "post", "503", "Retry-After"),
    ],
)
def test_temporary_refusals_are_described(
    document: dict[str, Any], path: str, method: str, status: str, sentence: str
) -> None:
    answer = document["paths"][path][method]["responses"][status]
    assert sentence in answer["description"]
    assert "Retry-After" in answer["description"]
    assert "application/problem+json" in answer["content"]
