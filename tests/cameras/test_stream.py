"""`/ws/stream/` on a real Daphne: frames, variants, access and its withdrawal."""

from __future__ import annotations

import socket
import time
import uuid
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.cameras.temporary_camera import temporary_camera
from tests.installation import Installation
from tests.people import Scenario, create_scenario
from tests.sockets import (
    age_ms,
    close_code,
    next_frame,
    next_picture,
    pixels,
    receive_and_acknowledge,
    refusal,
    v1_message,
    watching,
)
from tests.waiting import until


@pytest.fixture(scope="module")
def scenario(installation: Installation) -> Scenario:
    return create_scenario(installation, "stream")


def cookie(session: str) -> dict[str, str]:
    return {"Cookie": f"sideline_session={session}"}


def test_it_works(installation: Installation, scenario: Scenario) -> None:
    with watching(installation, scenario.plaza, headers=scenario["viewer"].bearer) as socket:
        seen = [next_frame(socket) for _ in range(8)]
    fields = {"frame", "timestamp", "camera_id", "run", "detections"}
    assert all(set(one) <= fields for one in seen)
    assert all(one["camera_id"] == scenario.plaza for one in seen)
    times = [one["timestamp"] for one in seen]
    assert all(isinstance(at, int) for at in times)
    assert times == sorted(set(times))
    assert pixels(seen[-1]["frame"]).shape == (432, 768, 3)


