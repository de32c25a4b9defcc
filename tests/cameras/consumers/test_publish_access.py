"""Access to `/ws/publish/`: required credentials, roles and scopes, and their withdrawal."""

from __future__ import annotations

import base64
import contextlib
import uuid
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.cameras.temporary_camera import temporary_camera
from tests.installation import Installation
from tests.people import Scenario, create_scenario
from tests.publishers import exchange, outcome, publishing, seed_frame, v1_frame
from tests.push_messages import now
from tests.sockets import close_code, jpeg, next_frame, watching
from tests.waiting import until


@pytest.mark.parametrize("v1", [True, False])
def test_it_works(installation: Installation, scenario: Scenario, camera: str, v1: bool) -> None:
    """Viewers get exactly the bytes that were sent, in either format."""
    sent: dict[int, bytes] = {}

    def appears(device: ClientConnection, viewer: ClientConnection) -> dict[str, Any] | None:
        at, picture = now(), jpeg(shade=len(sent) % 200)
        sent[at] = picture
        encoded = base64.b64encode(picture).decode()
        found = [{"class": "person", "confidence": 0.5, "bbox": [1, 2, 3, 4]}] * 40
        said = exchange(
            device,
            v1_frame(picture, timestamp=at)
            if v1
            else seed_frame(camera, frame=encoded, timestamp=at, detections=found),
        )
        assert said == {"ack": at}
        with contextlib.suppress(TimeoutError):
            return next_frame(viewer, 0.2)
        return None

    operator, viewer = scenario["operator"].bearer, scenario["viewer"].bearer
    with (
        publishing(installation, camera, headers=operator, v1=v1) as device,
        watching(installation, camera, headers=viewer) as watcher,
    ):
        assert device.subprotocol == ("sideline.v1" if v1 else None)
        seen = until(lambda: appears(device, watcher), 60, "a published frame")
    assert base64.b64decode(seen["frame"]) == sent[seen["timestamp"]]


def test_no_credential_is_refused_at_the_handshake(
    installation: Installation, scenario: Scenario
) -> None:
    assert outcome(installation, scenario.push) == 403
    assert outcome(installation, scenario.push, headers={"Authorization": "Bearer nonsense"}) == 403
    assert outcome(installation, "sk_nonsense-nonsense-nonsense") == 403


def test_cookie_needs_a_trusted_origin(installation: Installation, scenario: Scenario) -> None:
    headers = {"Cookie": f"sideline_session={scenario['operator'].session}"}
    assert outcome(installation, scenario.push, headers=headers, origin=installation.url) == 200
    assert outcome(installation, scenario.push, headers=headers) == 403
    assert (
        outcome(installation, scenario.push, headers=headers, origin="http://evil.example") == 403
    )


def test_outsider_cannot_publish_and_learns_nothing(
    installation: Installation, scenario: Scenario
) -> None:
    for who in ("outsider", "operator"):
        assert outcome(installation, str(uuid.uuid4()), headers=scenario[who].bearer) == 4404
        assert outcome(installation, "no-uuid", headers=scenario[who].bearer) == 4404
    assert outcome(installation, scenario.push, headers=scenario["outsider"].bearer) == 4404


def test_publishing_needs_the_role_and_the_scope(
    installation: Installation, scenario: Scenario
) -> None:
    for who in ("viewer", "reader", "chatter"):
        assert outcome(installation, scenario.push, headers=scenario[who].bearer) == 4403, who
    for who in ("operator", "admin", "publisher"):
        assert outcome(installation, scenario.push, headers=scenario[who].bearer) == 200, who


def test_stream_key_never_publishes(installation: Installation, scenario: Scenario) -> None:
    assert outcome(installation, scenario.push_key) == 4403
    assert outcome(installation, scenario.key) == 4403


def test_camera_of_another_kind_is_closed_with_the_reason(
    installation: Installation, scenario: Scenario
) -> None:
    with (
        publishing(installation, scenario.plaza, headers=scenario["operator"].bearer) as device,
        pytest.raises(ConnectionClosed) as closed,
    ):
        device.recv(timeout=30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403
    assert closed.value.rcvd.reason == "This camera is not of kind push."


def changed(installation: Installation, *acts: str) -> None:
    """Change rows from another process."""
    installation.manage("shell", "-v0", "-c", "; ".join(acts))


@pytest.mark.postgres
def test_withdrawn_access_closes_the_connection(installation: Installation) -> None:
    """Each case has its own close code. `tests/gate/test_withdrawal.py` tests the delay."""
    scenario = create_scenario(installation, "unpublish")
    member = "Membership.objects.filter(user__username='{}')"
    tokens = "Token.objects.filter(user__username='{}')"
    ways = {
        "operator": (scenario.push, member + ".update(role='viewer')", 4403),
        "admin": (scenario.push, member + ".delete()", 4403),
        "publisher": (scenario.push, f"[token.revoke() for token in {tokens}]", 4401),
    }
    with contextlib.ExitStack() as held:
        deleted = held.enter_context(
            temporary_camera(installation, name="To be deleted", kind="push")
        )
        devices, acts = {}, [f"Camera.objects.get(pk='{deleted}').delete()"]
        for who, (camera, act, _) in ways.items():
            devices[who] = held.enter_context(
                publishing(installation, camera, headers=scenario[who].bearer)
            )
            acts.append(act.format(scenario[who].username))
        with installation.api() as keeper:
            bearer = {"Authorization": keeper.headers["Authorization"]}
        devices["camera"] = held.enter_context(publishing(installation, deleted, headers=bearer))
        for device in devices.values():
            assert "ack" in exchange(device, v1_frame())
        changed(installation, *acts)
        codes = {name: close_code(device, 30) for name, device in devices.items()}
    assert codes == {who: code for who, (_, _, code) in ways.items()} | {"camera": 4404}


@pytest.mark.postgres
def test_camera_switched_off_refuses_frames_and_a_changed_kind_closes(
    installation: Installation, scenario: Scenario, camera: str
) -> None:
    row = f"Camera.objects.filter(pk='{camera}')"
    with publishing(installation, camera, headers=scenario["operator"].bearer) as device:
        assert exchange(device, v1_frame(seq=4)) == {"ack": 4}
        changed(installation, f"{row}.update(enabled=False)")
        said = exchange(device, v1_frame(seq=5))
        assert (said["type"], said["status"], said["ack"]) == ("problem", 409, 5)
        with installation.api() as api:
            assert api.patch(f"/cameras/{camera}", json={"enabled": True}).status_code == 200
        assert exchange(device, v1_frame(seq=6)) == {"ack": 6}
        changed(installation, f"{row}.update(kind='file')")
        device.send(v1_frame())
        assert close_code(device, 30) == 4403
