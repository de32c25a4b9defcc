"""A separate installation: its first stream, and recovery of killed processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest
from websockets.sync.client import ClientConnection

from tests.cameras.picture_outputs import check_mjpeg_ends_when_revoked, is_next_taken_after
from tests.installation import Installation, installed
from tests.people import Scenario, create_scenario
from tests.publishers import exchange, publishing, v1_frame
from tests.push_messages import now
from tests.sockets import receive_and_acknowledge, watching
from tests.waiting import until

pytestmark = pytest.mark.extended


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A server used by this module alone."""
    with installed(tmp_path_factory.mktemp("crashes")) as own:
        own.serve()
        yield own
        assert "Traceback" not in own.logged()


@pytest.fixture(scope="module")
def scenario(alone: Installation) -> Scenario:
    return create_scenario(alone, "crash")


def test_first_stream_of_a_process_ends_when_access_is_withdrawn(
    alone: Installation, scenario: Scenario
) -> None:
    """The connection monitor must outlive the request that started it.

    Must be the first test here: no other may open a stream on this server before.
    """
    check_mjpeg_ends_when_revoked(alone, scenario)


def test_killed_worker_and_killed_ingest_are_replaced(
    alone: Installation, scenario: Scenario
) -> None:
    with watching(alone, scenario.key, v1=True) as socket:
        until(lambda: "jpeg" in receive_and_acknowledge(socket, 60), 60)
        for victim in ("cameras.ingest.worker.main", "manage.py ingest"):
            alone.children(victim)[0].kill()
            killed = time.time() * 1000
            again = partial(is_next_taken_after, socket, killed + 500)
            until(again, 60, f"frames after the {victim} was killed")


def test_frame_refused_without_ingest_can_be_sent_again(
    alone: Installation, scenario: Scenario
) -> None:
    until(lambda: alone.state(scenario.push) == "offline", 60, "the reader")
    with publishing(alone, scenario.push, headers=scenario["operator"].bearer) as device:
        assert "ack" in exchange(device, v1_frame())
        at = until(lambda: _refused(alone, device), 60, "a refusal")
        assert until(lambda: exchange(device, v1_frame(timestamp=at)) == {"ack": at}, 60)


def _refused(alone: Installation, device: ClientConnection) -> int | None:
    """Kill ingest and send a frame. Return its timestamp if it was refused; else None."""
    for child in alone.children("ingest"):
        child.kill()
    at = now()
    said = exchange(device, v1_frame(timestamp=at))
    return at if said.get("status") == 503 else None
