"""Tickets: one camera, one use, 30 seconds, and no more rights than their requester has."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.installation import Installation
from tests.people import Person, Scenario, create_scenario
from tests.publishers import outcome
from tests.sockets import next_frame, refusal, watching


@pytest.fixture(scope="module")
def scenario(installation: Installation) -> Scenario:
    return create_scenario(installation, "tickets")


def request_ticket(
    installation: Installation, person: Person, camera: str, purpose: str = "watch", **options: Any
) -> httpx.Response:
    return httpx.post(
        f"{installation.url}/api/v1/tickets",
        json={"camera": camera, "purpose": purpose},
        headers=person.bearer,
        **options,
    )


def ticket_query(
    installation: Installation, person: Person, camera: str, purpose: str = "watch"
) -> str:
    response = request_ticket(installation, person, camera, purpose)
    assert response.status_code == 201, response.text
    return f"?ticket={response.json()['ticket']}"


def test_it_works(installation: Installation, scenario: Scenario) -> None:
    response = request_ticket(installation, scenario["viewer"], scenario.plaza)
    assert response.status_code == 201
    assert set(response.json()) == {"ticket", "expires_at"}
    assert response.headers["cache-control"] == "no-store"
    with watching(
        installation, scenario.plaza, query=f"?ticket={response.json()['ticket']}"
    ) as socket:
        assert next_frame(socket)["camera_id"] == scenario.plaza


@pytest.mark.postgres
def test_ticket_works_once(installation: Installation, scenario: Scenario) -> None:
    query = ticket_query(installation, scenario["viewer"], scenario.plaza)
    assert refusal(installation, scenario.plaza, query=query) == 200
    assert refusal(installation, scenario.plaza, query=query) == 403


@pytest.mark.postgres
def test_one_of_twenty_concurrent_uses_succeeds(
    installation: Installation, scenario: Scenario
) -> None:
    query = ticket_query(installation, scenario["viewer"], scenario.plaza)
    results: list[int] = []
    start = threading.Barrier(20)

    def connect() -> None:
        start.wait()
        results.append(refusal(installation, scenario.plaza, query=query))

    threads = [threading.Thread(target=connect) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [200] + [403] * 19


def test_ticket_expires_after_thirty_seconds(
    installation: Installation, scenario: Scenario
) -> None:
    before = datetime.now(UTC)
    response = request_ticket(installation, scenario["viewer"], scenario.plaza)
    ends = datetime.fromisoformat(response.json()["expires_at"]) - timedelta(seconds=30)
    assert before - timedelta(seconds=1) <= ends <= datetime.now(UTC)
    query = f"?ticket={response.json()['ticket']}"
    installation.manage(
        "shell", "-v0", "-c",
        "from cameras.models import Ticket; from django.utils import timezone\n"
        "Ticket.objects.filter(used_at=None).update(expires_at=timezone.now())",
    )  # fmt: skip
    assert refusal(installation, scenario.plaza, query=query) == 403


def test_ticket_for_another_camera_is_refused(
    installation: Installation, scenario: Scenario
) -> None:
    query = ticket_query(installation, scenario["viewer"], scenario.push)
    assert refusal(installation, scenario.plaza, query=query) == 4404


def test_ticket_is_valid_for_one_purpose(installation: Installation, scenario: Scenario) -> None:
    operator = scenario["operator"]
    assert (
        outcome(
            installation, scenario.push, query=ticket_query(installation, operator, scenario.push)
        )
        == 4403
    )
    publish = ticket_query(installation, operator, scenario.push, "publish")
    assert refusal(installation, scenario.push, query=publish) == 4403
    assert (
        outcome(
            installation,
            scenario.push,
            query=ticket_query(installation, operator, scenario.push, "publish"),
        )
        == 200
    )


def test_ticket_grants_no_more_than_its_requester_has(
    installation: Installation, scenario: Scenario
) -> None:
    assert (
        request_ticket(installation, scenario["viewer"], scenario.push, "publish").status_code
        == 403
    )
    assert request_ticket(installation, scenario["chatter"], scenario.plaza).status_code == 403
    assert request_ticket(installation, scenario["outsider"], scenario.plaza).status_code == 404
    assert (
        request_ticket(installation, scenario["operator"], scenario.plaza, "publish").status_code
        == 400
    )


def test_ticket_is_not_accepted_over_http(installation: Installation, scenario: Scenario) -> None:
    query = ticket_query(installation, scenario["admin"], scenario.plaza)
    for path in ("cameras", f"cameras/{scenario.plaza}/snapshot.jpg"):
        assert httpx.get(f"{installation.url}/api/v1/{path}{query}").status_code == 401


def test_bad_ticket_is_refused_despite_a_valid_cookie(
    installation: Installation, scenario: Scenario
) -> None:
    headers = {"Cookie": f"sideline_session={scenario['viewer'].session}"}
    status = refusal(
        installation, scenario.plaza, headers=headers, origin=installation.url, query="?ticket="
    )
    assert status == 403


@pytest.mark.postgres
def test_unused_tickets_are_bounded(installation: Installation, scenario: Scenario) -> None:
    assert request_ticket(installation, scenario["reader"], scenario.plaza).status_code == 201
    installation.manage(
        "shell", "-v0", "-c",
        "from datetime import timedelta; from cameras.models import Ticket\n"
        "from project.accounts.access import Credential\n"
        "from project.accounts.models import Token\n"
        "from cameras.models.tickets import TICKETS_MOST\n"
        "token = Token.objects.filter(user__username='tickets-reader').get()\n"
        "one = Ticket.objects.filter(parent_credential_id=token.pk).get()\n"
        "for _ in range(TICKETS_MOST - 2):\n"
        "    parent = Credential(one.parent_kind, one.parent_credential_id)\n"
        "    Ticket.issue(one.camera, 'watch', parent)\n"
        "alive = Ticket.objects.filter(parent_credential_id=token.pk)\n"
        "alive.update(expires_at=one.expires_at + timedelta(hours=1))",
    )  # fmt: skip
    assert request_ticket(installation, scenario["reader"], scenario.plaza).status_code == 201
    response = request_ticket(installation, scenario["reader"], scenario.plaza)
    assert response.status_code == 429
    assert response.json()["detail"]
    assert int(response.headers["retry-after"]) <= 30


def test_tickets_are_stored_as_digests_and_not_logged(
    installation: Installation, scenario: Scenario
) -> None:
    query = ticket_query(installation, scenario["viewer"], scenario.plaza)
    text = query.partition("=")[2]
    refusal(installation, scenario.plaza, query=query)
    rows = installation.manage(
        "shell", "-v0", "-c",
        "from cameras.models import Ticket; print(list(Ticket.objects.values()))",
    )  # fmt: skip
    assert "digest" in rows
    assert text not in rows
    assert text not in installation.logged()
