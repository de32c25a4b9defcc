"""Caching headers: no shared cache stores responses to users."""

from __future__ import annotations

from typing import Any

import httpx
from django.http import HttpResponse
from django.test import RequestFactory

from project.middleware import PrivateResponses
from tests.installation import Installation
from tests.people import create_scenario


def test_responses_to_users_are_not_cached(installation: Installation) -> None:
    viewer = create_scenario(installation, "caching")["viewer"]
    cookie = {"Cookie": f"sideline_session={viewer.session}"}
    for path in ("/api/v1/cameras", "/api/v1/tokens", "/api/v1/actions/chats", "/nowhere"):
        for credential in (viewer.bearer, cookie, {}):
            answer = httpx.get(installation.url + path, headers=credential)
            assert answer.headers["cache-control"] == "private, no-store", path
            vary = {each.strip().lower() for each in answer.headers["vary"].split(",")}
            assert {"cookie", "authorization"} <= vary, path


def test_public_responses_may_be_cached(installation: Installation) -> None:
    page = httpx.get(installation.url + "/signin").text
    script = page.split('src="')[1].split('"')[0]
    for path in ("/healthz", "/api/schema/", "/api/asyncapi/", script):
        answer = httpx.get(installation.url + path)
        assert answer.status_code == 200
        assert "no-store" not in answer.headers.get("cache-control", ""), path
        vary = answer.headers.get("vary", "").lower()
        assert "cookie" not in vary, path
        assert "authorization" not in vary, path


def response_headers(settings: Any, origins: list[str], kind: str, **headers: str) -> HttpResponse:
    settings.TRUSTED_ORIGINS, settings.PUBLIC_URL = origins, None
    request = RequestFactory().get("/")
    request.resolver_match = None  # type: ignore[assignment]
    return PrivateResponses(lambda _: HttpResponse(content_type=kind, headers=headers))(request)


def cache_control(settings: Any, kind: str, value: str | None = None) -> str:
    own = {} if value is None else {"Cache-Control": value}
    return response_headers(settings, [], kind, **own)["Cache-Control"]


def test_cache_header_of_a_view_is_kept(settings: Any) -> None:
    assert cache_control(settings, "text/plain", "private, no-cache") == "private, no-cache"
    assert cache_control(settings, "text/plain") == "private, no-store"


def test_no_picture_is_stored_by_a_cache(settings: Any) -> None:
    for kind in ("image/jpeg", "image/svg+xml", "multipart/x-mixed-replace; boundary=x"):
        for own in (None, "private, no-cache", "public, max-age=60"):
            assert cache_control(settings, kind, own) == "private, no-store"
        own = "no-store, no-transform"
        assert cache_control(settings, kind, own) == own


def test_other_origins_can_embed_pictures_only_if_trusted(settings: Any) -> None:
    header = "Cross-Origin-Resource-Policy"
    for kind in ("image/jpeg", "multipart/x-mixed-replace; boundary=x"):
        assert response_headers(settings, [], kind)[header] == "same-origin"
        assert header not in response_headers(settings, ["https://club.example"], kind)
    assert header not in response_headers(settings, [], "text/html")
