"""The WebSocket door against a real Daphne: who gets in, what they see, when they must leave."""

from __future__ import annotations

import socket
import time
import uuid
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.cameras.added import added
from tests.installation import Installation
from tests.people import Cast, assemble
from tests.sockets import (
    acknowledged,
    age_ms,
    ended,
    frame,
    next_picture,
    pixels,
    refusal,
    v1_message,
    watching,
)
from tests.waiting import until


@pytest.fixture(scope="module")
def cast(installation: Installation) -> Cast:
    return assemble(installation, "stream")


def cookie(session: str) -> dict[str, str]:
    return {"Cookie": f"sideline_session={session}"}


def test_it_works(installation: Installation, cast: Cast) -> None:
    with watching(installation, cast.plaza, headers=cast["viewer"].bearer) as socket:
        seen = [frame(socket) for _ in range(8)]
    assert all(set(one) <= {"frame", "timestamp", "camera_id", "detections"} for one in seen)
    assert all(one["camera_id"] == cast.plaza for one in seen)
    times = [one["timestamp"] for one in seen]
    assert all(isinstance(at, int) for at in times)
    assert times == sorted(set(times))
    assert pixels(seen[-1]["frame"]).shape == (432, 768, 3)


def test_people_are_found_and_their_boxes_lie_inside_the_picture(
    installation: Installation, cast: Cast
) -> None:
    sizes = {"": (768, 432), "?width=320": (320, 180)}
    found = {}
    with added(installation, name="Stream finder", kind="demo", classes=["person"]) as camera:
        for query in sizes:
            with watching(
                installation, camera, headers=cast["viewer"].bearer, query=query
            ) as socket:
                found[query] = until(lambda: _people(frame(socket, 60)), 60, "a person")
    for query, (right, bottom) in sizes.items():
        for one in found[query]:
            x, y, width, height = one["bbox"]
            assert x >= 0
            assert y >= 0
            assert x + width <= right + 0.1
            assert y + height <= bottom + 0.1
            assert 0 < one["confidence"] <= 1


def _people(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in message.get("detections", []) if one["class"] == "person"]


def test_v1_viewer_gets_status_binary_frames_and_two_credits(
    installation: Installation, cast: Cast
) -> None:
    with (
        watching(installation, cast.plaza, headers=cast["viewer"].bearer, v1=True) as socket,
        watching(installation, cast.key, v1=True) as other,
    ):
        assert socket.subprotocol == "sideline.v1"
        first = v1_message(socket)
        assert first["type"] == "status"
        held = [next_picture(socket, v1_message), next_picture(socket, v1_message)]
        newest = held[-1]["seq"]
        until(lambda: next_picture(other)["seq"] >= newest + 12, 60, "12 more")
        seen = next_picture(other)["seq"]
        socket.send(f'{{"ack": {newest}}}')
        after = next_picture(socket, v1_message)
        assert after["seq"] >= seen, "frames of the pause must be gone: not sent, and not queued"
        assert (after["width"], after["height"]) == (768, 432)


@pytest.mark.timing
def test_pictures_are_new(installation: Installation, cast: Cast) -> None:
    """For who joins, and for who has let frames go by."""
    with watching(installation, cast.plaza, headers=cast["viewer"].bearer) as socket:
        ages = [age_ms(frame(socket)) for _ in range(8)]
        assert abs(ages[-1]) < 2000
    with watching(installation, cast.plaza, headers=cast["viewer"].bearer, v1=True) as socket:
        held = [next_picture(socket, v1_message), next_picture(socket, v1_message)]
        time.sleep(1.5)
        socket.send(f'{{"ack": {held[-1]["seq"]}}}')
        after = next_picture(socket, v1_message)
        assert after["seq"] > held[-1]["seq"] + 5
        assert after["age_ms"] < 1000


@pytest.mark.parametrize("v1", [True, False])
def test_lighter_variant_is_narrower(installation: Installation, cast: Cast, v1: bool) -> None:
    with (
        watching(installation, cast.key, v1=v1, query="?width=320&fps=5") as light,
        watching(installation, cast.key, v1=True) as native,
    ):
        seen = [next_picture(light) if v1 else frame(light, 20) for _ in range(3)]
        whole = next_picture(native)
    assert pixels(whole["jpeg"]).shape == (432, 768, 3)
    for one in seen:
        assert pixels(one["jpeg"] if v1 else one["frame"]).shape == (180, 320, 3)


@pytest.mark.timing
@pytest.mark.parametrize("v1", [True, False])
def test_lighter_variant_is_calmer(installation: Installation, cast: Cast, v1: bool) -> None:
    """Fifteen pauses of a fifth of a second, while somebody else has every frame."""
    with (
        watching(installation, cast.key, v1=v1, query="?width=320&fps=5") as light,
        watching(installation, cast.key, v1=True) as native,
    ):
        next_picture(native)
        began = time.monotonic()
        for _ in range(16):
            next_picture(light) if v1 else frame(light)
        assert 2.4 < time.monotonic() - began < 5


