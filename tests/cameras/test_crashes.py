"""An installation of its own: its first stream, and what comes back after it was killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest
from websockets.sync.client import ClientConnection

from tests.cameras.picture_exits import plays_until_withdrawn, taken_after
from tests.installation import Installation, installed
from tests.parcels import now
from tests.people import Cast, assemble
from tests.publishers import asked, publishing, v1_parcel
from tests.sockets import acknowledged, watching
from tests.waiting import until

pytestmark = pytest.mark.extended


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A server of this file's own."""
    with installed(tmp_path_factory.mktemp("crashes")) as own:
        own.serve()
        yield own
        assert "Traceback" not in own.logged()


@pytest.fixture(scope="module")
def cast(alone: Installation) -> Cast:
    return assemble(alone, "crash")


def test_first_stream_of_a_process_ends_when_access_is_withdrawn(
    alone: Installation, cast: Cast
) -> None:
    """What re-examines it must outlive the request by which it was started.

    The first test of this file: no other may ask this server for a stream before.
    """
    plays_until_withdrawn(alone, cast)


def test_crashed_worker_and_crashed_ingest_come_back(alone: Installation, cast: Cast) -> None:
    with watching(alone, cast.key, v1=True) as socket:
        until(lambda: "jpeg" in acknowledged(socket, 60), 60)
        for victim in ("cameras.ingest.worker.main", "manage.py ingest"):
            alone.children(victim)[0].kill()
            killed = time.time() * 1000
            again = partial(taken_after, socket, killed + 500)
            until(again, 60, f"frames after the {victim} was killed")


def test_frame_that_nobody_takes_may_be_sent_again(alone: Installation, cast: Cast) -> None:
    until(lambda: alone.state(cast.push) == "offline", 60, "the reader")
    with publishing(alone, cast.push, headers=cast["operator"].bearer) as device:
        assert "ack" in asked(device, v1_parcel())
        at = until(lambda: _refused(alone, device), 60, "a refusal")
        assert until(lambda: asked(device, v1_parcel(timestamp=at)) == {"ack": at}, 60)


def _refused(alone: Installation, device: ClientConnection) -> int | None:
    """Kill who reads cameras and send a frame; when it was taken, if nobody took it."""
    for child in alone.children("ingest"):
        child.kill()
    at = now()
    said = asked(device, v1_parcel(timestamp=at))
    return at if said.get("status") == 503 else None
