"""`actions/send`: access, duplicates, and the validation of frames."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import httpx
import pytest

from tests.cameras.picture_outputs import create_token
from tests.cameras.temporary_camera import temporary_camera
from tests.installation import Installation
from tests.people import Scenario, create_scenario
from tests.push_messages import now, picture, send_body
from tests.sockets import jpeg, next_frame, pixels, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def scenario(installation: Installation) -> Scenario:
    made = create_scenario(installation, "send")
    until(lambda: installation.state(made.plaza) == "live", 60, "a process that reads cameras")
    return made


def post(
    installation: Installation, body: Any, headers: dict[str, str] | None = None
) -> httpx.Response:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return httpx.post(
        f"{installation.url}/api/v1/actions/actions/send",
        content=content,
        headers={"Content-Type": "application/json"} | (headers or {}),
        timeout=60,
    )


def test_it_works(installation: Installation, scenario: Scenario) -> None:
    """A pushed frame appears on the camera's stream, decoded as it was sent."""
    operator = scenario["operator"].bearer
    stop = threading.Event()

    def keep_pushing() -> None:
        while not stop.wait(0.1):
            answer = post(installation, send_body(scenario.push, frame=picture(200)), operator)
            assert answer.status_code == 202, answer.text

    pusher = threading.Thread(target=keep_pushing)
    pusher.start()
    try:
        with watching(installation, scenario.push, headers=scenario["viewer"].bearer) as socket:
            seen = next_frame(socket, timeout=60)
    finally:
        stop.set()
        pusher.join()
    assert pixels(seen["frame"]).shape == (48, 64, 3)
    assert abs(int(pixels(seen["frame"]).mean()) - 200) < 6
    assert until(lambda: installation.state(scenario.push) in ("live", "stale"), 60)


@pytest.mark.timing  # it is kept for 5 s for a reader, and is fresh for 3 s
def test_first_frame_of_a_new_camera_reaches_a_later_viewer(
    installation: Installation, scenario: Scenario
) -> None:
    """Its worker is not running yet when the frame is accepted; there is no second frame."""
    for width in ("", "?width=320"):
        with temporary_camera(installation, name=f"Just made {width}", kind="push") as made:
            sent = post(
                installation, send_body(made, frame=picture(200)), scenario["operator"].bearer
            )
            assert sent.status_code == 202
            with watching(
                installation, made, headers=scenario["viewer"].bearer, query=width
            ) as socket:
                seen = next_frame(socket, timeout=60)
        assert abs(int(pixels(seen["frame"]).mean()) - 200) < 6


def test_frame_of_a_camera_that_is_not_push_is_always_a_duplicate(
    installation: Installation, scenario: Scenario
) -> None:
    for headers in (scenario["viewer"].bearer, scenario["reader"].bearer):
        for _ in range(2):
            answer = post(installation, send_body(scenario.plaza), headers)
            assert answer.status_code == 202
            assert answer.json() == {"accepted": True, "duplicate": True}


def test_stream_key_stands_for_its_camera(installation: Installation, scenario: Scenario) -> None:
    assert post(installation, send_body(scenario.key)).json() == {
        "accepted": True,
        "duplicate": True,
    }
    assert post(installation, send_body(scenario.key), scenario["viewer"].bearer).status_code == 202
    assert (
        post(installation, send_body(scenario.key), scenario["outsider"].bearer).status_code == 404
    )
    assert (
        post(
            installation, send_body(scenario.key), {"Authorization": "Bearer nonsense"}
        ).status_code
        == 401
    )
    assert post(installation, send_body(scenario.push_key)).status_code == 403, (
        "a key may not publish"
    )


@pytest.mark.postgres
def test_push_camera_accepts_a_newer_frame_once(
    installation: Installation, scenario: Scenario
) -> None:
    operator, at = scenario["operator"].bearer, now() + 1000
    first = post(installation, send_body(scenario.push, timestamp=at), operator).json()
    again = post(installation, send_body(scenario.push, timestamp=at), operator).json()
    older = post(installation, send_body(scenario.push, timestamp=at - 500), operator).json()
    assert [one["duplicate"] for one in (first, again, older)] == [False, True, True]
    assert (
        post(
            installation, send_body(scenario.push, timestamp=at), scenario["viewer"].bearer
        ).status_code
        == 202
    )
    newer = send_body(scenario.push, timestamp=at + 500)
    assert post(installation, newer, scenario["viewer"].bearer).status_code == 403
    assert post(installation, newer, scenario["reader"].bearer).status_code == 403
    assert post(installation, newer, scenario["chatter"].bearer).status_code == 403
    publisher = scenario["publisher"].bearer
    assert post(installation, newer, publisher).json()["duplicate"] is False
    assert post(installation, newer, publisher).status_code == 403, (
        "duplicates need the scope “read”"
    )


