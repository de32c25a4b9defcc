"""Share links on a running server: concurrent openings, and what guests' sockets receive."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.cameras.temporary_camera import temporary_camera
from tests.installation import Installation
from tests.people import Scenario, create_scenario
from tests.sockets import close_code, next_frame, receive_and_acknowledge, refusal, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def scenario(installation: Installation) -> Scenario:
    return create_scenario(installation, "sharing")


@dataclass(frozen=True, slots=True)
class Link:
    installation: Installation
    scenario: Scenario
    id: str
    url: str

    @classmethod
    def make(
        cls, installation: Installation, scenario: Scenario, camera: str = "", **fields: Any
    ) -> Link:
        soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        body = {"camera": camera or scenario.plaza, "name": "Guests", "expires_at": soon} | fields
        answer = httpx.post(
            f"{installation.url}/api/v1/share-links", json=body, headers=scenario["operator"].bearer
        )
        assert answer.status_code == 201, answer.text
        return cls(installation, scenario, answer.json()["id"], answer.json()["url"])

    @property
    def _api(self) -> str:
        return f"{self.installation.url}/api/v1/share-links/{self.id}"

    def uses(self) -> int:
        return int(httpx.get(self._api, headers=self.scenario["operator"].bearer).json()["uses"])

    def revoke(self) -> None:
        answer = httpx.delete(self._api, headers=self.scenario["operator"].bearer)
        assert answer.status_code == 204

    def visit(self) -> str:
        """Open the link. Returns the visit credential of the guest."""
        with httpx.Client(follow_redirects=True) as guest:
            page = guest.post(self.url)
            return re.findall(r'data-stream="/ws/stream/(sv_[\w-]+)"', page.text)[0]


@pytest.mark.postgres
def test_concurrent_openings_are_counted_exactly(
    installation: Installation, scenario: Scenario
) -> None:
    link = Link.make(installation, scenario, uses_most=5)

    def open_it(_: int) -> int:
        return httpx.post(link.url, timeout=60).status_code

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(open_it, range(20)))
    assert sorted(answers) == [302] * 5 + [410] * 15
    assert link.uses() == 5


def test_revoked_link_disconnects_only_its_own_guests(
    installation: Installation, scenario: Scenario
) -> None:
    """The delay is tested in `tests/gate/test_withdrawal.py`."""
    link, other = Link.make(installation, scenario), Link.make(installation, scenario)
    visit = link.visit()
    with watching(installation, visit) as guest, watching(installation, other.visit()) as stays:
        assert next_frame(guest, 60)["camera_id"] == visit
        link.revoke()
        assert close_code(guest, 60) == 4401
        closed = time.time() * 1000
        until(lambda: next_frame(stays, 60)["timestamp"] > closed, 60, "a later picture")
    assert refusal(installation, visit) == 403
    assert httpx.get(link.url).status_code == 410


def test_guest_and_key_holder_receive_neither_reason_nor_viewer_count(
    installation: Installation, scenario: Scenario
) -> None:
    wall = {"name": "Sharing wall", "kind": "rtsp", "source": "rtsp://127.0.0.1:9/a"}
    with temporary_camera(installation, **wall) as camera, installation.api() as api:

        def reason() -> str:
            return str(api.get(f"/cameras/{camera}").json()["state"]["reason"])

        until(lambda: "127.0.0.1" in reason(), 60, "a reason")
        link = Link.make(installation, scenario, camera)
        with httpx.Client(follow_redirects=True, timeout=30) as browser:
            assert "127.0.0.1:9" not in browser.post(link.url).text
        key = api.post("/stream-keys", json={"camera": camera, "name": "Wall"}).json()["key"]
        with (
            watching(installation, link.visit(), v1=True) as guest,
            watching(installation, key, v1=True) as holder,
            watching(installation, camera, v1=True, headers=scenario["viewer"].bearer) as member,
        ):
            seen_by_member: list[dict[str, Any]] = []
            until(
                lambda: (
                    seen_by_member.append(receive_and_acknowledge(member, 60))
                    or has_viewers_and_reason(seen_by_member)
                ),
                60,
                "viewers and reason",
            )
            assert api.patch(f"/cameras/{camera}", json={"enabled": False}).status_code == 200
            for viewer in (guest, holder):
                messages: list[dict[str, Any]] = []
                until(
                    lambda t=messages, s=viewer: (
                        t.append(receive_and_acknowledge(s, 60)) or is_off(t[-1])
                    ),
                    60,
                )  # type: ignore[misc]
                assert {one["state"] for one in messages[:-1]} == {"offline"}
                assert {one["reason"] for one in messages[:-1]} <= {"", "Connecting."}
                assert all("viewers" not in one for one in messages)


def has_viewers_and_reason(messages: list[dict[str, Any]]) -> bool:
    """Return whether a message counts three viewers and one has the reason of the failure."""
    viewers = any(one.get("viewers") == 3 for one in messages)
    return viewers and any("127.0.0.1" in one.get("reason", "") for one in messages)


def is_off(messages: dict[str, Any]) -> bool:
    return messages.get("state") == "ended"


def test_visit_only_allows_watching_its_camera(
    installation: Installation, scenario: Scenario
) -> None:
    visit = Link.make(installation, scenario).visit()
    for path in ("cameras", f"cameras/{scenario.plaza}", f"cameras/{scenario.plaza}/snapshot.jpg"):
        url = f"{installation.url}/api/v1/{path}"
        assert httpx.get(url, cookies={"sideline_visit": visit}).status_code == 401
        assert httpx.get(url, headers={"Authorization": f"Bearer {visit}"}).status_code == 401
    cookie = {"Cookie": f"sideline_visit={visit}"}
    assert refusal(installation, scenario.plaza, headers=cookie, origin=installation.url) == 403
    assert refusal(installation, visit.replace("sv_", "sk_")) == 403


def test_neither_address_nor_visit_is_logged(
    installation: Installation, scenario: Scenario
) -> None:
    link = Link.make(installation, scenario)
    visit = link.visit()
    link.revoke()
    text = link.url.rpartition("/")[2]
    assert httpx.get(link.url).status_code == 410
    assert refusal(installation, visit) == 403
    until(lambda: "/shared/•••" in installation.logged(), 60, "the answer 410 in the log")
    for secret in (text, text.partition(":")[2], visit):
        assert secret not in installation.logged()
