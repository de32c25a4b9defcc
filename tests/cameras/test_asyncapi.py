"""The AsyncAPI document describes the sockets' messages as a running server sends them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import ValidationError

from cameras.consumers import routing
from cameras.live.frames import Detection, Status
from cameras.live.variants import RATES, WIDTHS
from cameras.models.states import State
from project.openapi import asyncapi_document
from tests.asyncapi import DOCUMENT, validate
from tests.installation import Installation
from tests.people import Scenario, create_scenario
from tests.publishers import exchange, publishing, seed_frame, v1_frame
from tests.push_messages import now
from tests.sockets import next_frame, receive_and_acknowledge, watching


@pytest.fixture(scope="module")
def people(installation: Installation) -> Iterator[Scenario]:
    scenario = create_scenario(installation, "asyncapi")
    yield scenario
    with installation.api() as api:
        api.delete(f"/cameras/{scenario.push}")


def test_document_is_served_and_linked(installation: Installation) -> None:
    served = httpx.get(f"{installation.url}/api/asyncapi/?format=json")
    assert served.headers["content-type"] == "application/vnd.aai.asyncapi+json"
    assert served.json() == DOCUMENT
    assert "/api/asyncapi/" in httpx.get(f"{installation.url}/api/schema/").text


def test_cookie_has_the_name_of_the_settings(settings: Any) -> None:
    settings.SESSION_COOKIE_NAME = "club_session"
    cookie = asyncapi_document()["components"]["securitySchemes"]["cookie"]
    assert cookie["name"] == "club_session"


def test_every_socket_is_described() -> None:
    sockets = {
        channel["address"]
        for channel in DOCUMENT["channels"].values()
        if channel["servers"] == [{"$ref": "#/servers/sockets"}]
    }
    assert sockets == {f"/ws/{name}/{{camera}}" for name in routing.routes}
    query = DOCUMENT["channels"]["stream"]["bindings"]["ws"]["query"]["properties"]
    assert query["width"]["enum"] == list(WIDTHS)
    assert query["fps"]["enum"] == list(RATES)


def test_frames_in_json_are_described(installation: Installation, people: Scenario) -> None:
    with watching(installation, people.key) as socket:
        for _ in range(3):
            validate("Frame", next_frame(socket))


def test_messages_of_v1_are_described(installation: Installation, people: Scenario) -> None:
    schemas = {"status": "Status", "dropped": "Dropped"}
    found = set()
    for camera, headers in (
        (people.plaza, people["viewer"].bearer), (people.key, {}),
    ):  # fmt: skip
        with watching(installation, camera, headers=headers, v1=True) as socket:
            for _ in range(5):
                message = receive_and_acknowledge(socket)
                message.pop("jpeg", None)
                schema = schemas.get(message.get("type", ""), "FrameHeader")
                validate(schema, message)
                found.add(schema)
    assert {"Status", "FrameHeader"} <= found


def test_every_state_of_a_camera_is_described() -> None:
    for state in State.values:
        for viewers in (None, 2):
            validate("Status", Status(state, now(), "No picture.", None, viewers).to_message())


def test_detections_are_described() -> None:
    found = Detection("person", 0.91, (1.0, 2.0, 30.0, 40.0), track_id=3).to_dict()
    validate("Detection", found)
    with pytest.raises(ValidationError):
        validate("Detection", found | {"undescribed": 1})


@pytest.mark.parametrize("v1", [True, False])
def test_answers_to_publishers_are_described(
    installation: Installation, people: Scenario, v1: bool
) -> None:
    def message(**changes: Any) -> bytes | str:
        return v1_frame(**changes) if v1 else seed_frame(people.push, **changes)

    sent = now()
    messages = [message(timestamp=sent), message(timestamp=sent), message(timestamp=1), "{}"]
    headers = people["operator"].bearer
    with publishing(installation, people.push, headers=headers, v1=v1) as socket:
        answers = [exchange(socket, one) for one in messages]
    accepted, duplicate, *refused = answers
    validate("Accepted", accepted)
    validate("Accepted", duplicate)
    assert duplicate["duplicate"] is True
    for one in refused:
        validate("Refused", one)
    described = "PushedFrameHeader" if v1 else "PushedFrame"
    first = messages[0]
    head = first[4 : first.index(b"}") + 1] if isinstance(first, bytes) else first
    validate(described, json.loads(head))


def test_no_sentence_is_cut_at_a_comma() -> None:
    """In YAML's short form, an unquoted comma ends the value and begins a key without one."""

    def keys_without_value(node: Any) -> list[str]:
        if isinstance(node, list):
            return [key for item in node for key in keys_without_value(item)]
        if not isinstance(node, dict):
            return []
        own = [key for key, value in node.items() if value is None]
        return own + keys_without_value(list(node.values()))

    assert keys_without_value(DOCUMENT) == []
