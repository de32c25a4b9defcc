"""Share links on a running server: concurrent openings, and what guests' sockets receive."""

from __future__ import annotations

import contextlib
import hashlib
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

    @property
    def socket(self) -> str:
        """The name of its sockets in the place of a camera id."""
        return f"shared-{self.id.replace('-', '')}"

    def visit(self) -> Visit:
        """Open the link in a new browser."""
        return Visit(self, httpx.post(self.url).cookies["sideline_visit"])


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser that has opened a link: the value of its cookie."""

    link: Link
    cookie: str

    def request_ticket(self) -> httpx.Response:
        cookies = {"sideline_visit": self.cookie}
        return httpx.post(f"{self.link.url}/ticket", cookies=cookies, timeout=60)

    def handshake(self, cookie: str = "", origin: str = "") -> dict[str, Any]:
        """Return options for `watching` and `refusal`: a new ticket, the cookie and the Origin."""
        return {
            "query": f"?ticket={self.request_ticket().json()['ticket']}",
            "headers": {"Cookie": f"sideline_visit={cookie or self.cookie}"},
            "origin": origin or self.link.installation.url,
        }


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
    visit, second = link.visit(), other.visit()
    with (
        watching(installation, link.socket, **visit.handshake()) as guest,
        watching(installation, other.socket, **second.handshake()) as stays,
    ):
        assert next_frame(guest, 60)["camera_id"] == link.socket
        link.revoke()
        assert close_code(guest, 60) == 4401
        closed = time.time() * 1000
        until(lambda: next_frame(stays, 60)["timestamp"] > closed, 60, "a later picture")
    assert visit.request_ticket().status_code == 410
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
            watching(installation, link.socket, v1=True, **link.visit().handshake()) as guest,
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
    link = Link.make(installation, scenario)
    visit = link.visit().cookie
    for path in ("cameras", f"cameras/{scenario.plaza}", f"cameras/{scenario.plaza}/snapshot.jpg"):
        url = f"{installation.url}/api/v1/{path}"
        assert httpx.get(url, cookies={"sideline_visit": visit}).status_code == 401
        assert httpx.get(url, headers={"Authorization": f"Bearer {visit}"}).status_code == 401
    cookie = {"Cookie": f"sideline_visit={visit}"}
    assert refusal(installation, scenario.plaza, headers=cookie, origin=installation.url) == 403
    for name in (visit, visit.replace("sv_", "sk_"), link.socket):
        assert refusal(installation, name, headers=cookie) == 403
        assert refusal(installation, name, headers=cookie, origin=installation.url) == 403


@pytest.mark.postgres
def test_visit_opens_few_sockets_and_none_elsewhere(
    installation: Installation, scenario: Scenario
) -> None:
    link = Link.make(installation, scenario)
    visit, other = link.visit(), link.visit()
    for handshake in (
        visit.handshake(cookie=other.cookie),
        visit.handshake(origin="https://evil.example"),
        visit.handshake() | {"headers": {}},
    ):
        assert refusal(installation, link.socket, **handshake) == 403, "in another browser"
    used = visit.handshake()
    assert refusal(installation, link.socket, **used) == 200
    assert refusal(installation, link.socket, **used) == 403, "each socket needs a new ticket"

    visit = link.visit()
    with contextlib.ExitStack() as stack:
        guests = [
            stack.enter_context(watching(installation, link.socket, **visit.handshake()))
            for _ in range(4)
        ]
        assert all(next_frame(guest, 60) for guest in guests)
        assert {visit.request_ticket().status_code for _ in range(96)} == {429}
        guests[0].close()
        until(lambda: visit.request_ticket().status_code == 200, 60, "the place that became free")
    assert link.uses() == 3


_EXPIRES = """
from cameras.models import *
print("AT", *Ticket.objects.filter(digest="{}").values_list("expires_at", flat=True))
"""


@pytest.mark.extended
def test_socket_keeps_its_place_as_long_as_it_is_open(
    installation: Installation, scenario: Scenario
) -> None:
    """Its ticket is renewed; else the place would be free after 30 s."""
    link = Link.make(installation, scenario)
    handshake = link.visit().handshake()
    ticket = hashlib.sha256(handshake["query"].removeprefix("?ticket=").encode()).hexdigest()

    def expires() -> str:
        printed = installation.manage("shell", "-v0", "-c", _EXPIRES.format(ticket))
        return printed.partition("AT")[2].strip()

    with watching(installation, link.socket, **handshake) as guest:
        assert next_frame(guest, 60)
        at_first = expires()
        until(lambda: next_frame(guest, 60) and expires() > at_first, 60, "its renewal")
    until(lambda: expires() == "", 60, "the place to be given back")


def test_neither_address_nor_visit_is_logged(
    installation: Installation, scenario: Scenario
) -> None:
    link = Link.make(installation, scenario)
    visit = link.visit().cookie
    link.revoke()
    text = link.url.rpartition("/")[2]
    assert httpx.get(link.url).status_code == 410
    assert httpx.post(f"{link.url}/ticket").status_code == 410
    assert refusal(installation, visit) == 403
    until(lambda: "/shared/•••" in installation.logged(), 60, "the answer 410 in the log")
    for secret in (text, text.partition(":")[2], visit):
        assert secret not in installation.logged()
