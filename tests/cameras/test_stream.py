"""The WebSocket door against a real Daphne: who gets in, what they see, when they must leave."""

from __future__ import annotations

import socket
import time
import uuid

import pytest
from websockets.sync.client import connect

from tests.installation import Installation
from tests.people import Cast, assemble
from tests.sockets import (
    acknowledged,
    ended,
    frame,
    heard,
    pixels,
    refusal,
    v1_message,
    watching,
)
from tests.waiting import until


@pytest.fixture(scope="module")
def cast(house: Installation) -> Cast:
    return assemble(house, "stream")


def cookie(session: str) -> dict[str, str]:
    return {"Cookie": f"sideline_session={session}"}


def test_it_works(house: Installation, cast: Cast) -> None:
    with watching(house, cast.plaza, headers=cast["viewer"].bearer) as socket:
        seen = [frame(socket) for _ in range(8)]
    assert all(set(one) <= {"frame", "timestamp", "camera_id", "detections"} for one in seen)
    assert all(one["camera_id"] == cast.plaza for one in seen)
    times = [one["timestamp"] for one in seen]
    assert all(isinstance(at, int) for at in times)
    assert times == sorted(set(times))
    assert abs(times[-1] - time.time() * 1000) < 2000
    assert pixels(seen[-1]["frame"]).shape == (432, 768, 3)


def test_people_are_found_and_their_boxes_lie_inside_the_picture(
    house: Installation, cast: Cast
) -> None:
    with watching(house, cast.plaza, headers=cast["viewer"].bearer) as socket:
        found = until(
            lambda: [one for one in frame(socket)["detections"] if one["class"] == "person"],
            20,
            "a person",
        )
    for one in found:
        x, y, width, height = one["bbox"]
        assert x >= 0
        assert y >= 0
        assert x + width <= 768.1
        assert y + height <= 432.1
        assert 0 < one["confidence"] <= 1


def test_v1_viewer_gets_status_binary_frames_and_two_credits(
    house: Installation, cast: Cast
) -> None:
    with watching(house, cast.plaza, headers=cast["viewer"].bearer, v1=True) as socket:
        assert socket.subprotocol == "sideline.v1"
        first = v1_message(socket)
        assert first["type"] == "status"
        frames: list[dict[str, object]] = []
        until(lambda: (frames.append(v1_message(socket)), len(_pictures(frames)) == 2)[1])
        assert not any("jpeg" in one for one in heard(socket, 1.5)), "a third frame came"
        newest = _pictures(frames)[-1]
        socket.send(f'{{"ack": {newest["seq"]}}}')
        after = until(lambda: _picture(v1_message(socket)), 5)
        assert after["seq"] > newest["seq"] + 5, "frames of the pause must be gone, not queued"
        assert after["age_ms"] < 1000
        assert (after["width"], after["height"]) == (768, 432)


def _picture(message: dict[str, object]) -> dict[str, object] | None:
    return message if "jpeg" in message else None


def _pictures(messages: list[dict[str, object]]) -> list[dict[str, object]]:
    return [one for one in messages if "jpeg" in one]


@pytest.mark.parametrize("v1", [True, False])
def test_lighter_variant_is_narrower_and_calmer(house: Installation, cast: Cast, v1: bool) -> None:
    with (
        watching(house, cast.key, v1=v1, query="?width=320&fps=5") as light,
        watching(house, cast.key, v1=True) as native,
    ):
        until(lambda: "jpeg" in acknowledged(native), 10)
        seen, began = [], time.monotonic()
        while len(seen) < 16:
            message = acknowledged(light) if v1 else frame(light)
            seen += [message] if "timestamp" in message else []
        took = time.monotonic() - began
        whole = until(lambda: _picture(acknowledged(native)), 10)
    assert pixels(whole["jpeg"]).shape == (432, 768, 3)  # type: ignore[arg-type]
    for one in seen:
        assert pixels(one["jpeg"] if v1 else one["frame"]).shape == (180, 320, 3)
        for found in one.get("detections", []):
            x, y, width, height = found["bbox"]
            assert x + width <= 320.1
            assert y + height <= 180.1
    assert 2.4 < took < 5, "fifteen pauses of a fifth of a second"


def test_who_watches_is_counted_for_all(house: Installation, cast: Cast) -> None:
    with watching(house, cast.plaza, headers=cast["viewer"].bearer, v1=True) as first:

        def told() -> int | None:
            viewers = acknowledged(first).get("viewers")
            return int(viewers) if viewers is not None else None

        until(lambda: told() == 1, 10, "nobody else")
        with watching(house, cast.key, v1=True, query="?width=320"), watching(house, cast.key):
            until(lambda: told() == 3, 10, "two more")
        until(lambda: told() == 1, 10, "as before")


