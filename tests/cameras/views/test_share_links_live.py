"""Share links on a real server: many who open at once, and what strangers' sockets are told."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.cameras.added import added
from tests.installation import Installation
from tests.people import Cast, assemble
from tests.sockets import acknowledged, ended, frame, refusal, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def cast(installation: Installation) -> Cast:
    return assemble(installation, "sharing")


@dataclass(frozen=True, slots=True)
class Link:
    installation: Installation
    cast: Cast
    id: str
    url: str

    @classmethod
    def make(cls, installation: Installation, cast: Cast, camera: str = "", **facts: Any) -> Link:
        soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        body = {"camera": camera or cast.plaza, "name": "Guests", "expires_at": soon} | facts
        answer = httpx.post(
            f"{installation.url}/api/v1/share-links", json=body, headers=cast["operator"].bearer
        )
        assert answer.status_code == 201, answer.text
        return cls(installation, cast, answer.json()["id"], answer.json()["url"])

    @property
    def _api(self) -> str:
        return f"{self.installation.url}/api/v1/share-links/{self.id}"

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


@pytest.mark.postgres
def test_uses_are_counted_once_each_when_many_open_at_once(
    installation: Installation, cast: Cast
) -> None:
    link = Link.make(installation, cast, uses_most=5)

    def open_it(_: int) -> int:
        return httpx.post(link.url, timeout=60).status_code

    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(open_it, range(20)))
    assert sorted(answers) == [302] * 5 + [410] * 15
    assert link.uses() == 5


def test_revoked_link_closes_who_watches_by_it_and_nobody_else(
    installation: Installation, cast: Cast
) -> None:
    """How soon: `tests/gate/test_withdrawal.py`."""
    link, other = Link.make(installation, cast), Link.make(installation, cast)
    visit = link.visit()
    with watching(installation, visit) as guest, watching(installation, other.visit()) as stays:
        assert frame(guest, 60)["camera_id"] == visit
        link.revoke()
        assert ended(guest, 60) == 4401
        closed = time.time() * 1000
        until(lambda: frame(stays, 60)["timestamp"] > closed, 60, "a picture of after that")
    assert refusal(installation, visit) == 403
    assert httpx.get(link.url).status_code == 410


def test_guest_and_key_holder_are_not_told_why_a_camera_fails_nor_who_else_watches(
    installation: Installation, cast: Cast
) -> None:
    wall = {"name": "Sharing wall", "kind": "rtsp", "source": "rtsp://127.0.0.1:9/a"}
    with added(installation, **wall) as camera, installation.api() as api:

        def reason() -> str:
            return str(api.get(f"/cameras/{camera}").json()["state"]["reason"])

        until(lambda: "127.0.0.1" in reason(), 60, "a reason")
        link = Link.make(installation, cast, camera)
        with httpx.Client(follow_redirects=True, timeout=30) as browser:
            assert "127.0.0.1:9" not in browser.post(link.url).text
        key = api.post("/stream-keys", json={"camera": camera, "name": "Wall"}).json()["key"]
        with (
            watching(installation, link.visit(), v1=True) as guest,
            watching(installation, key, v1=True) as holder,
            watching(installation, camera, v1=True, headers=cast["viewer"].bearer) as member,
        ):
            known: list[dict[str, Any]] = []
            until(lambda: known.append(acknowledged(member, 60)) or knows(known), 60, "all of it")
            assert api.patch(f"/cameras/{camera}", json={"enabled": False}).status_code == 200
            for stranger in (guest, holder):
                told: list[dict[str, Any]] = []
                until(lambda t=told, s=stranger: t.append(acknowledged(s, 60)) or is_off(t[-1]), 60)  # type: ignore[misc]
                assert {one["state"] for one in told[:-1]} == {"offline"}
                assert {one["reason"] for one in told[:-1]} <= {"", "Connecting."}
                assert all("viewers" not in one for one in told)


def knows(told: list[dict[str, Any]]) -> bool:
    """That three watch, and why there is no picture."""
    viewers = any(one.get("viewers") == 3 for one in told)
    return viewers and any("127.0.0.1" in one.get("reason", "") for one in told)


def is_off(told: dict[str, Any]) -> bool:
    return told.get("state") == "ended"


def test_visit_is_good_for_watching_its_camera_and_nothing_else(
    installation: Installation, cast: Cast
) -> None:
    visit = Link.make(installation, cast).visit()
    for path in ("cameras", f"cameras/{cast.plaza}", f"cameras/{cast.plaza}/snapshot.jpg"):
        url = f"{installation.url}/api/v1/{path}"
        assert httpx.get(url, cookies={"sideline_visit": visit}).status_code == 401
        assert httpx.get(url, headers={"Authorization": f"Bearer {visit}"}).status_code == 401
    cookie = {"Cookie": f"sideline_visit={visit}"}
    assert refusal(installation, cast.plaza, headers=cookie, origin=installation.url) == 403
    assert refusal(installation, visit.replace("sv_", "sk_")) == 403


def test_neither_address_nor_visit_is_logged(installation: Installation, cast: Cast) -> None:
    link = Link.make(installation, cast)
    visit = link.visit()
    link.revoke()
    text = link.url.rpartition("/")[2]
    assert httpx.get(link.url).status_code == 410
    assert refusal(installation, visit) == 403
    until(lambda: "/shared/•••" in installation.logged(), 60, "the answer 410 in the log")
    for secret in (text, text.partition(":")[2], visit):
        assert secret not in installation.logged()