def test_who_watches_is_counted_for_all(installation: Installation, cast: Cast) -> None:
    with watching(installation, cast.plaza, headers=cast["viewer"].bearer, v1=True) as first:

        def told() -> int | None:
            viewers = acknowledged(first, 20).get("viewers")
            return int(viewers) if viewers is not None else None

        until(lambda: told() == 1, 30, "nobody else")
        with (
            watching(installation, cast.key, v1=True, query="?width=320"),
            watching(installation, cast.key),
        ):
            until(lambda: told() == 3, 30, "two more")
        until(lambda: told() == 1, 30, "as before")


def test_no_credential_is_refused_at_the_handshake(installation: Installation, cast: Cast) -> None:
    assert refusal(installation, cast.plaza) == 403
    assert refusal(installation, cast.plaza, headers={"Authorization": "Bearer nonsense"}) == 403
    assert refusal(installation, cast.plaza, headers={"Authorization": "Basic YTpi"}) == 403
    assert refusal(installation, "sk_nonsense-nonsense-nonsense") == 403


def test_cookie_needs_a_trusted_origin(installation: Installation, cast: Cast) -> None:
    headers = cookie(cast["viewer"].session)
    assert refusal(installation, cast.plaza, headers=headers, origin=installation.url) == 200
    assert refusal(installation, cast.plaza, headers=headers) == 403
    assert refusal(installation, cast.plaza, headers=headers, origin="http://evil.example") == 403
    other_port = "http://127.0.0.1:9"
    assert refusal(installation, cast.plaza, headers=headers, origin=other_port) == 403


def test_a_bad_bearer_ends_the_matter_even_with_a_good_cookie(
    installation: Installation, cast: Cast
) -> None:
    headers = cookie(cast["viewer"].session) | {"Authorization": "Bearer nonsense"}
    assert refusal(installation, cast.plaza, headers=headers, origin=installation.url) == 403


def test_outsider_cannot_watch_and_learns_nothing(installation: Installation, cast: Cast) -> None:
    bearer = cast["outsider"].bearer
    assert refusal(installation, cast.plaza, headers=bearer) == 4404
    assert refusal(installation, str(uuid.uuid4()), headers=bearer) == 4404
    assert refusal(installation, "no-uuid", headers=bearer) == 4404


def test_token_without_read_is_closed_4403(installation: Installation, cast: Cast) -> None:
    assert refusal(installation, cast.plaza, headers=cast["chatter"].bearer) == 4403
    assert refusal(installation, cast.plaza, headers=cast["reader"].bearer) == 200


def test_stream_key_is_enough_and_is_echoed(installation: Installation, cast: Cast) -> None:
    with watching(installation, cast.key, origin="http://elsewhere.example") as socket:
        assert frame(socket)["camera_id"] == cast.key


@pytest.mark.postgres
def test_withdrawn_access_closes_open_streams(installation: Installation) -> None:
    """Each with its own code. How soon: `tests/gate/test_withdrawal.py`."""
    cast = assemble(installation, "withdrawn")
    by_cookie = {"headers": cookie(cast["admin"].session), "origin": installation.url}
    member = "Membership.objects.filter(user__username='withdrawn-viewer')"
    tokens = "Token.objects.filter(user__username='withdrawn-operator')"
    admin = "User.objects.filter(username='withdrawn-admin')"
    held: dict[str, tuple[str, dict[str, Any], str, int]] = {
        "left": (cast.plaza, {"headers": cast["viewer"].bearer}, f"{member}.delete()", 4403),
        "revoked": (cast.plaza, {"headers": cast["operator"].bearer},
                    f"[token.revoke() for token in {tokens}]", 4401),
        "suspended": (cast.plaza, by_cookie, f"{admin}.update(is_active=False)", 4401),
        "key": (cast.key, {}, f"StreamKey.objects.get(pk='{cast.key_id}').revoke()", 4401),
    }  # fmt: skip
    with ExitStack() as open_ones:
        sockets = {}
        for name, (camera, how, _, _) in held.items():
            sockets[name] = open_ones.enter_context(watching(installation, camera, **how))
            frame(sockets[name], 20)
        acts = "; ".join(act for _, _, act, _ in held.values())
        installation.manage("shell", "-v0", "-c", acts)
        codes = {name: ended(socket, 30) for name, socket in sockets.items()}
    assert codes == {name: code for name, (_, _, _, code) in held.items()}


def test_permessage_deflate_is_not_negotiated(installation: Installation, cast: Cast) -> None:
    url = f"ws://127.0.0.1:{installation.port}/ws/stream/{cast.key}"
    with connect(url, max_size=None, proxy=None, compression="deflate", open_timeout=60) as socket:
        assert "Sec-WebSocket-Extensions" not in socket.response.headers  # type: ignore[union-attr]
        frame(socket)


def test_quoted_subprotocol_is_none_that_we_speak(installation: Installation, cast: Cast) -> None:
    with socket.create_connection(("127.0.0.1", installation.port), 60) as raw:
        raw.sendall(
            f"GET /ws/stream/{cast.key} HTTP/1.1\r\nHost: 127.0.0.1:{installation.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: sideline%2Ev1\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101")
    assert b"Sec-WebSocket-Protocol" not in answer
