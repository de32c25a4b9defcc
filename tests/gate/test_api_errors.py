"""Rules for many API routes that the matrix does not cover."""

from __future__ import annotations

import httpx
import pytest

from tests.cameras.temporary_camera import temporary_camera
from tests.installation import Installation
from tests.people import Scenario, create_scenario


@pytest.fixture(scope="module")
def scenario(installation: Installation) -> Scenario:
    return create_scenario(installation, "api-errors")


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
        assert httpx.get(url, headers=scenario["admin"].bearer).status_code == 404, path
    nested = "[" * 100_000
    headers = {"Content-Type": "application/json"}
    for path in ("auth/login", "cameras"):
        url = f"{installation.url}/api/v1/{path}"
        response = httpx.post(url, content=nested, headers=headers | viewer)
        assert response.status_code == 400, path


def test_only_administrators_see_camera_sources(
    installation: Installation, scenario: Scenario
) -> None:
    source = "rtsp://u:hunter2@127.0.0.1:9/admin/secret-in-path"
    with temporary_camera(installation, name="Addressed", kind="rtsp", source=source) as camera:
        url = f"{installation.url}/api/v1/cameras/{camera}"
        assert httpx.get(url, headers=scenario["viewer"].bearer).json()["source"] == ""
        assert "secret-in-path" in httpx.get(url, headers=scenario["admin"].bearer).json()["source"]
