"""Who may fetch pictures by a URL alone. Refusals need no frame, and so no server."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from cameras.models import Camera, StreamKey
from project.accounts.models import Organization, Token, User
from project.audit.log import Action
from project.audit.models import AuditEntry
from tests.cameras.views.rows import client_of
from tests.people import basic

pytestmark = pytest.mark.django_db


@pytest.fixture
def camera(club: Organization) -> Camera:
    """A camera that is switched off: 503 means that access was granted."""
    return Camera.objects.create(organization=club, name="Gate", kind="push", enabled=False)


@pytest.fixture
def key(camera: Camera) -> str:
    return StreamKey(camera=camera, name="Player").issue()


def get(name: object, **headers: str) -> Any:
    return Client().get(f"/api/v1/cameras/{name}/snapshot.jpg", headers=headers)


def test_camera_that_is_switched_off_says_when_to_ask_again(camera: Camera, key: str) -> None:
    answer = get(key)
    assert (answer.status_code, answer.json()["state"]) == (503, "ended")
    assert answer.headers["Retry-After"] == "2"


def test_basic_takes_keys_and_tokens_that_may_only_read(
    camera: Camera, key: str, admin: User
) -> None:
    def token(*scopes: str) -> str:
        return str(
            Token.objects.create(user=admin, organization=camera.organization, scopes=list(scopes))[
                1
            ]
        )

    assert get(camera.pk, **basic(key)).status_code == 503
    assert get(camera.pk, **basic(key, user="")).status_code == 503
    assert get(key, **basic("unknown")).status_code == 503, "the key in the URL is enough"
    assert get(camera.pk, **basic(token("read"))).status_code == 503
    for wrong in (token("read", "chat"), token("chat"), "", "unknown", "admin"):
        assert get(camera.pk, **basic(wrong)).status_code == 401, wrong
    assert get(camera.pk, Authorization="Basic %%%").status_code == 401
    assert get(camera.pk, Authorization=f"Bearer {key}").status_code == 401
    assert get(key, Authorization="Bearer unknown").status_code == 401, "a bearer ends the matter"


def test_page_of_a_trusted_origin_may_read_when_a_picture_was_taken(
    camera: Camera, key: str, settings: Any
) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["http://localhost:3000"]
    exposed = get(key, Origin="http://localhost:3000").headers["Access-Control-Expose-Headers"]
    assert {"X-Timestamp", "Retry-After"} <= set(exposed.split(", "))


def test_unknown_basic_falls_through_to_the_cookie(camera: Camera, viewer: User) -> None:
    browser = client_of(viewer)
    url = f"/api/v1/cameras/{camera.pk}/snapshot.jpg"
    for _ in range(20):
        assert browser.get(url, headers=basic("the proxy's own")).status_code == 503
    assert not AuditEntry.objects.filter(action=Action.SIGN_IN_FAILED).exists()


def test_basic_is_asked_for_only_where_no_browser_opens_a_dialog(camera: Camera) -> None:
    def challenge(**headers: str) -> str:
        answer = get(camera.pk, **headers)
        assert answer.status_code == 401
        return str(answer.headers["WWW-Authenticate"])

    assert challenge() == 'Basic realm="Sideline", charset="UTF-8"'
    assert challenge(**basic("unknown")).startswith("Basic ")
    for headers in (
        {"Cookie": "a=b"},
        {"Sec-Fetch-Mode": "no-cors"},
        {"Upgrade-Insecure-Requests": "1"},
        {"Authorization": "Bearer unknown"},
    ):
        assert challenge(**headers) == "Bearer", headers
    other = Client().get("/api/v1/cameras", headers=basic("unknown"))
    assert (other.status_code, other.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_guesses_are_throttled_and_valid_keys_are_not(camera: Camera, key: str) -> None:
    ended = StreamKey(camera=camera, name="Ended")
    text = ended.issue()
    ended.revoke()
    for _ in range(20):
        assert get(text).status_code == get(camera.pk, **basic(text)).status_code == 401
    guesses = [get(camera.pk, **basic(f"guess {n}")).status_code for n in range(5)]
    guesses += [get(f"sk_{'x' * 30}{n}").status_code for n in range(10)]
    assert (guesses[0], guesses[-1]) == (401, 429)
    assert get(f"sk_{'y' * 30}").headers["Retry-After"]
    assert get(key).status_code == get(camera.pk, **basic(key)).status_code == 503
    entry = AuditEntry.objects.filter(action=Action.SIGN_IN_FAILED).first()
    assert entry is not None
    assert (entry.who, entry.detail) == ("a stream key", "by a stream key")
