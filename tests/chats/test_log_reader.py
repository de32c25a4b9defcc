"""Reading the logs of other processes: one query for all, and replays that end up in a feed."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest

from chats.generations.log_reader import _read_growth
from chats.models import Chat, Generation, GenerationEvent, Message, Role, Status
from chats.sse.feed import TAIL, Feed
from chats.sse.replay import LogPart, Replay
from chats.sse.subscribers import Subscriber
from project.accounts.models import Organization, User
from tests.waiting import until_async


def running(club: Organization, owner: User) -> Generation:
    """Create a chat with a running answer."""
    chat = Chat.objects.create(organization=club, owner=owner)
    prompt = Message.objects.create(chat=chat, role=Role.USER, content="Go")
    answer = Message.objects.create(
        chat=chat, parent=prompt, role=Role.ASSISTANT, status=Status.RUNNING
    )
    return Generation.objects.create(
        message=answer, chat=chat, user=owner, organization=club, process="a/b/1/2",
        day="2026-01-01",
    )  # fmt: skip


def lines(*texts: str) -> list[str]:
    return [f'{{"type":"chunk","text":"{text}"}}' for text in texts]


@pytest.mark.django_db
@pytest.mark.postgres
def test_growth_of_many_logs_is_read_with_one_query(django_assert_num_queries: Any) -> None:
    club = Organization.objects.create(name="Club", slug="growing")
    owner = User.objects.create_user("grower")
    one, two, silent, ended = (running(club, owner) for _ in range(4))
    write = GenerationEvent.objects.write
    write([(one.pk, 1, lines("a", "b")), (one.pk, 3, lines("c")), (two.pk, 1, lines("x"))])
    write([(one.pk, 3, lines("c", "d"))])  # a retry, with newer events
    Generation.objects.filter(pk=ended.pk).update(status=Status.INTERRUPTED)
    positions = {one.pk: (3, 3), two.pk: (0, 0), silent.pk: (0, 0), ended.pk: (0, 0)}
    with django_assert_num_queries(1):
        grown, _ = _read_growth(positions, False)
    assert {pk: (growth.row, growth.events) for pk, growth in grown.items()} == {
        one.pk: (3, [(4, *lines("d"))]),
        two.pk: (1, [(1, *lines("x"))]),
    }
    write([(two.pk, 2, ['{"type":"done"}'])])
    with django_assert_num_queries(2):
        grown, still = _read_growth(positions, True)
    assert (grown[one.pk].is_done, grown[two.pk].is_done) == (False, True)
    assert still == {silent.pk}


class Received(Subscriber):
    """A subscriber that keeps the numbers of its events."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[int] = []

    def send(self, data: bytes, framed: bytes) -> None:
        self.numbers.append(int(data.split()[1]))

    def waiting(self) -> int:
        return 0


class GrowingLog:
    """A log with `stored` events, which has one more at each read."""

    def __init__(self, stored: int) -> None:
        self.stored, self.reads = stored, 0
        self.followed: Feed | None = None

    def feed(self, generation_id: uuid.UUID) -> Feed | None:
        return self.followed

    def follow(self, generation_id: uuid.UUID, after: int) -> Feed:
        self.followed = self.followed or Feed(generation_id, after)
        return self.followed

    async def read(self, generation_id: uuid.UUID, after: int) -> LogPart:
        self.reads += 1
        self.stored += 1
        events = [(seq, json.loads(*lines("a"))) for seq in range(after + 1, self.stored + 1)]
        return LogPart(True, True, events)


async def test_replay_of_a_growing_log_continues_with_the_feed() -> None:
    """A log that grows faster than it is read must not be read for ever."""
    log, one, two = GrowingLog(3), Received(), Received()
    replays = [
        asyncio.create_task(Replay(log, uuid.uuid4(), each).follow(0)) for each in (one, two)
    ]
    try:
        await until_async(lambda: log.followed is not None and one in log.followed.subscribers)
        assert log.followed is not None
        assert two not in log.followed.subscribers, "it is ahead of the feed"
        for seq in range(5, 8):
            log.followed.publish(seq, *lines("a"))
        await until_async(lambda: log.followed is not None and two in log.followed.subscribers)
        log.followed.is_done = True
        log.followed.end()
        await asyncio.wait_for(asyncio.gather(*replays), 30)
    finally:
        for task in replays:
            task.cancel()
    assert one.numbers == two.numbers == list(range(1, 8))
    assert log.reads == 2, "one for each replay"


def test_feed_knows_which_events_it_has() -> None:
    feed = Feed(uuid.uuid4(), 10)
    assert [feed.has(after) for after in (0, 9, 10, 11)] == [False, False, True, False]
    for seq in range(11, 11 + TAIL + 5):
        feed.publish(seq, *lines("a"))
    feed.trim(feed.seq)
    assert [feed.has(after) for after in (10, 14, 15, feed.seq)] == [False, False, True, True]
    assert [seq for seq, _ in feed.events_after(feed.seq - 2)] == [feed.seq - 1, feed.seq]
