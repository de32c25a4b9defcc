"""Acceptance of pushed frames: one claim for sockets and `actions/send`, whoever is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from channels.db import database_sync_to_async
from django.db import OperationalError

from cameras.live import frame_acceptor
from cameras.live.demand import Verdict
from cameras.live.frame_acceptor import PROBLEMS, accept_frame
from cameras.live.incoming import PushedFrame
from cameras.models import Camera
from project.accounts.models import Organization
from tests.waiting import until_async

pytestmark = pytest.mark.django_db(transaction=True)
FRAME = PushedFrame(1_000, b"jpeg")


class Link:
    """An ingest link that records the frames it got."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.ages: list[float] = []
        self.handover = Verdict.ACCEPTED
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.waiting = 0

    async def push(self, camera_id: str, timestamp: int, jpeg: bytes, arrived_at: float) -> Verdict:
        self.waiting += 1
        await self.is_open.wait()
        if self.handover is Verdict.ACCEPTED:
            self.frames.append(timestamp)
            self.ages.append(time.monotonic() - arrived_at)
        return self.handover

    async def send_demand(self, demand: Any) -> None:
        raise NotImplementedError


@pytest.fixture
def camera() -> Camera:
    club = Organization.objects.create(name="Club", slug="club")
    return Camera.objects.create(organization=club, name="Device", kind="push")


@pytest.fixture
async def link(monkeypatch: pytest.MonkeyPatch) -> Link:
    made = Link()
    monkeypatch.setattr(frame_acceptor.services, "ingest_link", lambda: made)
    monkeypatch.setattr(frame_acceptor, "_acceptor", frame_acceptor.FrameAcceptor())
    monkeypatch.setattr(frame_acceptor, "CLAIM_S", 60)
    return made


@pytest.fixture
def held_claims(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[Any], threading.Event]]:
    """Claims stop after their transaction until the event is set. The list has what was claimed."""
    claim, claimed, may_go_on = frame_acceptor.claim_frames, [], threading.Event()

    def held(frames: Any) -> Any:
        verdicts = claim(frames)
        claimed.extend(frames)
        assert may_go_on.wait(60)
        return verdicts

    monkeypatch.setattr(frame_acceptor, "claim_frames", held)
    yield claimed, may_go_on
    may_go_on.set()


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_it_works(link: Link, camera: Camera) -> None:
    assert await accept_frame(camera.pk, FRAME) is Verdict.ACCEPTED
    assert await accept_frame(camera.pk, FRAME) is Verdict.DUPLICATE
    assert link.frames == [1_000]


async def test_publisher_cancelled_while_its_claim_is_made_loses_no_frame(
    link: Link, camera: Camera, held_claims: tuple[list[Any], threading.Event]
) -> None:
    """The frame is handed over once; sent again, it is a duplicate of what was processed."""
    claimed, may_go_on = held_claims
    publisher = asyncio.create_task(accept_frame(camera.pk, FRAME))
    await until_async(lambda: claimed)
    await cancelled(publisher)
    again = asyncio.create_task(accept_frame(camera.pk, FRAME))
    may_go_on.set()
    assert await again is Verdict.DUPLICATE
    await until_async(lambda: link.frames)
    assert link.frames == [1_000]


async def test_publisher_cancelled_before_its_claim_is_made_leaves_the_timestamp_free(
    link: Link, camera: Camera, held_claims: tuple[list[Any], threading.Event]
) -> None:
    claimed, may_go_on = held_claims
    first = asyncio.create_task(accept_frame(camera.pk, FRAME))
    await until_async(lambda: claimed)
    later = PushedFrame(2_000, b"jpeg")
    waiting = asyncio.create_task(accept_frame(camera.pk, later))
    await asyncio.sleep(0)
    await cancelled(waiting)
    may_go_on.set()
    assert await first is Verdict.ACCEPTED
    assert await accept_frame(camera.pk, later) is Verdict.ACCEPTED
    assert link.frames == [1_000, 2_000]


async def test_publisher_cancelled_while_its_frame_is_handed_over_loses_no_frame(
    link: Link, camera: Camera
) -> None:
    link.is_open.clear()
    publisher = asyncio.create_task(accept_frame(camera.pk, FRAME))
    await until_async(lambda: link.waiting)
    await cancelled(publisher)
    link.is_open.set()
    await until_async(lambda: link.frames)
    assert await accept_frame(camera.pk, FRAME) is Verdict.DUPLICATE
    assert link.frames == [1_000]


