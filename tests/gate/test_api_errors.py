"""What holds for many doors of the API at once, beside the matrix."""

from __future__ import annotations

import httpx
import pytest

from tests.cameras.added import added
from tests.installation import Installation
from tests.people import Cast, assemble


@pytest.fixture(scope="module")
def cast(installation: Installation) -> Cast:
    return assemble(installation, "doors")


def test_outsider_sees_no_foreign_row_in_any_list(installation: Installation, cast: Cast) -> None:
    for path in ("cameras", "organizations", "stream-keys", "share-links", "tokens"):
        url = f"{installation.url}/api/v1/{path}"
        found = httpx.get(url, headers=cast["outsider"].bearer).json()["results"]
        assert cast.plaza not in str(found)
        assert cast.ours not in str(found)


def test_slashed_paths_are_served_not_redirected(installation: Installation, cast: Cast) -> None:
    for path in ("cameras/", "organizations/", f"cameras/{cast.plaza}/"):
        answer = httpx.get(f"{installation.url}/api/v1/{path}", headers=cast["viewer"].bearer)
        assert answer.status_code == 200, path


def test_cookie_works_for_reading_and_needs_csrf_for_writing(
    installation: Installation, cast: Cast
) -> None:
    cookies = {"sideline_session": cast["admin"].session}
    assert httpx.get(f"{installation.url}/api/v1/cameras", cookies=cookies).status_code == 200
    url = f"{installation.url}/api/v1/cameras/{cast.push}"
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


def test_unknown_api_path_is_a_problem(installation: Installation) -> None:
    answer = httpx.get(f"{installation.url}/api/v1/nothing/here")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    wrong_host = httpx.get(f"{installation.url}/api/v1/cameras", headers={"Host": "evil.example"})
    assert wrong_host.status_code == 400
    assert wrong_host.headers["content-type"] == "application/problem+json"


@pytest.mark.postgres
def test_forged_cursors_and_nested_bodies_are_problems(
    installation: Installation, cast: Cast
) -> None:
    viewer = cast["viewer"].bearer
    for path in ("cameras", "organizations", "stream-keys"):
        url = f"{installation.url}/api/v1/{path}?cursor=cD1hYmM%3D"
        assert httpx.get(url, headers=cast["admin"].bearer).status_code == 404, path
    nested = "[" * 100_000
    headers = {"Content-Type": "application/json"}
    for path in ("auth/login", "cameras"):
        url = f"{installation.url}/api/v1/{path}"
        answer = httpx.post(url, content=nested, headers=headers | viewer)
        assert answer.status_code == 400, path


def test_address_of_a_camera_is_for_administrators(installation: Installation, cast: Cast) -> None:
    source = "rtsp://u:hunter2@127.0.0.1:9/admin/secret-in-path"
    with added(installation, name="Addressed", kind="rtsp", source=source) as camera:
        url = f"{installation.url}/api/v1/cameras/{camera}"
        assert httpx.get(url, headers=cast["viewer"].bearer).json()["source"] == ""
        assert "secret-in-path" in httpx.get(url, headers=cast["admin"].bearer).json()["source"]
