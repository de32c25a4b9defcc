"""The access matrix: every door of the API and every socket, every kind of asker.

A door without a row fails.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from django.urls import get_resolver

from cameras.live import routing
from tests.chats.doors import CHAT_DOORS
from tests.installation import Installation
from tests.parcels import parcel
from tests.people import Cast, assemble
from tests.publishers import outcome
from tests.sockets import refusal

ASKERS = ("nobody", "outsider", "chatter", "reader", "viewer", "operator", "admin")

# door: (method, path, JSON body, expected status per asker in the order of ASKERS)
# `chatter` and `reader` are administrators whose token holds the one scope.
MATRIX: dict[str, list[tuple[str, str, Any, tuple[int, ...]]]] = {
    "api-login": [("POST", "auth/login", {}, (400,) * 7)],
    "api-logout": [("POST", "auth/logout", None, (401, 204, 204, 204, 204, 204, 204))],
    "api-organizations": [("GET", "organizations", None, (401, 200, 403, 200, 200, 200, 200))],
    "api-organization": [
        ("GET", "organizations/{ours}", None, (401, 404, 403, 200, 200, 200, 200))
    ],
    "api-cameras": [
        ("GET", "cameras", None, (401, 200, 403, 200, 200, 200, 200)),
        (
            "POST",
            "cameras",
            {"organization": "{ours}", "name": "Same name", "kind": "push"},
            (401, 404, 403, 403, 403, 403, 201),
        ),
    ],
    "api-camera-detail": [
        ("GET", "cameras/{push}", None, (401, 404, 403, 200, 200, 200, 200)),
        ("PATCH", "cameras/{push}", {"fps": 9}, (401, 404, 403, 403, 403, 403, 200)),
        ("PUT", "cameras/{push}", {}, (401, 404, 403, 403, 403, 403, 400)),
        ("DELETE", "cameras/{doomed}", None, (401, 404, 403, 403, 403, 403, 204)),
    ],
    "api-camera-snapshot": [
        ("GET", "cameras/{plaza}/snapshot.jpg", None, (401, 404, 403, 200, 200, 200, 200)),
        ("HEAD", "cameras/{plaza}/snapshot.jpg", None, (401, 404, 403, 200, 200, 200, 200)),
    ],
    "api-camera-mjpeg": [
        ("GET", "cameras/{plaza}/stream.mjpeg", None, (401, 404, 403, 200, 200, 200, 200))
    ],
    "api-stream-keys": [
        ("GET", "stream-keys", None, (401, 200, 403, 403, 403, 200, 200)),
        (
            "POST",
            "stream-keys",
            {"camera": "{plaza}", "name": "k"},
            (401, 404, 403, 403, 403, 201, 201),
        ),
    ],
    "api-stream-key": [
        ("GET", "stream-keys/{key_id}", None, (401, 404, 403, 403, 403, 200, 200)),
        ("DELETE", "stream-keys/{key_id}", None, (401, 404, 403, 403, 403, 204, 204)),
    ],
    "api-send": [("POST", "actions/actions/send", "frame", (401, 404, 403, 202, 202, 202, 202))],
    **CHAT_DOORS,
}

# socket: (camera, HTTP status of a refused handshake, close code, or 200, per asker as above)
SOCKETS: dict[str, tuple[str, tuple[int, ...]]] = {
    "stream": ("plaza", (403, 4404, 4403, 200, 200, 200, 200)),
    "publish": ("push", (403, 4404, 4403, 4403, 4403, 200, 200)),
}
TRY_SOCKET = {"stream": refusal, "publish": outcome}


@pytest.fixture(scope="module")
def cast(house: Installation) -> Cast:
    return assemble(house, "matrix")


def test_every_door_of_the_api_has_a_row() -> None:
    names = {name for name in get_resolver().reverse_dict if isinstance(name, str)}
    doors = {name for name in names if name.startswith("api-")}
    assert doors - {"api-schema", "api-docs"} == set(MATRIX)
    assert set(routing.doors) == set(SOCKETS)


ROWS = [
    (door, *row[:3], asker, row[3][place])
    for door, rows in MATRIX.items()
    for row in rows
    for place, asker in enumerate(ASKERS)
]


@pytest.mark.parametrize(("door", "method", "path", "body", "asker", "expected"), ROWS)
def test_matrix(
    house: Installation,
    cast: Cast,
    door: str,
    method: str,
    path: str,
    body: Any,
    asker: str,
    expected: int,
) -> None:
    headers = {} if asker == "nobody" else cast[asker].bearer
    if door == "api-logout" and asker != "nobody":
        headers = assemble(house, f"logout-{asker}")[asker].bearer
    facts = {"ours": cast.ours, "plaza": cast.plaza, "push": cast.push, "key_id": cast.key_id}
    for doing, (chat, prompt, answer) in cast.chats.items():
        facts |= {f"{doing}_chat": chat, f"{doing}_prompt": prompt, f"{doing}_answer": answer}
    if "{doomed}" in path:
        facts["doomed"] = house.add_camera(name=f"Doomed by {asker}", kind="push")
    status, problem = _ask(house, method, path.format(**facts), _filled(body, facts), headers)
    assert status == expected, problem
    if status >= 400 and method != "HEAD":
        assert problem["status"] == status


@pytest.mark.parametrize(
    ("door", "asker", "expected"),
    [
        (door, asker, expected)
        for door, (_, row) in SOCKETS.items()
        for asker, expected in zip(ASKERS, row, strict=True)
    ],
)
def test_matrix_of_sockets(
    house: Installation, cast: Cast, door: str, asker: str, expected: int
) -> None:
    headers = {} if asker == "nobody" else cast[asker].bearer
    camera = {"plaza": cast.plaza, "push": cast.push}[SOCKETS[door][0]]
    assert TRY_SOCKET[door](house, camera, headers=headers) == expected


def _filled(body: Any, facts: dict[str, str]) -> Any:
    if body == "frame":
        return parcel(facts["plaza"])
    if isinstance(body, dict):
        return {k: v.format(**facts) if isinstance(v, str) else v for k, v in body.items()}
    return body


def _ask(
    house: Installation, method: str, path: str, body: Any, headers: dict[str, str]
) -> tuple[int, Any]:
    url = f"{house.url}{path}" if path.startswith("/") else f"{house.url}/api/v1/{path}"
    with httpx.stream(method, url, json=body, headers=headers, timeout=20) as answer:
        if answer.status_code < 400 or method == "HEAD":
            return answer.status_code, None
        answer.read()
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code, answer.json()


def test_outsider_sees_no_foreign_row_in_any_list(house: Installation, cast: Cast) -> None:
    for path in ("cameras", "organizations", "stream-keys"):
        url = f"{house.url}/api/v1/{path}"
        found = httpx.get(url, headers=cast["outsider"].bearer).json()["results"]
        assert cast.plaza not in str(found)
        assert cast.ours not in str(found)


def test_slashed_paths_are_served_not_redirected(house: Installation, cast: Cast) -> None:
    for path in ("cameras/", "organizations/", f"cameras/{cast.plaza}/"):
        answer = httpx.get(f"{house.url}/api/v1/{path}", headers=cast["viewer"].bearer)
        assert answer.status_code == 200, path


def test_cookie_works_for_reading_and_needs_csrf_for_writing(
    house: Installation, cast: Cast
) -> None:
    cookies = {"sideline_session": cast["admin"].session}
    assert httpx.get(f"{house.url}/api/v1/cameras", cookies=cookies).status_code == 200
    url = f"{house.url}/api/v1/cameras/{cast.push}"
    forged = httpx.patch(url, json={"fps": 5}, cookies=cookies)
    assert forged.status_code == 403
    token = "a" * 32
    honest = httpx.patch(
        url,
        json={"fps": 5},
        cookies=cookies | {"sideline_csrf": token},
        headers={"X-CSRFToken": token},
    )
    assert honest.status_code == 200, honest.text


def test_unknown_api_path_is_a_problem(house: Installation) -> None:
    answer = httpx.get(f"{house.url}/api/v1/nothing/here")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    wrong_host = httpx.get(f"{house.url}/api/v1/cameras", headers={"Host": "evil.example"})
    assert wrong_host.status_code == 400
    assert wrong_host.headers["content-type"] == "application/problem+json"


def test_forged_cursors_and_nested_bodies_are_problems(house: Installation, cast: Cast) -> None:
    viewer = cast["viewer"].bearer
    for path in ("cameras", "organizations", "stream-keys"):
        url = f"{house.url}/api/v1/{path}?cursor=cD1hYmM%3D"
        assert httpx.get(url, headers=cast["admin"].bearer).status_code == 404, path
    nested = "[" * 100_000
    headers = {"Content-Type": "application/json"}
    for path in ("auth/login", "cameras"):
        url = f"{house.url}/api/v1/{path}"
        answer = httpx.post(url, content=nested, headers=headers | viewer)
        assert answer.status_code == 400, path


def test_address_of_a_camera_is_for_administrators(house: Installation, cast: Cast) -> None:
    source = "rtsp://u:hunter2@127.0.0.1:9/admin/secret-in-path"
    camera = house.add_camera(name="Addressed", kind="rtsp", source=source)
    url = f"{house.url}/api/v1/cameras/{camera}"
    assert httpx.get(url, headers=cast["viewer"].bearer).json()["source"] == ""
    assert "secret-in-path" in httpx.get(url, headers=cast["admin"].bearer).json()["source"]
    httpx.delete(url, headers=cast["admin"].bearer)
