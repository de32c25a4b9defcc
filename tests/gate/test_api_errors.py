"""Rules for many API routes that the matrix does not cover."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.cameras.temporary_camera import temporary_camera
from tests.gate.inprocess import InProcessClient
from tests.installation import Installation
from tests.people import Scenario, create_scenario


@pytest.fixture(scope="module")
def scenario(installation: Installation) -> Scenario:
    return create_scenario(installation, "api-errors")


@pytest.fixture(scope="module")
def local_scenario(in_process: InProcessClient) -> Scenario:
    """The rows in this process."""
    return create_scenario(in_process, "api-errors")  # type: ignore[arg-type]


def test_outsider_sees_no_foreign_row_in_any_list(
    installation: Installation, scenario: Scenario
) -> None:
    for path in ("cameras", "organizations", "stream-keys", "share-links", "tokens"):
        url = f"{installation.url}/api/v1/{path}"
        results = httpx.get(url, headers=scenario["outsider"].bearer).json()["results"]
        assert scenario.plaza not in str(results)
        assert scenario.ours not in str(results)


def test_slashed_paths_are_served_not_redirected(
    installation: Installation, scenario: Scenario
) -> None:
    for path in ("cameras/", "organizations/", f"cameras/{scenario.plaza}/"):
        response = httpx.get(f"{installation.url}/api/v1/{path}", headers=scenario["viewer"].bearer)
        assert response.status_code == 200, path


def test_cookie_works_for_reading_and_needs_csrf_for_writing(
    installation: Installation, scenario: Scenario
) -> None:
    cookies = {"sideline_session": scenario["admin"].session}
    assert httpx.get(f"{installation.url}/api/v1/cameras", cookies=cookies).status_code == 200
    url = f"{installation.url}/api/v1/cameras/{scenario.push}"
    forged = httpx.patch(url, json={"fps": 5}, cookies=cookies)
    assert forged.status_code == 403
    token = "a" * 32
    valid = httpx.patch(
        url,
        json={"fps": 5},
        cookies=cookies | {"sideline_csrf": token},
        headers={"X-CSRFToken": token},
    )
    assert valid.status_code == 200, valid.text


def test_unknown_api_path_is_a_problem(installation: Installation) -> None:
    response = httpx.get(f"{installation.url}/api/v1/nothing/here")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    wrong_host = httpx.get(f"{installation.url}/api/v1/cameras", headers={"Host": "evil.example"})
    assert wrong_host.status_code == 400
    assert wrong_host.headers["content-type"] == "application/problem+json"


@pytest.mark.postgres
def test_forged_cursors_and_nested_bodies_are_problems(
    installation: Installation, scenario: Scenario
) -> None:
    viewer = scenario["viewer"].bearer
    for path in ("cameras", "organizations", "stream-keys"):
        url = f"{installation.url}/api/v1/{path}?cursor=cD1hYmM%3D"
        assert httpx.get(url, headers=scenario["admin"].bearer).status_code == 400, path
    nested = "[" * 100_000
    headers = {"Content-Type": "application/json"}
    for path in ("auth/login", "cameras"):
        url = f"{installation.url}/api/v1/{path}"
        response = httpx.post(url, content=nested, headers=headers | viewer)
        assert response.status_code == 400, path


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/v1/cameras?limit=abc", "limit"),
        ("/api/v1/cameras?limit=", "limit"),
        ("/api/v1/cameras?limit=0", "limit"),
        ("/api/v1/tokens?limit=201", "limit"),
        ("/api/v1/cameras?cursor=%00", "cursor"),
        ("/api/v1/cameras?cursor=", "cursor"),
        ("/api/v1/cameras?limit=0000001999", "limit"),
        ("/api/v1/tokens?cursor=cD1hYmM%3D", "cursor"),
        ("/api/v1/actions/chats?archived=maybe", "archived"),
        ("/api/v1/actions/chats?pinned=", "pinned"),
        ("/api/v1/actions/chats/{read_chat}/export?as=pdf", "as"),
        ("/api/v1/actions/chats/{read_chat}/messages?limit=1e3", "limit"),
        ("/api/v1/actions/chats/{read_chat}/messages/{read_answer}/events?after=abc", "after"),
        ("/api/v1/actions/chats/{read_chat}/messages/{read_answer}/events?after=", "after"),
        ("/api/schema/?format=xml", "format"),
    ],
)
def test_unknown_value_of_a_parameter_is_refused_by_its_name(
    in_process: InProcessClient, local_scenario: Scenario, path: str, field: str
) -> None:
    chat, _, answer = local_scenario.chats["read"]
    url = path.format(read_chat=chat, read_answer=answer)
    response = in_process.request("GET", url, local_scenario["viewer"].bearer)
    assert response.status_code == 400, response.content
    problem = json.loads(response.content)
    assert problem["errors"] == {field: [problem["detail"]]}


def test_allowed_values_and_unknown_names_pass(
    in_process: InProcessClient, local_scenario: Scenario
) -> None:
    for path in (
        "cameras?limit=200&nocache=1",
        "actions/chats?archived=True&pinned=0",
        "actions/chats?archived=false",
    ):
        headers = local_scenario["viewer"].bearer
        response = in_process.request("GET", f"/api/v1/{path}", headers)
        assert response.status_code == 200, path


def test_only_administrators_see_camera_sources(
    installation: Installation, scenario: Scenario
) -> None:
    source = "rtsp://u:hunter2@127.0.0.1:9/admin/secret-in-path"
    with temporary_camera(installation, name="Addressed", kind="rtsp", source=source) as camera:
        url = f"{installation.url}/api/v1/cameras/{camera}"
        assert httpx.get(url, headers=scenario["viewer"].bearer).json()["source"] == ""
        assert "secret-in-path" in httpx.get(url, headers=scenario["admin"].bearer).json()["source"]