@pytest.mark.postgres
def test_exactly_one_of_many_equal_frames_is_accepted(
    installation: Installation, scenario: Scenario
) -> None:
    operator, at = scenario["operator"].bearer, now() + 5000
    answers: list[bool] = []

    def push() -> None:
        answers.append(
            post(installation, send_body(scenario.push, timestamp=at), operator).json()["duplicate"]
        )

    threads = [threading.Thread(target=push) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] + [True] * 7


def test_sending_needs_a_credential_and_access(
    installation: Installation, scenario: Scenario
) -> None:
    assert post(installation, send_body(scenario.plaza)).status_code == 401
    assert (
        post(installation, send_body(scenario.plaza), {"Authorization": "Bearer x"}).status_code
        == 401
    )
    assert (
        post(installation, send_body(scenario.plaza), scenario["outsider"].bearer).status_code
        == 404
    )
    assert (
        post(installation, send_body(scenario.plaza), scenario["chatter"].bearer).status_code == 403
    )
    cookie = {"Cookie": f"sideline_session={scenario['viewer'].session}"}
    forged = post(installation, send_body(scenario.plaza), cookie)
    assert forged.status_code == 403
    assert forged.headers["content-type"] == "application/problem+json"


def test_revoked_token_cannot_send(installation: Installation, scenario: Scenario) -> None:
    permission_ends(installation, scenario, 60)


@pytest.mark.timing
def test_revoked_token_cannot_send_after_two_seconds(
    installation: Installation, scenario: Scenario
) -> None:
    permission_ends(installation, scenario, 2)


def permission_ends(installation: Installation, scenario: Scenario, within: float) -> None:
    """Revoke a token from another process; sending is refused `within` seconds."""
    headers, _ = create_token(installation, scenario["viewer"], "Echoes")
    assert post(installation, send_body(scenario.plaza), headers).status_code == 202
    mine = f"Token.objects.filter(user__username='{scenario['viewer'].username}')"
    revoke = f"[one.revoke() for one in {mine}.filter(name='Echoes')]"
    installation.manage("shell", "-v0", "-c", revoke)
    until(
        lambda: post(installation, send_body(scenario.plaza), headers).status_code == 401,
        within,
        "refusal",
    )


BAD = [
    ("frame", {"frame": "no base64!"}),
    ("frame", {"frame": "data:image/jpeg;base64," + picture(1)}),
    ("frame", {"frame": base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 64).decode()}),
    ("frame", {"frame": base64.b64encode(jpeg()[:-40]).decode()}),
    ("frame", {"frame": base64.b64encode(b"\xff\xd8\xff\xd9").decode()}),
    ("frame", {"frame": ...}),
    ("frame", {"frame": 7}),
    ("timestamp", {"timestamp": ...}),
    ("timestamp", {"timestamp": "soon"}),
    ("timestamp", {"timestamp": True}),
    ("timestamp", {"timestamp": now() + 3_600_000}),
    ("timestamp", {"timestamp": 0}),
    ("camera_id", {"camera_id": ...}),
    ("streamType", {"streamType": "sound"}),
    ("streamName", {"streamName": ...}),
]


@pytest.mark.parametrize(("field", "changes"), BAD)
def test_invalid_field_is_named_in_the_problem(
    installation: Installation, scenario: Scenario, field: str, changes: dict[str, Any]
) -> None:
    for camera in (scenario.plaza, scenario.push):
        answer = post(
            installation, send_body(camera) | _without(changes, camera), scenario["operator"].bearer
        )
        problem = answer.json()
        assert answer.status_code == 400, problem
        assert answer.headers["content-type"] == "application/problem+json"
        assert list(problem["errors"]) == [field]
        assert problem["detail"].endswith(".")


def _without(changes: dict[str, Any], camera: str) -> dict[str, Any]:
    return {key: (None if value is ... else value) for key, value in changes.items()}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_non_finite_numbers_are_refused(
    installation: Installation, scenario: Scenario, number: str
) -> None:
    body = json.dumps(send_body(scenario.push, timestamp=12345)).replace("12345", number)
    assert post(installation, body, scenario["operator"].bearer).status_code == 400