async def test_first_publisher_that_goes_takes_no_other_along(
    link: Link, camera: Camera, held_claims: tuple[list[Any], threading.Event]
) -> None:
    """A request has its own database thread, which ends with it: the claims must not run in it."""
    from asgiref.sync import ThreadSensitiveContext

    claimed, may_go_on = held_claims

    async def request() -> None:
        async with ThreadSensitiveContext():
            await accept_frame(camera.pk, FRAME)

    first = asyncio.create_task(request())
    await until_async(lambda: claimed)
    second = asyncio.create_task(accept_frame(camera.pk, PushedFrame(2_000, b"jpeg")))
    await asyncio.sleep(0)
    first.cancel()
    may_go_on.set()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    assert await second is Verdict.ACCEPTED
    assert sorted(link.frames) == [1_000, 2_000]


@pytest.mark.parametrize(
    ("handover", "words"),
    [
        (Verdict.BUSY, "cannot take this frame"),
        (Verdict.STARTING, "is starting"),
        (Verdict.NO_PROCESS, "takes no pictures just now"),
    ],
)
async def test_frame_that_is_not_taken_may_be_sent_again(
    link: Link, camera: Camera, handover: Verdict, words: str
) -> None:
    link.handover = handover
    verdict = await accept_frame(camera.pk, FRAME)
    assert verdict.name == handover.name
    status, sentence = PROBLEMS[verdict]
    assert (status, words in sentence) == (503, True)
    link.handover = Verdict.ACCEPTED
    assert await accept_frame(camera.pk, FRAME) is Verdict.ACCEPTED
    assert link.frames == [1_000]


async def test_failed_claim_does_not_say_that_no_process_reads_cameras(
    link: Link, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_acceptor, "RETRY_S", 0.0)
    camera_id = camera.pk
    with monkeypatch.context() as broken:
        broken.setattr(frame_acceptor, "claim_frames", lambda frames: 1 / 0)
        assert await accept_frame(camera_id, FRAME) is Verdict.BUSY
    assert await accept_frame(camera_id, FRAME) is Verdict.ACCEPTED
    await database_sync_to_async(Camera.objects.update)(enabled=False)
    assert await accept_frame(camera_id, PushedFrame(2_000, b"")) is Verdict.SWITCHED_OFF


async def test_camera_that_is_known_goes_on_while_the_database_cannot_be_used(
    link: Link, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_acceptor, "RETRY_S", 0.0)
    assert await accept_frame(camera.pk, FRAME) is Verdict.ACCEPTED

    def fail(frames: Any) -> Any:
        raise OperationalError from psycopg.OperationalError("server closed the connection")

    newer = PushedFrame(2_000, b"jpeg")
    with monkeypatch.context() as broken:
        broken.setattr(frame_acceptor, "claim_frames", fail)
        assert await accept_frame(camera.pk, FRAME) is Verdict.DUPLICATE
        assert await accept_frame(camera.pk, newer) is Verdict.ACCEPTED
        assert await accept_frame(camera.pk, newer) is Verdict.DUPLICATE
        assert await accept_frame(uuid.uuid4(), newer) is Verdict.BUSY, "its rights are unknown"
        link.handover = Verdict.NO_PROCESS
        latest = PushedFrame(3_000, b"jpeg")
        with contextlib.suppress(OperationalError):
            assert await accept_frame(camera.pk, latest) is Verdict.NO_PROCESS
        link.handover = Verdict.ACCEPTED
        assert await accept_frame(camera.pk, latest) is Verdict.ACCEPTED, "it may be sent again"
    assert await accept_frame(camera.pk, PushedFrame(4_000, b"jpeg")) is Verdict.ACCEPTED
    assert link.frames == [1_000, 2_000, 3_000, 4_000]


async def test_frame_does_not_wait_for_a_database_that_hangs(
    link: Link,
    camera: Camera,
    held_claims: tuple[list[Any], threading.Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claimed, may_go_on = held_claims
    may_go_on.set()
    assert await accept_frame(camera.pk, FRAME) is Verdict.ACCEPTED
    may_go_on.clear()
    monkeypatch.setattr(frame_acceptor, "CLAIM_S", 0.05)
    assert await accept_frame(camera.pk, PushedFrame(2_000, b"jpeg")) is Verdict.ACCEPTED
    assert await accept_frame(camera.pk, PushedFrame(3_000, b"jpeg")) is Verdict.ACCEPTED
    assert [timestamp for _, timestamp in claimed] == [1_000, 2_000], "one claim at a time"
    may_go_on.set()
    monkeypatch.setattr(frame_acceptor, "CLAIM_S", 60)
    late = frame_acceptor._acceptor._late
    assert late is not None
    await late
    assert await accept_frame(camera.pk, PushedFrame(4_000, b"jpeg")) is Verdict.ACCEPTED
    assert link.frames == [1_000, 2_000, 3_000, 4_000]
    assert link.ages[1] > link.ages[2], "the time that it waited counts"
