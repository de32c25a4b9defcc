"""What who brings a stream key is told beside the pictures."""

from __future__ import annotations

import httpx

from tests.installation import Installation
from tests.people import assemble
from tests.sockets import acknowledged, heard, watching
from tests.waiting import until


def test_key_holder_is_not_told_why_a_camera_fails_nor_who_else_watches(
    house: Installation,
) -> None:
    cast = assemble(house, "holders")
    camera = house.add_camera(name="Holders' wall", kind="rtsp", source="rtsp://127.0.0.1:9/a")
    try:
        until(lambda: "127.0.0.1" in _reason(house, camera), 30, "a reason")
        with (
            watching(house, _key(house, camera), v1=True) as holder,
            watching(house, camera, v1=True, headers=cast["viewer"].bearer) as member,
        ):
            said = until(lambda: _with_viewers(acknowledged(member, 20)), 20, "two viewers")
            told = heard(holder, 0.5)
        assert "127.0.0.1" in str(said["reason"])
        assert {one["state"] for one in told} == {"offline"}
        assert {one["reason"] for one in told} <= {"", "Connecting."}
        assert all("viewers" not in one for one in told)
    finally:
        httpx.delete(f"{house.url}/api/v1/cameras/{camera}", headers=cast["admin"].bearer)


def _with_viewers(message: dict[str, object]) -> dict[str, object] | None:
    """What says that two watch, and why there is no picture."""
    return message if message.get("viewers") == 2 and "127.0.0.1" in str(message) else None


def _reason(house: Installation, camera: str) -> str:
    with house.api() as api:
        return str(api.get(f"/cameras/{camera}").json()["state"]["reason"])


def _key(house: Installation, camera: str) -> str:
    with house.api() as api:
        answer = api.post("/stream-keys", json={"camera": camera, "name": "Wall"})
        return str(answer.json()["key"])