def test_too_wide_picture_is_refused_from_its_header(
    installation: Installation, scenario: Scenario
) -> None:
    wide = bytearray(jpeg())
    at = wide.index(b"\xff\xc0") + 5
    wide[at : at + 4] = (100).to_bytes(2, "big") + (30_000).to_bytes(2, "big")
    body = send_body(scenario.push, frame=base64.b64encode(wide).decode())
    answer = post(installation, body, scenario["operator"].bearer)
    assert answer.status_code == 400
    assert "30000" in answer.json()["detail"]


def test_jpeg_over_eight_mebibytes_is_refused(
    installation: Installation, scenario: Scenario
) -> None:
    large = jpeg()[:-2] + b"\0" * (8 * 2**20 + 1) + b"\xff\xd9"
    body = send_body(scenario.push, frame=base64.b64encode(large).decode())
    answer = post(installation, body, scenario["operator"].bearer)
    assert answer.status_code == 400
    assert "8 MiB" in answer.json()["detail"]


def test_body_over_the_limit_is_refused_before_it_is_stored(
    installation: Installation, scenario: Scenario
) -> None:
    answer = post(installation, b"x" * (20 * 2**20), scenario["operator"].bearer)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_invalid_body_is_answered_with_a_problem(
    installation: Installation, scenario: Scenario
) -> None:
    for body in (b"", b"[]", b"{", b"null", b"[" * 100_000, b"\xff\xfe"):
        assert post(installation, body, scenario["operator"].bearer).status_code == 400
    assert "Traceback" not in installation.logged()


@pytest.mark.postgres
def test_bad_frame_is_not_stored(installation: Installation, scenario: Scenario) -> None:
    with temporary_camera(installation, name="Never sent a good one", kind="push") as camera:
        bad = send_body(camera, frame="AAAA", timestamp=now() + 9000)
        assert post(installation, bad, scenario["operator"].bearer).status_code == 400
        mine = f"objects.filter(camera='{camera}').count()"
        count = f"print('ROWS', PushClock.{mine}, CameraStill.{mine})"
        printed = installation.manage("shell", "-v0", "-c", count)
    assert "ROWS 0 0" in printed


def test_other_methods_are_answered_with_a_problem(
    installation: Installation, scenario: Scenario
) -> None:
    for path in (
        "actions/actions/send",
        f"cameras/{scenario.plaza}/snapshot.jpg/",
        f"cameras/{scenario.plaza}/stream.mjpeg/",
    ):
        answer = httpx.delete(f"{installation.url}/api/v1/{path}", headers=scenario["admin"].bearer)
        assert answer.status_code == 405
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["allow"]


def test_large_body_without_a_credential_is_not_parsed(
    installation: Installation, scenario: Scenario
) -> None:
    junk = b'{"a":[' + b"1," * 2_000_000
    assert post(installation, junk).status_code == 401
    assert post(installation, junk, scenario["viewer"].bearer).status_code == 400
    large = send_body(scenario.key, frame=base64.b64encode(_heavy()).decode())
    assert post(installation, large).json() == {"accepted": True, "duplicate": True}


def test_access_is_checked_before_the_frame_is_validated(
    installation: Installation, scenario: Scenario
) -> None:
    """Also for a large frame: it is parsed only for users who may send it."""
    for frame_ in (picture(1)[:-40], base64.b64encode(_heavy()[:-2]).decode()):
        for camera in (scenario.plaza, scenario.push):
            bad = send_body(camera, frame=frame_)
            assert post(installation, bad, scenario["outsider"].bearer).status_code == 404
            assert post(installation, bad, scenario["chatter"].bearer).status_code == 403
            assert post(installation, bad, scenario["viewer"].bearer).status_code == 400
        assert post(installation, bad, scenario["publisher"].bearer).status_code == 400
        assert post(installation, send_body(scenario.key, frame=frame_)).status_code == 400


def _heavy() -> bytes:
    return jpeg()[:-2] + b"\0" * 400_000 + b"\xff\xd9"


def test_too_large_numbers_and_invalid_names_are_refused(
    installation: Installation, scenario: Scenario
) -> None:
    body = json.dumps(send_body(scenario.push, timestamp=12345)).replace("12345", "9" * 400)
    assert post(installation, body, scenario["operator"].bearer).status_code == 400
    odd = json.dumps(send_body("sk_X")).replace("sk_X", "sk_\\ud800" + "a" * 30)
    assert post(installation, odd, scenario["operator"].bearer).status_code == 404
    assert "Traceback" not in installation.logged()