def test_people_are_detected_with_boxes_inside_the_picture(
    installation: Installation, scenario: Scenario
) -> None:
    sizes = {"": (768, 432), "?width=320": (320, 180)}
    found = {}
    with temporary_camera(
        installation, name="Stream finder", kind="demo", classes=["person"]
    ) as camera:
        for query in sizes:
            with watching(
                installation, camera, headers=scenario["viewer"].bearer, query=query
            ) as socket:
                found[query] = until(lambda: _people(next_frame(socket, 60)), 60, "a person")
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
    installation: Installation, scenario: Scenario
) -> None:
    with (
        watching(
            installation, scenario.plaza, headers=scenario["viewer"].bearer, v1=True
        ) as socket,
        watching(installation, scenario.key, v1=True) as other,
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
        assert after["seq"] >= seen, "frames of the pause must be dropped, not queued"
        assert (after["width"], after["height"]) == (768, 432)


@pytest.mark.timing
def test_pictures_are_fresh(installation: Installation, scenario: Scenario) -> None:
    """For a new viewer, and for one that skipped frames."""
    with watching(installation, scenario.plaza, headers=scenario["viewer"].bearer) as socket:
        ages = [age_ms(next_frame(socket)) for _ in range(8)]
        assert abs(ages[-1]) < 2000
    with watching(
        installation, scenario.plaza, headers=scenario["viewer"].bearer, v1=True
    ) as socket:
        held = [next_picture(socket, v1_message), next_picture(socket, v1_message)]
        time.sleep(1.5)
        socket.send(f'{{"ack": {held[-1]["seq"]}}}')
        after = next_picture(socket, v1_message)
        assert after["seq"] > held[-1]["seq"] + 5
        assert after["age_ms"] < 1000


@pytest.mark.parametrize("v1", [True, False])
def test_lighter_variant_is_narrower(
    installation: Installation, scenario: Scenario, v1: bool
) -> None:
    with (
        watching(installation, scenario.key, v1=v1, query="?width=320&fps=5") as light,
        watching(installation, scenario.key, v1=True) as native,
    ):
        seen = [next_picture(light) if v1 else next_frame(light, 20) for _ in range(3)]
        whole = next_picture(native)
    assert pixels(whole["jpeg"]).shape == (432, 768, 3)
    for one in seen:
        assert pixels(one["jpeg"] if v1 else one["frame"]).shape == (180, 320, 3)


@pytest.mark.timing
@pytest.mark.parametrize("v1", [True, False])
def test_lighter_variant_has_its_frame_rate(
    installation: Installation, scenario: Scenario, v1: bool
) -> None:
    """16 frames at 5 per second take 3 s, while another viewer gets every frame."""
    with (
        watching(installation, scenario.key, v1=v1, query="?width=320&fps=5") as light,
        watching(installation, scenario.key, v1=True) as native,
    ):
        next_picture(native)
        began = time.monotonic()
        for _ in range(16):
            next_picture(light) if v1 else next_frame(light)
        assert 2.4 < time.monotonic() - began < 5


def test_all_viewers_of_a_camera_are_counted(
    installation: Installation, scenario: Scenario
) -> None:
    with watching(
        installation, scenario.plaza, headers=scenario["viewer"].bearer, v1=True
    ) as first:

        def viewer_count() -> int | None:
            viewers = receive_and_acknowledge(first, 20).get("viewers")
            return int(viewers) if viewers is not None else None

        until(lambda: viewer_count() == 1, 30, "one viewer")
        with (
            watching(installation, scenario.key, v1=True, query="?width=320"),
            watching(installation, scenario.key),
        ):
            until(lambda: viewer_count() == 3, 30, "three viewers")
        until(lambda: viewer_count() == 1, 30, "one viewer again")


def test_no_credential_is_refused_at_the_handshake(
    installation: Installation, scenario: Scenario
) -> None:
    assert refusal(installation, scenario.plaza) == 403
    assert (
        refusal(installation, scenario.plaza, headers={"Authorization": "Bearer nonsense"}) == 403
    )
    assert refusal(installation, scenario.plaza, headers={"Authorization": "Basic YTpi"}) == 403
    assert refusal(installation, "sk_nonsense-nonsense-nonsense") == 403


def test_cookie_needs_a_trusted_origin(installation: Installation, scenario: Scenario) -> None:
    headers = cookie(scenario["viewer"].session)
    assert refusal(installation, scenario.plaza, headers=headers, origin=installation.url) == 200
    assert refusal(installation, scenario.plaza, headers=headers) == 403
    assert (
        refusal(installation, scenario.plaza, headers=headers, origin="http://evil.example") == 403
    )
    other_port = "http://127.0.0.1:9"
    assert refusal(installation, scenario.plaza, headers=headers, origin=other_port) == 403


def test_bad_bearer_is_refused_even_with_a_good_cookie(
    installation: Installation, scenario: Scenario
) -> None:
    headers = cookie(scenario["viewer"].session) | {"Authorization": "Bearer nonsense"}
    assert refusal(installation, scenario.plaza, headers=headers, origin=installation.url) == 403


def test_outsider_cannot_watch_and_learns_nothing(
    installation: Installation, scenario: Scenario
) -> None:
    bearer = scenario["outsider"].bearer
    assert refusal(installation, scenario.plaza, headers=bearer) == 4404
    assert refusal(installation, str(uuid.uuid4()), headers=bearer) == 4404
    assert refusal(installation, "no-uuid", headers=bearer) == 4404


def test_token_without_read_is_closed_4403(installation: Installation, scenario: Scenario) -> None:
    assert refusal(installation, scenario.plaza, headers=scenario["chatter"].bearer) == 4403
    assert refusal(installation, scenario.plaza, headers=scenario["reader"].bearer) == 200


def test_stream_key_needs_no_other_credential_and_is_echoed(
    installation: Installation, scenario: Scenario
) -> None:
    with watching(installation, scenario.key, origin="http://elsewhere.example") as socket:
        assert next_frame(socket)["camera_id"] == scenario.key


@pytest.mark.postgres
def test_withdrawn_access_closes_open_streams(installation: Installation) -> None:
    """Each case has its own close code. `tests/gate/test_withdrawal.py` tests the delay."""
    scenario = create_scenario(installation, "withdrawn")
    by_cookie = {"headers": cookie(scenario["admin"].session), "origin": installation.url}
    member = "Membership.objects.filter(user__username='withdrawn-viewer')"
    tokens = "Token.objects.filter(user__username='withdrawn-operator')"
    admin = "User.objects.filter(username='withdrawn-admin')"
    held: dict[str, tuple[str, dict[str, Any], str, int]] = {
        "left": (scenario.plaza, {"headers": scenario["viewer"].bearer},
                 f"{member}.delete()", 4403),
        "revoked": (scenario.plaza, {"headers": scenario["operator"].bearer},
                    f"[token.revoke() for token in {tokens}]", 4401),
        "suspended": (scenario.plaza, by_cookie, f"{admin}.update(is_active=False)", 4401),
        "key": (scenario.key, {}, f"StreamKey.objects.get(pk='{scenario.key_id}').revoke()", 4401),
    }  # fmt: skip
    with ExitStack() as open_ones:
        sockets = {}
        for name, (camera, how, _, _) in held.items():
            sockets[name] = open_ones.enter_context(watching(installation, camera, **how))
            next_frame(sockets[name], 20)
        acts = "; ".join(act for _, _, act, _ in held.values())
        installation.manage("shell", "-v0", "-c", acts)
        codes = {name: close_code(socket, 30) for name, socket in sockets.items()}
    assert codes == {name: code for name, (_, _, _, code) in held.items()}


def test_permessage_deflate_is_not_negotiated(
    installation: Installation, scenario: Scenario
) -> None:
    url = f"ws://127.0.0.1:{installation.port}/ws/stream/{scenario.key}"
    with connect(url, max_size=None, proxy=None, compression="deflate", open_timeout=60) as socket:
        assert "Sec-WebSocket-Extensions" not in socket.response.headers  # type: ignore[union-attr]
        next_frame(socket)


def test_quoted_subprotocol_is_not_accepted(installation: Installation, scenario: Scenario) -> None:
    with socket.create_connection(("127.0.0.1", installation.port), 60) as raw:
        raw.sendall(
            f"GET /ws/stream/{scenario.key} HTTP/1.1\r\nHost: 127.0.0.1:{installation.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: sideline%2Ev1\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101")
    assert b"Sec-WebSocket-Protocol" not in answer
