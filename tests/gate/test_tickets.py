"""Tickets: one camera, one use, half a minute, and never more than who asked."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.installation import Installation
from tests.people import Cast, Person, assemble
from tests.publishers import outcome
from tests.sockets import frame, refusal, watching


@pytest.fixture(scope="module")
def cast(installation: Installation) -> Cast:
    return assemble(installation, "tickets")


def asked(
    installation: Installation, who: Person, camera: str, purpose: str = "watch", **how: Any
) -> httpx.Response:
    return httpx.post(
        f"{installation.url}/api/v1/tickets",
        json={"camera": camera, "purpose": purpose},
        headers=who.bearer,
        **how,
    )


def ticket(installation: Installation, who: Person, camera: str, purpose: str = "watch") -> str:
    answer = asked(installation, who, camera, purpose)
    assert answer.status_code == 201, answer.text
    return f"?ticket={answer.json()['ticket']}"


def test_it_works(installation: Installation, cast: Cast) -> None:
    answer = asked(installation, cast["viewer"], cast.plaza)
    assert answer.status_code == 201
    assert set(answer.json()) == {"ticket", "expires_at"}
    assert answer.headers["cache-control"] == "no-store"
    with watching(installation, cast.plaza, query=f"?ticket={answer.json()['ticket']}") as socket:
        assert frame(socket)["camera_id"] == cast.plaza


@pytest.mark.postgres
def test_ticket_works_once(installation: Installation, cast: Cast) -> None:
    query = ticket(installation, cast["viewer"], cast.plaza)
    assert refusal(installation, cast.plaza, query=query) == 200
    assert refusal(installation, cast.plaza, query=query) == 403


@pytest.mark.postgres
def test_of_twenty_who_come_at_once_one_gets_in(installation: Installation, cast: Cast) -> None:
    query = ticket(installation, cast["viewer"], cast.plaza)
    found: list[int] = []
    start = threading.Barrier(20)

    def knock() -> None:
        start.wait()
        found.append(refusal(installation, cast.plaza, query=query))

    threads = [threading.Thread(target=knock) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [200] + [403] * 19


def test_ticket_ends_after_half_a_minute(installation: Installation, cast: Cast) -> None:
    before = datetime.now(UTC)
    answer = asked(installation, cast["viewer"], cast.plaza)
    ends = datetime.fromisoformat(answer.json()["expires_at"]) - timedelta(seconds=30)
    assert before - timedelta(seconds=1) <= ends <= datetime.now(UTC)
    query = f"?ticket={answer.json()['ticket']}"
    installation.manage(
        "shell", "-v0", "-c",
        "from cameras.models import Ticket; from django.utils import timezone\n"
        "Ticket.objects.filter(used_at=None).update(expires_at=timezone.now())",
    )  # fmt: skip
    assert refusal(installation, cast.plaza, query=query) == 403


def test_ticket_for_another_camera_shows_nothing(installation: Installation, cast: Cast) -> None:
    query = ticket(installation, cast["viewer"], cast.push)
    assert refusal(installation, cast.plaza, query=query) == 4404


def test_ticket_to_watch_does_not_publish_nor_the_other_way_round(
    installation: Installation, cast: Cast
) -> None:
    operator = cast["operator"]
    assert outcome(installation, cast.push, query=ticket(installation, operator, cast.push)) == 4403
    publish = ticket(installation, operator, cast.push, "publish")
    assert refusal(installation, cast.push, query=publish) == 4403
    assert (
        outcome(installation, cast.push, query=ticket(installation, operator, cast.push, "publish"))
        == 200
    )


def test_ticket_gives_no_more_than_who_asked_has(installation: Installation, cast: Cast) -> None:
    assert asked(installation, cast["viewer"], cast.push, "publish").status_code == 403
    assert asked(installation, cast["chatter"], cast.plaza).status_code == 403
    assert asked(installation, cast["outsider"], cast.plaza).status_code == 404
    assert asked(installation, cast["operator"], cast.plaza, "publish").status_code == 400


def test_ticket_opens_no_door_of_http(installation: Installation, cast: Cast) -> None:
    query = ticket(installation, cast["admin"], cast.plaza)
    for path in ("cameras", f"cameras/{cast.plaza}/snapshot.jpg"):
        assert httpx.get(f"{installation.url}/api/v1/{path}{query}").status_code == 401


def test_bad_ticket_ends_the_matter_even_with_a_good_cookie(
    installation: Installation, cast: Cast
) -> None:
    headers = {"Cookie": f"sideline_session={cast['viewer'].session}"}
    found = refusal(
        installation, cast.plaza, headers=headers, origin=installation.url, query="?ticket="
    )
    assert found == 403


@pytest.mark.postgres
def test_unused_tickets_are_bounded(installation: Installation, cast: Cast) -> None:
    assert asked(installation, cast["reader"], cast.plaza).status_code == 201
    installation.manage(
        "shell", "-v0", "-c",
        "from datetime import timedelta; from cameras.models import Ticket\n"
        "from project.accounts.models import Token\n"
        "from cameras.models.tickets import TICKETS_MOST\n"
        "token = Token.objects.filter(user__username='tickets-reader').get()\n"
        "one = Ticket.objects.filter(parent_proof=token.pk).get()\n"
        "for _ in range(TICKETS_MOST - 2):\n"
        "    Ticket.issue(one.camera, 'watch', (one.parent_kind, one.parent_proof))\n"
        "alive = Ticket.objects.filter(parent_proof=token.pk)\n"
        "alive.update(expires_at=one.expires_at + timedelta(hours=1))",
    )  # fmt: skip
    assert asked(installation, cast["reader"], cast.plaza).status_code == 201
    answer = asked(installation, cast["reader"], cast.plaza)
    assert answer.status_code == 429
    assert answer.json()["detail"]
    assert int(answer.headers["retry-after"]) <= 30


def test_tickets_are_kept_as_digests_and_stay_out_of_the_log(
    installation: Installation, cast: Cast
) -> None:
    query = ticket(installation, cast["viewer"], cast.plaza)
    text = query.partition("=")[2]
    refusal(installation, cast.plaza, query=query)
    found = installation.manage(
        "shell", "-v0", "-c",
        "from cameras.models import Ticket; print(list(Ticket.objects.values()))",
    )  # fmt: skip
    assert "digest" in found
    assert text not in found
    assert text not in installation.logged()
