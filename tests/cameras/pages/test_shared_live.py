"""Share links on a real server: many who open at once, and what a guest's socket is told."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.installation import Installation
from tests.people import Cast, assemble
from tests.sockets import acknowledged, ended, refusal, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def cast(house: Installation) -> Cast:
    return assemble(house, "sharing")


@dataclass(frozen=True, slots=True)
class Link:
    house: Installation
    cast: Cast
    id: str
    url: str

    @classmethod
    def make(cls, house: Installation, cast: Cast, camera: str = "", **facts: Any) -> Link:
        soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        body = {"camera": camera or cast.plaza, "name": "Guests", "expires_at": soon} | facts
        answer = httpx.post(
            f"{house.url}/api/v1/share-links", json=body, headers=cast["operator"].bearer
        )
        assert answer.status_code == 201, answer.text
        return cls(house, cast, answer.json()["id"], answer.json()["url"])

    @property
    def _api(self) -> str:
        return f"{self.house.url}/api/v1/share-links/{self.id}"

    def uses(self) -> int:
        return int(httpx.get(self._api, headers=self.cast["operator"].bearer).json()["uses"])

    def revoke(self) -> None:
        answer = httpx.delete(self._api, headers=self.cast["operator"].bearer)
        assert answer.status_code == 204

    def visit(self) -> str:
        """What a stranger watches by who has opened it."""
        with httpx.Client(follow_redirects=True) as guest:
            page = guest.post(self.url)
            return re.findall(r'data-stream="/ws/stream/(sv_[\w-]+)"', page.text)[0]


def test_uses_are_counted_once_each_when_many_open_at_once(house: Installation, cast: Cast) -> None:
    link = Link.make(house, cast, uses_most=5)

    def open_it(_: int) -> int:
        return httpx.post(link.url, timeout=30).status_code

    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(open_it, range(20)))
    assert sorted(answers) == [302] * 5 + [410] * 15
    assert link.uses() == 5


def test_revoked_link_closes_who_watches_by_it_within_two_seconds(
    house: Installation, cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    link, other = Link.make(house, cast), Link.make(house, cast)
    visit = link.visit()
    with watching(house, visit) as guest, watching(house, other.visit()) as stays:
        assert json.loads(guest.recv(timeout=10))["camera_id"] == visit
        link.revoke()
        began = time.monotonic()
        assert ended(guest, 2) == 4401
        took = time.monotonic() - began
        with pytest.raises(AssertionError, match="still open"):
            ended(stays, 1)
    assert refusal(house, visit) == 403
    assert httpx.get(link.url).status_code == 410
    with capsys.disabled():
        print(f"\n[revoked link closed its guest after {took:.2f} s]")


def test_guest_is_not_told_why_a_camera_fails_nor_who_else_watches(
    house: Installation, cast: Cast
) -> None:
    camera = house.add_camera(name="Sharing wall", kind="rtsp", source="rtsp://127.0.0.1:9/a")
    try:
        until(lambda: _reason(house, camera), 30, "a reason")
        assert "127.0.0.1" in _reason(house, camera)
        link = Link.make(house, cast, camera)
        told = _statuses(house, link.visit())
        assert told
        assert {one["reason"] for one in told} <= {"", "Connecting."}
        assert all("viewers" not in one for one in told)
        with httpx.Client(follow_redirects=True) as guest:
            assert "127.0.0.1:9" not in guest.post(link.url).text
        member = _statuses(house, camera, headers=cast["viewer"].bearer)
        assert any("127.0.0.1" in one["reason"] for one in member)
    finally:
        httpx.delete(f"{house.url}/api/v1/cameras/{camera}", headers=cast["admin"].bearer)


def _reason(house: Installation, camera: str) -> str:
    with house.api() as api:
        return str(api.get(f"/cameras/{camera}").json()["state"]["reason"])


def _statuses(house: Installation, name: str, **how: Any) -> list[dict[str, Any]]:
    """What is told within two seconds."""
    found, deadline = [], time.monotonic() + 2
    with watching(house, name, v1=True, **how) as socket:
        while (left := deadline - time.monotonic()) > 0:
            try:
                message = acknowledged(socket, timeout=left)
            except TimeoutError:
                break
            if message.get("type") == "status":
                found.append(message)
    return found


def test_visit_is_good_for_watching_its_camera_and_nothing_else(
    house: Installation, cast: Cast
) -> None:
    visit = Link.make(house, cast).visit()
    for path in ("cameras", f"cameras/{cast.plaza}", f"cameras/{cast.plaza}/snapshot.jpg"):
        url = f"{house.url}/api/v1/{path}"
        assert httpx.get(url, cookies={"sideline_visit": visit}).status_code == 401
        assert httpx.get(url, headers={"Authorization": f"Bearer {visit}"}).status_code == 401
    cookie = {"Cookie": f"sideline_visit={visit}"}
    assert refusal(house, cast.plaza, headers=cookie, origin=house.url) == 403
    assert refusal(house, visit.replace("sv_", "sk_")) == 403


def test_neither_address_nor_visit_is_logged(house: Installation, cast: Cast) -> None:
    link = Link.make(house, cast)
    visit = link.visit()
    link.revoke()
    text = link.url.rpartition("/")[2]
    assert httpx.get(link.url).status_code == 410
    assert refusal(house, visit) == 403
    until(lambda: "/shared/•••" in house.logged(), 5, "the answer 410 in the log")
    for secret in (text, text.partition(":")[2], visit):
        assert secret not in house.logged()