def test_no_credential_is_refused_at_the_handshake(house: Installation, cast: Cast) -> None:
    assert refusal(house, cast.plaza) == 403
    assert refusal(house, cast.plaza, headers={"Authorization": "Bearer nonsense"}) == 403
    assert refusal(house, cast.plaza, headers={"Authorization": "Basic YTpi"}) == 403
    assert refusal(house, "sk_nonsense-nonsense-nonsense") == 403


def test_cookie_needs_a_trusted_origin(house: Installation, cast: Cast) -> None:
    headers = cookie(cast["viewer"].session)
    assert refusal(house, cast.plaza, headers=headers, origin=house.url) == 200
    assert refusal(house, cast.plaza, headers=headers) == 403
    assert refusal(house, cast.plaza, headers=headers, origin="http://evil.example") == 403
    other_port = "http://127.0.0.1:9"
    assert refusal(house, cast.plaza, headers=headers, origin=other_port) == 403


def test_a_bad_bearer_ends_the_matter_even_with_a_good_cookie(
    house: Installation, cast: Cast
) -> None:
    headers = cookie(cast["viewer"].session) | {"Authorization": "Bearer nonsense"}
    assert refusal(house, cast.plaza, headers=headers, origin=house.url) == 403


def test_outsider_cannot_watch_and_learns_nothing(house: Installation, cast: Cast) -> None:
    bearer = cast["outsider"].bearer
    assert refusal(house, cast.plaza, headers=bearer) == 4404
    assert refusal(house, str(uuid.uuid4()), headers=bearer) == 4404
    assert refusal(house, "no-uuid", headers=bearer) == 4404


def test_token_without_read_is_closed_4403(house: Installation, cast: Cast) -> None:
    assert refusal(house, cast.plaza, headers=cast["chatter"].bearer) == 4403
    assert refusal(house, cast.plaza, headers=cast["reader"].bearer) == 200


def test_stream_key_is_enough_and_is_echoed(house: Installation, cast: Cast) -> None:
    with watching(house, cast.key, origin="http://elsewhere.example") as socket:
        assert frame(socket)["camera_id"] == cast.key


def closes_within_two_seconds(house: Installation, act: str, expected: int, **how: object) -> None:
    camera = str(how.pop("camera"))
    with watching(house, camera, **how) as socket:  # type: ignore[arg-type]
        frame(socket)
        house.manage("shell", "-v0", "-c", f"from cameras.models import *; {act}")
        done = time.monotonic()
        assert ended(socket, 5) == expected
        assert time.monotonic() - done < 2


def test_withdrawn_access_closes_open_streams_within_two_seconds(house: Installation) -> None:
    cast = assemble(house, "withdrawn")
    leave = "Membership.objects.filter(user__username='withdrawn-{}').delete()"
    closes_within_two_seconds(
        house, leave.format("viewer"), 4403, camera=cast.plaza, headers=cast["viewer"].bearer
    )
    revoke = "[t.revoke() for t in Token.objects.filter(user__username='withdrawn-operator')]"
    closes_within_two_seconds(
        house, revoke, 4401, camera=cast.plaza, headers=cast["operator"].bearer
    )
    suspend = "User.objects.filter(username='withdrawn-admin').update(is_active=False)"
    closes_within_two_seconds(
        house, suspend, 4401, camera=cast.plaza,
        headers=cookie(cast["admin"].session), origin=house.url,
    )  # fmt: skip
    end_key = f"StreamKey.objects.get(pk='{cast.key_id}').revoke()"
    closes_within_two_seconds(house, end_key, 4401, camera=cast.key)


def test_permessage_deflate_is_not_negotiated(house: Installation, cast: Cast) -> None:
    url = f"ws://127.0.0.1:{house.port}/ws/stream/{cast.key}"
    with connect(url, max_size=None, proxy=None, compression="deflate") as socket:
        assert "Sec-WebSocket-Extensions" not in socket.response.headers  # type: ignore[union-attr]
        frame(socket)


def test_quoted_subprotocol_is_none_that_we_speak(house: Installation, cast: Cast) -> None:
    with socket.create_connection(("127.0.0.1", house.port), 10) as raw:
        raw.sendall(
            f"GET /ws/stream/{cast.key} HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: sideline%2Ev1\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101")
    assert b"Sec-WebSocket-Protocol" not in answer
