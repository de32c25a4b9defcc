"""The OpenAPI schema and its page: complete, with examples, without external assets."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.installation import Installation


@pytest.fixture(scope="module")
def schema(installation: Installation) -> str:
    return httpx.get(f"{installation.url}/api/schema/").text


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
def test_request_bodies_have_examples(installation: Installation, path: str) -> None:
    document = httpx.get(f"{installation.url}/api/schema/?format=json").json()
    body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    examples = [body[key] for key in ("example", "examples") if key in body]
    assert examples
    assert all(examples)


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
    installation: Installation, path: str, method: str, status: str, sentence: str
) -> None:
    document = httpx.get(f"{installation.url}/api/schema/?format=json").json()
    answer = document["paths"][path][method]["responses"][status]
    assert sentence in answer["description"]
    assert "Retry-After" in answer["description"]
    assert "application/problem+json" in answer["content"]
