"""No frame, credential or row reaches a caller without access, on any route."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from websockets.sync.client import ClientConnection

from tests.cameras.live.metadata import PLACE, described
from tests.cameras.temporary_camera import temporary_camera
from tests.installation import Installation
from tests.people import Scenario, basic, create_scenario
from tests.push_messages import now, picture, send_body
from tests.sockets import (
    next_frame,
    pixels,
    receive_and_acknowledge,
    refusal,
    watching,
)
from tests.waiting import until


@pytest.fixture(scope="module")
def scenario(installation: Installation) -> Scenario:
    return create_scenario(installation, "leaks")


def test_frames_never_reach_viewers_of_another_camera(
    installation: Installation, scenario: Scenario
) -> None:
    """Two organizations' push cameras send in turns, each frame in the camera's own grey."""
    script = (
        "from cameras.models import *\n"
        f"one = Camera.objects.create(organization_id='{scenario.theirs}', name='A', kind='push')"
        "\nprint('PK=' + str(one.pk))"
    )
    theirs = installation.manage("shell", "-v0", "-c", script).partition("PK=")[2].strip()
    shades = {scenario.push: 40, theirs: 200}
    senders = {scenario.push: scenario["operator"].bearer, theirs: scenario["outsider"].bearer}
    with (
        watching(installation, scenario.push, headers=scenario["viewer"].bearer) as ours,
        watching(installation, theirs, headers=scenario["outsider"].bearer) as foreign,
    ):
        sockets = {scenario.push: ours, theirs: foreign}
        for _ in range(15):
            for camera, shade in shades.items():
                body = send_body(camera, frame=picture(shade=shade), timestamp=now())
                response = httpx.post(
                    f"{installation.url}/api/v1/actions/actions/send",
                    json=body,
                    headers=senders[camera],
                )
                assert response.status_code == 202, response.text
                received = next_frame(sockets[camera])
                assert received["camera_id"] == camera
                assert abs(float(pixels(received["frame"]).mean()) - shade) < 12


def test_place_where_a_picture_was_taken_reaches_no_viewer(
    installation: Installation, scenario: Scenario
) -> None:
    """A phone's picture through every output, in both formats."""
    viewer, frame = scenario["viewer"].bearer, base64.b64encode(described() + b"\xff\xd9").decode()
    with (
        watching(installation, scenario.push, headers=viewer) as seed,
        watching(installation, scenario.push, headers=viewer, v1=True) as binary,
    ):
        sent = httpx.post(
            f"{installation.url}/api/v1/actions/actions/send",
            json=send_body(scenario.push, frame=frame),
            headers=scenario["operator"].bearer,
        )
        assert sent.status_code == 202, sent.text
        shown = [base64.b64decode(next_frame(seed)["frame"]), next_jpeg(binary)]
        url = f"{installation.url}/api/v1/cameras/{scenario.push}/snapshot.jpg"
        snapshot = httpx.get(url, headers=viewer, timeout=30)
        shown.append(snapshot.content)
    for each in shown:
        assert PLACE not in each
    assert pixels(shown[0]).shape == (48, 64, 3)


def next_jpeg(socket: ClientConnection) -> bytes:
    while "jpeg" not in (message := receive_and_acknowledge(socket)):
        pass
    jpeg: bytes = message["jpeg"]
    return jpeg


@pytest.fixture(scope="module")
def search(installation: Installation, scenario: Scenario) -> Callable[[str], list[Any]]:
    """Return a function that searches chats, of which one has long messages."""
    installation.manage(
        "shell", "-v0", "-c",
        "from chats.models import *\n"
        f"chat = Chat.objects.get(pk='{scenario.chats['other'][0]}')\n"
        "[Message.objects.create(chat=chat, role='user', content='a' * 50_000 + '!')"
        " for _ in range(20)]",
    )  # fmt: skip
    url, headers = f"{installation.url}/api/v1/actions/chats", scenario["viewer"].bearer

    def run(text: str) -> list[Any]:
        response = httpx.get(url, headers=headers, params={"q": text}, timeout=60)
        assert response.status_code == 200, response.text
        results: list[Any] = response.json()["results"]
        return results

    return run


HOSTILE = ("(a+)+$", "^(a|a?)+$", "%" * 200, "_" * 200, "a%" * 100, "[[:alpha:]]{9999}", "a" * 2000)


