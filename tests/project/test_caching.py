"""Nobody keeps what is somebody's."""

from __future__ import annotations

from typing import Any

import httpx
from django.http import HttpResponse
from django.test import RequestFactory

from project.middleware import PrivateResponses
from tests.installation import Installation
from tests.people import assemble


def test_answers_to_a_person_are_kept_by_nobody(installation: Installation) -> None:
    viewer = assemble(installation, "caching")["viewer"]
    cookie = {"Cookie": f"sideline_session={viewer.session}"}
    for path in ("/api/v1/cameras", "/api/v1/tokens", "/api/v1/actions/chats", "/nowhere"):
        for credential in (viewer.bearer, cookie, {}):
            answer = httpx.get(installation.url + path, headers=credential)
            assert answer.headers["cache-control"] == "private, no-store", path
            vary = {each.strip().lower() for each in answer.headers["vary"].split(",")}
            assert {"cookie", "authorization"} <= vary, path


def test_what_is_everybodys_says_nothing_of_the_kind(installation: Installation) -> None:
    page = httpx.get(installation.url + "/signin").text
    script = page.split('src="')[1].split('"')[0]
    for path in ("/healthz", "/api/schema/", script):
        answer = httpx.get(installation.url + path)
        assert answer.status_code == 200
        assert "no-store" not in answer.headers.get("cache-control", ""), path


def answered(settings: Any, origins: list[str], kind: str, **headers: str) -> HttpResponse:
    settings.TRUSTED_ORIGINS, settings.PUBLIC_URL = origins, None
    request = RequestFactory().get("/")
    request.resolver_match = None  # type: ignore[assignment]
    return PrivateResponses(lambda _: HttpResponse(content_type=kind, headers=headers))(request)


def test_views_own_word_counts(settings: Any) -> None:
    own = {"Cache-Control": "private, no-cache"}
    assert answered(settings, [], "image/jpeg", **own)["Cache-Control"] == "private, no-cache"
    assert answered(settings, [], "image/jpeg")["Cache-Control"] == "private, no-store"


def test_pictures_are_not_for_pages_of_others_unless_some_are_trusted(settings: Any) -> None:
    header = "Cross-Origin-Resource-Policy"
    for kind in ("image/jpeg", "multipart/x-mixed-replace; boundary=x"):
        assert answered(settings, [], kind)[header] == "same-origin"
        assert header not in answered(settings, ["https://club.example"], kind)
    assert header not in answered(settings, [], "text/html")
