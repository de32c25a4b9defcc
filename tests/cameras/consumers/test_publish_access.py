"""`/ws/publish/`: who may send a camera's pictures, and for how long."""

from __future__ import annotations

import base64
import contextlib
import uuid
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.cameras.added import added
from tests.installation import Installation
from tests.parcels import now
from tests.people import Cast, assemble
from tests.publishers import asked, outcome, publishing, seed_parcel, v1_parcel
from tests.sockets import ended, frame, jpeg, watching
from tests.waiting import until


@pytest.mark.parametrize("v1", [True, False])
def test_it_works(installation: Installation, cast: Cast, camera: str, v1: bool) -> None:
    """Who watches sees the very bytes that were sent, however they were wrapped."""
    sent: dict[int, bytes] = {}

    def appears(device: ClientConnection, viewer: ClientConnection) -> dict[str, Any] | None:
        at, picture = now(), jpeg(shade=len(sent) % 200)
        sent[at] = picture
        encoded = base64.b64encode(picture).decode()
        found = [{"class": "person", "confidence": 0.5, "bbox": [1, 2, 3, 4]}] * 40
        said = asked(
            device,
            v1_parcel(picture, timestamp=at)
            if v1
            else seed_parcel(camera, frame=encoded, timestamp=at, detections=found),
        )
        assert said == {"ack": at}
        with contextlib.suppress(TimeoutError):
            return frame(viewer, 0.2)
        return None

    operator, viewer = cast["operator"].bearer, cast["viewer"].bearer
    with (
        publishing(installation, camera, headers=operator, v1=v1) as device,
        watching(installation, camera, headers=viewer) as watcher,
    ):
        assert device.subprotocol == ("sideline.v1" if v1 else None)
        seen = until(lambda: appears(device, watcher), 60, "a published frame")
    assert base64.b64decode(seen["frame"]) == sent[seen["timestamp"]]


def test_no_credential_is_refused_at_the_handshake(installation: Installation, cast: Cast) -> None:
    assert outcome(installation, cast.push) == 403
    assert outcome(installation, cast.push, headers={"Authorization": "Bearer nonsense"}) == 403
    assert outcome(installation, "sk_nonsense-nonsense-nonsense") == 403


def test_cookie_needs_a_trusted_origin(installation: Installation, cast: Cast) -> None:
    headers = {"Cookie": f"sideline_session={cast['operator'].session}"}
    assert outcome(installation, cast.push, headers=headers, origin=installation.url) == 200
    assert outcome(installation, cast.push, headers=headers) == 403
    assert outcome(installation, cast.push, headers=headers, origin="http://evil.example") == 403


def test_outsider_cannot_publish_and_learns_nothing(installation: Installation, cast: Cast) -> None:
    for who in ("outsider", "operator"):
        assert outcome(installation, str(uuid.uuid4()), headers=cast[who].bearer) == 4404
        assert outcome(installation, "no-uuid", headers=cast[who].bearer) == 4404
    assert outcome(installation, cast.push, headers=cast["outsider"].bearer) == 4404


def test_publishing_needs_the_role_and_the_scope(installation: Installation, cast: Cast) -> None:
    for who in ("viewer", "reader", "chatter"):
        assert outcome(installation, cast.push, headers=cast[who].bearer) == 4403, who
    for who in ("operator", "admin", "publisher"):
        assert outcome(installation, cast.push, headers=cast[who].bearer) == 200, who


def test_stream_key_never_publishes(installation: Installation, cast: Cast) -> None:
    assert outcome(installation, cast.push_key) == 4403
    assert outcome(installation, cast.key) == 4403


def test_camera_that_the_server_reads_itself_is_closed_with_the_reason(
    installation: Installation, cast: Cast
) -> None:
    with (
        publishing(installation, cast.plaza, headers=cast["operator"].bearer) as device,
        pytest.raises(ConnectionClosed) as closed,
    ):
        device.recv(timeout=30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403
    assert closed.value.rcvd.reason == "This camera is not of kind push."


def changed(installation: Installation, *acts: str) -> None:
    """Do something to the rows behind the server's back."""
    installation.manage("shell", "-v0", "-c", "; ".join(acts))


@pytest.mark.postgres
def test_withdrawn_access_closes(installation: Installation) -> None:
    """Each with its own code. How soon: `tests/gate/test_withdrawal.py`."""
    cast = assemble(installation, "unpublish")
    member = "Membership.objects.filter(user__username='{}')"
    tokens = "Token.objects.filter(user__username='{}')"
    ways = {
        "operator": (cast.push, member + ".update(role='viewer')", 4403),
        "admin": (cast.push, member + ".delete()", 4403),
        "publisher": (cast.push, f"[token.revoke() for token in {tokens}]", 4401),
    }
    with contextlib.ExitStack() as held:
        deleted = held.enter_context(added(installation, name="To be deleted", kind="push"))
        devices, acts = {}, [f"Camera.objects.get(pk='{deleted}').delete()"]
        for who, (camera, act, _) in ways.items():
            devices[who] = held.enter_context(
                publishing(installation, camera, headers=cast[who].bearer)
            )
            acts.append(act.format(cast[who].username))
        with installation.api() as keeper:
            bearer = {"Authorization": keeper.headers["Authorization"]}
        devices["camera"] = held.enter_context(publishing(installation, deleted, headers=bearer))
        for device in devices.values():
            assert "ack" in asked(device, v1_parcel())
        changed(installation, *acts)
        codes = {name: ended(device, 30) for name, device in devices.items()}
    assert codes == {who: code for who, (_, _, code) in ways.items()} | {"camera": 4404}


@pytest.mark.postgres
def test_camera_that_is_switched_off_takes_nothing_and_one_of_another_kind_is_closed(
    installation: Installation, cast: Cast, camera: str
) -> None:
    row = f"Camera.objects.filter(pk='{camera}')"
    with publishing(installation, camera, headers=cast["operator"].bearer) as device:
        assert asked(device, v1_parcel(seq=4)) == {"ack": 4}
        changed(installation, f"{row}.update(enabled=False)")
        said = asked(device, v1_parcel(seq=5))
        assert (said["type"], said["status"], said["ack"]) == ("problem", 409, 5)
        with installation.api() as api:
            assert api.patch(f"/cameras/{camera}", json={"enabled": True}).status_code == 200
        assert asked(device, v1_parcel(seq=6)) == {"ack": 6}
        changed(installation, f"{row}.update(kind='file')")
        device.send(v1_parcel())
        assert ended(device, 30) == 4403