def duration(search: Callable[[str], list[Any]], text: str) -> float:
    """Return the seconds that a search takes."""
    began = time.monotonic()
    search(text)
    return time.monotonic() - began


def time_limit(search: Callable[[str], list[Any]]) -> float:
    """Return the seconds that a hostile search may take: five times a plain one, plus 0.5."""
    duration(search, "plain")
    return 5 * max(duration(search, "plain") for _ in range(3)) + 0.5


@pytest.mark.postgres
def test_search_matches_text_literally(search: Callable[[str], list[Any]]) -> None:
    """Patterns match only themselves, and take no longer than a plain word.

    Retried, since other processes can slow a search down.
    """
    for text in (*HOSTILE[:-1], "%", "_", ".*"):
        assert search(text) == [], f"“{text}” was used as a pattern"
    assert len(search("aaa!")) == 1
    limit = time_limit(search)
    until(lambda: all(duration(search, text) < limit for text in HOSTILE), 60, "fast searches")


@pytest.mark.timing
def test_hostile_search_is_about_as_fast_as_a_plain_one(
    search: Callable[[str], list[Any]],
) -> None:
    limit = time_limit(search)
    for text in HOSTILE:
        assert duration(search, text) < limit, text[:20]


def test_credentials_are_never_logged_or_returned(
    installation: Installation, scenario: Scenario
) -> None:
    """Valid and wrong credentials, in requests that succeed, are refused, or cannot be parsed."""
    operator, secrets = scenario["operator"], ["hunter2-of-the-camera"]
    source = "rtsp://viewer:hunter2-of-the-camera@127.0.0.1:9/stream?token=hunter3-in-the-path"
    secrets.append("hunter3-in-the-path")
    facts: dict[str, object] = {"name": "With a password", "kind": "rtsp", "source": source}
    with temporary_camera(installation, **facts) as camera, installation.api() as api:
        camera_text = api.get(f"/cameras/{camera}").text
        rejected = api.patch(f"/cameras/{camera}", json={"source": source.replace("rtsp", "ftp")})
    texts = [camera_text, rejected.text]
    ticket = httpx.post(
        f"{installation.url}/api/v1/tickets",
        json={"camera": scenario.plaza, "purpose": "watch"},
        headers=operator.bearer,
    ).json()["ticket"]
    secrets += [operator.token, operator.session, scenario.key, ticket]
    refusal(installation, scenario.plaza, query=f"?ticket={ticket}")
    refusal(installation, scenario.plaza, query=f"?ticket={ticket}")
    refusal(installation, scenario.key)
    refusal(installation, f"{scenario.key}%00")
    for name in (scenario.key, f"{scenario.key}x", f"{scenario.key}%00"):
        picture = f"{installation.url}/api/v1/cameras/{name}/snapshot.jpg"
        texts.append(httpx.get(picture, params={"width": "500"}, timeout=30).text)
        httpx.get(picture, timeout=30)
        httpx.post(picture, timeout=30)
    for password in (scenario.key, f"{scenario.key}x", operator.token):
        header = basic(password)
        secrets.append(header["Authorization"].split()[1])
        httpx.get(f"{installation.url}/api/v1/cameras/{scenario.plaza}/snapshot.jpg",
                  headers=header, timeout=30)  # fmt: skip
    cookie = {"Cookie": f"sideline_session={operator.session}"}
    refusal(installation, scenario.plaza, headers=cookie, origin="http://evil.example")
    for path in ("cameras", "cameras/no-such", f"cameras/{scenario.plaza}/snapshot.jpg?x=%00"):
        texts.append(
            httpx.get(f"{installation.url}/api/v1/{path}", headers=operator.bearer).text[:5000]
        )
    wrong = {"username": "keeper", "password": "hunter4-is-wrong"}
    secrets.append("hunter4-is-wrong")
    texts.append(httpx.post(f"{installation.url}/api/v1/auth/login", json=wrong).text)
    texts.append(httpx.post(f"{installation.url}/api/v1/auth/login", content=str(wrong)).text)
    link = installation.manage("signinlink", "keeper").split("/signin/")[1].split()[0]
    secrets.append(link)
    texts.append(httpx.get(f"{installation.url}/signin/{quote(link)}x").text)
    httpx.get(f"{installation.url}/signin/{link}", headers={"Host": "evil.example"})
    logged = installation.logged()
    for secret in secrets:
        assert secret not in logged, secret
        if secret != link:
            assert not any(secret in text for text in texts), secret
