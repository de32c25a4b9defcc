"""A server killed in the middle of answers: no prompt is lost, hardly a word, and no row hangs."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.chats.talking import Event, Talker, joined, talking
from tests.endpoint import Model, Script
from tests.installation import Installation, beside
from tests.redis import RedisServer
from tests.waiting import until

PAUSE = 0.01
LOST_S = 0.2
WORDS = tuple(f"{n} " for n in range(2000))


@contextlib.contextmanager
def another(house: Installation) -> Iterator[Talker]:
    """The keeper talking to a second web process on the same database."""
    with beside(house) as second, Talker(second) as there:
        yield there


@pytest.fixture
def mortal(folder: Path, model: Model) -> Iterator[Installation]:
    with talking(folder, model) as house:
        yield house


def killed_while_answering(house: Installation, model: Model, after_s: float) -> None:
    """One round: kill, start again, and look at what the client and the rows have."""
    model.script = Script(pieces=WORDS, pause=PAUSE)
    with Talker(house) as talker:
        chat = talker.chat()
        seen: list[Event] = []
        at: dict[int, float] = {}
        with talker.sending(chat, "Count") as stream:
            seen.append(next(iter(stream)))
            at[seen[0].seq] = time.monotonic()
            killer = threading.Timer(after_s, house.processes[0].kill)
            killer.start()
            with contextlib.suppress(httpx.HTTPError):
                for event in stream:
                    seen.append(event)
                    at[event.seq] = time.monotonic()
            killer.join()
        killed = max(at.values())
        message = str(seen[0].body["message_id"])
        assert house.processes[0].wait() == -signal.SIGKILL
        house.processes.clear()
        house.serve()
        asked, answer = talker.read(chat)["messages"]
        assert asked["content"] == "Count"
        assert answer["status"] == "interrupted", "terminal as soon as it answers"
        assert answer["error"]["retryable"] is True
        stored = answer["content"]
        had_in_time = joined(event for event in seen if at[event.seq] <= killed - LOST_S)
        assert stored.startswith(had_in_time), "more than 200 ms of text were lost"
        assert "".join(WORDS).startswith(stored)

        again = talker.follow(chat, message, after=seen[-1].seq)
        if joined(seen) != stored:  # more was seen than was stored
            assert again[0].type == "reset"
        assert joined(seen + again) == stored
        assert [event.type for event in again[-2:]] == ["error", "done"]
        assert again[-1].body["status"] == "failed"
        model.script = Script(pieces=("Fine.",))
        assert joined(talker.say(chat, "Again")) == "Fine.", "the chat takes the next prompt"


def test_killed_at_random_moments(mortal: Installation, model: Model) -> None:
    for _ in range(5):
        killed_while_answering(mortal, model, random.uniform(0.05, 1.2))


@pytest.mark.soak
def test_killed_fifty_times(mortal: Installation, model: Model) -> None:
    for _ in range(50):
        killed_while_answering(mortal, model, random.uniform(0.0, 2.0))


def test_stopped_in_order_keeps_every_word(mortal: Installation, model: Model) -> None:
    model.script = Script(pieces=WORDS, pause=PAUSE)
    with Talker(mortal) as talker:
        chat = talker.chat()
        seen: list[Event] = []
        with talker.sending(chat, "Count") as stream:
            try:
                for event in stream:
                    seen.append(event)
                    if len(seen) == 12:
                        mortal.processes[0].terminate()
            except httpx.HTTPError:
                pass
        assert mortal.processes[0].wait(5) == 0
        mortal.processes.clear()
        mortal.serve()
        answer = talker.last(chat)
        assert answer["status"] == "interrupted"
        assert answer["content"].startswith(joined(seen))
        assert "Traceback" not in mortal.logged()


def test_process_elsewhere_is_missed_by_its_heartbeat(
    tmp_path_factory: pytest.TempPathFactory, model: Model
) -> None:
    """Another host's process cannot be looked for; here its name is made to be of another host."""
    model.script = Script(pieces=WORDS, pause=PAUSE)
    with (
        RedisServer(tmp_path_factory.mktemp("redis")) as redis,
        talking(
            tmp_path_factory.mktemp("elsewhere"), model,
            REDIS_URL=redis.url, SIDELINE_ANSWER_SILENCE="3",
        ) as house,
        Talker(house) as talker,
    ):  # fmt: skip
        with another(house) as there:
            chat = talker.chat()
            with talker.sending(chat) as stream:
                message = stream.start()
                house.manage(
                    "shell", "-v0", "-c",
                    "from chats.models import Generation\n"
                    "Generation.objects.update(process='another/1/1/1')",
                )  # fmt: skip
                house.processes[0].kill()
            events = there.follow(chat, message)
            assert events[-1].body == {"type": "done", "status": "failed"}
            assert events[-2].body["code"] == "interrupted"
            assert there.last(chat)["content"] == joined(events)


def test_reader_and_stop_in_another_process(
    tmp_path_factory: pytest.TempPathFactory, model: Model
) -> None:
    model.script = Script(pieces=WORDS, pause=PAUSE)
    with (
        RedisServer(tmp_path_factory.mktemp("redis")) as redis,
        talking(tmp_path_factory.mktemp("two"), model, REDIS_URL=redis.url) as house,
        Talker(house) as here,
    ):
        with another(house) as there:
            chat = here.chat()
            with here.sending(chat) as stream:
                message = stream.start()
                with there.following(chat, message) as other:
                    elsewhere = []
                    for event in other:
                        elsewhere.append(event)
                        if len(elsewhere) == 30:
                            asked = time.monotonic()
                            assert there.stop(chat, message).status_code == 202
                    assert time.monotonic() - asked < 2
                first = list(stream)
            assert [(e.seq, e.body) for e in elsewhere[1:]] == [(e.seq, e.body) for e in first]
            assert first[-1].body["status"] == "stopped"
            until(lambda: model.running == 0, 1)
