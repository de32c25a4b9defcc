"""`actions/send`: the duplicate rule, and what a bad frame gets."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import httpx
import pytest

from tests.cameras.added import added
from tests.cameras.picture_exits import revocable
from tests.installation import Installation
from tests.parcels import now, parcel, picture
from tests.people import Cast, assemble
from tests.sockets import frame, jpeg, pixels, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def cast(installation: Installation) -> Cast:
    made = assemble(installation, "send")
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


def test_it_works(installation: Installation, cast: Cast) -> None:
    """A pushed frame appears on the camera's stream, decoded as it was sent."""
    operator = cast["operator"].bearer
    stop = threading.Event()

    def keep_pushing() -> None:
        while not stop.wait(0.1):
            answer = post(installation, parcel(cast.push, frame=picture(200)), operator)
            assert answer.status_code == 202, answer.text

    pusher = threading.Thread(target=keep_pushing)
    pusher.start()
    try:
        with watching(installation, cast.push, headers=cast["viewer"].bearer) as socket:
            seen = frame(socket, timeout=60)
    finally:
        stop.set()
        pusher.join()
    assert pixels(seen["frame"]).shape == (48, 64, 3)
    assert abs(int(pixels(seen["frame"]).mean()) - 200) < 6
    assert until(lambda: installation.state(cast.push) in ("live", "stale"), 60)


@pytest.mark.timing  # it is kept for 5 s until a reader takes it, and shown for 3 s
def test_first_frame_of_a_camera_just_made_reaches_who_comes_after_it(
    installation: Installation, cast: Cast
) -> None:
    """Its reader is not even started when the frame is accepted; there is no second frame."""
    for width in ("", "?width=32"):
        with added(installation, name=f"Just made {width}", kind="push") as made:
            sent = post(installation, parcel(made, frame=picture(200)), cast["operator"].bearer)
            assert sent.status_code == 202
            with watching(installation, made, headers=cast["viewer"].bearer, query=width) as socket:
                seen = frame(socket, timeout=60)
        assert abs(int(pixels(seen["frame"]).mean()) - 200) < 6


def test_echo_of_a_camera_that_the_server_reads_is_always_a_duplicate(
    installation: Installation, cast: Cast
) -> None:
    for headers in (cast["viewer"].bearer, cast["reader"].bearer):
        for _ in range(2):
            answer = post(installation, parcel(cast.plaza), headers)
            assert answer.status_code == 202
            assert answer.json() == {"accepted": True, "duplicate": True}


def test_stream_key_stands_for_its_camera(installation: Installation, cast: Cast) -> None:
    assert post(installation, parcel(cast.key)).json() == {"accepted": True, "duplicate": True}
    assert post(installation, parcel(cast.key), cast["viewer"].bearer).status_code == 202
    assert post(installation, parcel(cast.key), cast["outsider"].bearer).status_code == 404
    assert (
        post(installation, parcel(cast.key), {"Authorization": "Bearer nonsense"}).status_code
        == 401
    )
    assert post(installation, parcel(cast.push_key)).status_code == 403, "a key may not publish"


@pytest.mark.postgres
def test_push_camera_takes_a_newer_frame_once(installation: Installation, cast: Cast) -> None:
    operator, at = cast["operator"].bearer, now() + 1000
    first = post(installation, parcel(cast.push, timestamp=at), operator).json()
    again = post(installation, parcel(cast.push, timestamp=at), operator).json()
    older = post(installation, parcel(cast.push, timestamp=at - 500), operator).json()
    assert [one["duplicate"] for one in (first, again, older)] == [False, True, True]
    assert (
        post(installation, parcel(cast.push, timestamp=at), cast["viewer"].bearer).status_code
        == 202
    )
    newer = parcel(cast.push, timestamp=at + 500)
    assert post(installation, newer, cast["viewer"].bearer).status_code == 403
    assert post(installation, newer, cast["reader"].bearer).status_code == 403
    assert post(installation, newer, cast["chatter"].bearer).status_code == 403
    publisher = cast["publisher"].bearer
    assert post(installation, newer, publisher).json()["duplicate"] is False
    assert post(installation, newer, publisher).status_code == 403, (
        "duplicates need the scope “read”"
    )


@pytest.mark.postgres
def test_of_many_at_once_exactly_one_is_accepted(installation: Installation, cast: Cast) -> None:
    operator, at = cast["operator"].bearer, now() + 5000
    answers: list[bool] = []

    def push() -> None:
        answers.append(
            post(installation, parcel(cast.push, timestamp=at), operator).json()["duplicate"]
        )

    threads = [threading.Thread(target=push) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] + [True] * 7


def test_who_may_not_send(installation: Installation, cast: Cast) -> None:
    assert post(installation, parcel(cast.plaza)).status_code == 401
    assert post(installation, parcel(cast.plaza), {"Authorization": "Bearer x"}).status_code == 401
    assert post(installation, parcel(cast.plaza), cast["outsider"].bearer).status_code == 404
    assert post(installation, parcel(cast.plaza), cast["chatter"].bearer).status_code == 403
    cookie = {"Cookie": f"sideline_session={cast['viewer'].session}"}
    forged = post(installation, parcel(cast.plaza), cookie)
    assert forged.status_code == 403
    assert forged.headers["content-type"] == "application/problem+json"


def test_permission_to_echo_ends(installation: Installation, cast: Cast) -> None:
    permission_ends(installation, cast, 60)


@pytest.mark.timing
def test_permission_to_echo_ends_within_two_seconds(installation: Installation, cast: Cast) -> None:
    permission_ends(installation, cast, 2)


