"""Across all doors: no frame, no credential and no row reaches whom it is not for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.cameras.added import added
from tests.installation import Installation
from tests.parcels import now, parcel, picture
from tests.people import Cast, assemble
from tests.sockets import frame, pixels, refusal, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def cast(installation: Installation) -> Cast:
    return assemble(installation, "breakins")


def test_frames_of_one_camera_never_reach_who_watches_another(
    installation: Installation, cast: Cast
) -> None:
    """Two organizations' cameras, pushed in turns, each in a shade of its own."""
    script = (
        "from cameras.models import *\n"
        f"one = Camera.objects.create(organization_id='{cast.theirs}', name='Theirs', kind='push')"
        "\nprint('PK=' + str(one.pk))"
    )
    theirs = installation.manage("shell", "-v0", "-c", script).partition("PK=")[2].strip()
    shades = {cast.push: 40, theirs: 200}
    senders = {cast.push: cast["operator"].bearer, theirs: cast["outsider"].bearer}
    with (
        watching(installation, cast.push, headers=cast["viewer"].bearer) as ours,
        watching(installation, theirs, headers=cast["outsider"].bearer) as other,
    ):
        sockets = {cast.push: ours, theirs: other}
        for _ in range(15):
            for camera, shade in shades.items():
                sent = parcel(camera, frame=picture(shade=shade), timestamp=now())
                answer = httpx.post(
                    f"{installation.url}/api/v1/actions/actions/send",
                    json=sent,
                    headers=senders[camera],
                )
                assert answer.status_code == 202, answer.text
                seen = frame(sockets[camera])
                assert seen["camera_id"] == camera
                assert abs(float(pixels(seen["frame"]).mean()) - shade) < 12


@pytest.fixture(scope="module")
def searched(installation: Installation, cast: Cast) -> Callable[[str], list[Any]]:
    """What a search for words finds in a chat with long messages."""
    installation.manage(
        "shell", "-v0", "-c",
        "from chats.models import *\n"
        f"chat = Chat.objects.get(pk='{cast.chats['other'][0]}')\n"
        "[Message.objects.create(chat=chat, role='user', content='a' * 50_000 + '!')"
        " for _ in range(20)]",
    )  # fmt: skip
    url, headers = f"{installation.url}/api/v1/actions/chats", cast["viewer"].bearer

    def search(words: str) -> list[Any]:
        answer = httpx.get(url, headers=headers, params={"q": words}, timeout=60)
        assert answer.status_code == 200, answer.text
        found: list[Any] = answer.json()["results"]
        return found

    return search


HOSTILE = ("(a+)+$", "^(a|a?)+$", "%" * 200, "_" * 200, "a%" * 100, "[[:alpha:]]{9999}", "a" * 2000)


def took(search: Callable[[str], list[Any]], words: str) -> float:
    """Seconds."""
    began = time.monotonic()
    search(words)
    return time.monotonic() - began


def enough(search: Callable[[str], list[Any]]) -> float:
    """Seconds that a hostile search may take: a few times what one for a plain word takes."""
    took(search, "plain")
    return 5 * max(took(search, "plain") for _ in range(3)) + 0.5


@pytest.mark.postgres
def test_search_takes_words_as_they_are(searched: Callable[[str], list[Any]]) -> None:
    """No pattern: a hostile one finds itself alone, and costs no more than a plain word.

    What it costs is seen as soon as one search of many is not slowed by others on the machine.
    """
    for words in (*HOSTILE[:-1], "%", "_", ".*"):
        assert searched(words) == [], f"“{words}” is no pattern"
    assert len(searched("aaa!")) == 1
    most = enough(searched)
    until(lambda: all(took(searched, words) < most for words in HOSTILE), 60, "fast searches")


@pytest.mark.timing
def test_a_hostile_search_costs_about_what_a_plain_word_does(
    searched: Callable[[str], list[Any]],
) -> None:
    most = enough(searched)
    for words in HOSTILE:
        assert took(searched, words) < most, words[:20]


def test_no_credential_of_any_door_is_logged_or_given_back(
    installation: Installation, cast: Cast
) -> None:
    """Right and wrong ones, at doors that open, refuse, and fail to parse."""
    operator, secrets = cast["operator"], ["hunter2-of-the-camera"]
    source = "rtsp://viewer:hunter2-of-the-camera@127.0.0.1:9/stream?token=hunter3-in-the-path"
    secrets.append("hunter3-in-the-path")
    facts: dict[str, object] = {"name": "With a password", "kind": "rtsp", "source": source}
    with added(installation, **facts) as camera, installation.api() as api:
        shown = api.get(f"/cameras/{camera}").text
        broken = api.patch(f"/cameras/{camera}", json={"source": source.replace("rtsp", "ftp")})
    texts = [shown, broken.text]
    made = httpx.post(
        f"{installation.url}/api/v1/tickets",
        json={"camera": cast.plaza, "purpose": "watch"},
        headers=operator.bearer,
    ).json()["ticket"]
    secrets += [operator.token, operator.session, cast.key, made]
    refusal(installation, cast.plaza, query=f"?ticket={made}")
    refusal(installation, cast.plaza, query=f"?ticket={made}")
    refusal(installation, cast.key)
    refusal(installation, f"{cast.key}%00")
    cookie = {"Cookie": f"sideline_session={operator.session}"}
    refusal(installation, cast.plaza, headers=cookie, origin="http://evil.example")
    for path in ("cameras", "cameras/no-such", f"cameras/{cast.plaza}/snapshot.jpg?x=%00"):
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