def permission_ends(installation: Installation, cast: Cast, within: float) -> None:
    """A token that is revoked behind the server's back."""
    headers, _ = revocable(installation, cast["viewer"], "Echoes")
    assert post(installation, parcel(cast.plaza), headers).status_code == 202
    mine = f"Token.objects.filter(user__username='{cast['viewer'].username}')"
    revoke = f"[one.revoke() for one in {mine}.filter(name='Echoes')]"
    installation.manage("shell", "-v0", "-c", revoke)
    until(
        lambda: post(installation, parcel(cast.plaza), headers).status_code == 401,
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
def test_bad_parcel_gets_a_sentence_that_names_the_field(
    installation: Installation, cast: Cast, field: str, changes: dict[str, Any]
) -> None:
    for camera in (cast.plaza, cast.push):
        answer = post(
            installation, parcel(camera) | _without(changes, camera), cast["operator"].bearer
        )
        problem = answer.json()
        assert answer.status_code == 400, problem
        assert answer.headers["content-type"] == "application/problem+json"
        assert list(problem["errors"]) == [field]
        assert problem["detail"].endswith(".")


def _without(changes: dict[str, Any], camera: str) -> dict[str, Any]:
    return {key: (None if value is ... else value) for key, value in changes.items()}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(
    installation: Installation, cast: Cast, number: str
) -> None:
    body = json.dumps(parcel(cast.push, timestamp=12345)).replace("12345", number)
    assert post(installation, body, cast["operator"].bearer).status_code == 400


def test_thirty_thousand_pixels_are_refused_from_the_header(
    installation: Installation, cast: Cast
) -> None:
    wide = bytearray(jpeg())
    at = wide.index(b"\xff\xc0") + 5
    wide[at : at + 4] = (100).to_bytes(2, "big") + (30_000).to_bytes(2, "big")
    body = parcel(cast.push, frame=base64.b64encode(wide).decode())
    answer = post(installation, body, cast["operator"].bearer)
    assert answer.status_code == 400
    assert "30000" in answer.json()["detail"]


def test_nine_megabytes_of_jpeg_are_refused(installation: Installation, cast: Cast) -> None:
    large = jpeg()[:-2] + b"\0" * (8 * 2**20 + 1) + b"\xff\xd9"
    body = parcel(cast.push, frame=base64.b64encode(large).decode())
    answer = post(installation, body, cast["operator"].bearer)
    assert answer.status_code == 400
    assert "8 MiB" in answer.json()["detail"]


def test_twenty_megabytes_are_refused_before_they_are_stored(
    installation: Installation, cast: Cast
) -> None:
    answer = post(installation, b"x" * (20 * 2**20), cast["operator"].bearer)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_garbage_is_a_problem_not_a_traceback(installation: Installation, cast: Cast) -> None:
    for body in (b"", b"[]", b"{", b"null", b"[" * 100_000, b"\xff\xfe"):
        assert post(installation, body, cast["operator"].bearer).status_code == 400
    assert "Traceback" not in installation.logged()


@pytest.mark.postgres
def test_nothing_of_a_bad_frame_is_kept(installation: Installation, cast: Cast) -> None:
    with added(installation, name="Never sent a good one", kind="push") as camera:
        bad = parcel(camera, frame="AAAA", timestamp=now() + 9000)
        assert post(installation, bad, cast["operator"].bearer).status_code == 400
        mine = f"objects.filter(camera='{camera}').count()"
        count = f"print('ROWS', PushClock.{mine}, CameraStill.{mine})"
        printed = installation.manage("shell", "-v0", "-c", count)
    assert "ROWS 0 0" in printed


def test_other_methods_are_a_problem(installation: Installation, cast: Cast) -> None:
    for path in (
        "actions/actions/send",
        f"cameras/{cast.plaza}/snapshot.jpg/",
        f"cameras/{cast.plaza}/stream.mjpeg/",
    ):
        answer = httpx.delete(f"{installation.url}/api/v1/{path}", headers=cast["admin"].bearer)
        assert answer.status_code == 405
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["allow"]


def test_stranger_does_not_make_the_server_read_a_large_body(
    installation: Installation, cast: Cast
) -> None:
    junk = b'{"a":[' + b"1," * 2_000_000
    assert post(installation, junk).status_code == 401
    assert post(installation, junk, cast["viewer"].bearer).status_code == 400
    large = parcel(cast.key, frame=base64.b64encode(_heavy()).decode())
    assert post(installation, large).json() == {"accepted": True, "duplicate": True}


def test_who_may_not_send_to_a_camera_learns_nothing_of_what_was_wrong(
    installation: Installation, cast: Cast
) -> None:
    """However large the frame is: it is read for those who may send it."""
    for frame_ in (picture(1)[:-40], base64.b64encode(_heavy()[:-2]).decode()):
        for camera in (cast.plaza, cast.push):
            bad = parcel(camera, frame=frame_)
            assert post(installation, bad, cast["outsider"].bearer).status_code == 404
            assert post(installation, bad, cast["chatter"].bearer).status_code == 403
            assert post(installation, bad, cast["viewer"].bearer).status_code == 400
        assert post(installation, bad, cast["publisher"].bearer).status_code == 400
        assert post(installation, parcel(cast.key, frame=frame_)).status_code == 400


def _heavy() -> bytes:
    return jpeg()[:-2] + b"\0" * 400_000 + b"\xff\xd9"


def test_numbers_and_names_beyond_all_bounds_are_refused_not_failed(
    installation: Installation, cast: Cast
) -> None:
    body = json.dumps(parcel(cast.push, timestamp=12345)).replace("12345", "9" * 400)
    assert post(installation, body, cast["operator"].bearer).status_code == 400
    odd = json.dumps(parcel("sk_X")).replace("sk_X", "sk_\\ud800" + "a" * 30)
    assert post(installation, odd, cast["operator"].bearer).status_code == 404
    assert "Traceback" not in installation.logged()
