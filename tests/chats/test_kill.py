"""A server killed in the middle of answers: no prompt is lost, hardly a word, and no row hangs."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.chats.talking import Event, Stream, Talker, joined, talking
from tests.endpoint import Model, Script
from tests.installation import Installation, beside
from tests.redis import RedisServer
from tests.waiting import until

PAUSE = 0.01
LOST_S = 0.2
WORDS = tuple(f"{n} " for n in range(6000))


@pytest.fixture(scope="module")
def often_killed(
    scripted: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    with talking(tmp_path_factory.mktemp("mortal"), scripted) as installation:
        yield installation


@pytest.fixture
def mortal(often_killed: Installation) -> Installation:
    """One that runs; whoever ends it starts it again."""
    if not often_killed.processes or often_killed.processes[0].poll() is not None:
        again(often_killed)
    return often_killed


def again(installation: Installation) -> None:
    installation.processes.clear()
    installation.start()


def killed_while_answering(
    installation: Installation,
    model: Model,
    after_s: float | None = None,
    lost_s: float | None = None,
) -> None:
    """One round: kill, start again, and look at what the client and the rows have.

    The kill is so many seconds after the first event, or as soon as words are in the rows.
    `lost_s` is for a machine that does nothing else: then the answer has ended in the rows as soon
    as the server answers again, and they hold what the client had more than `lost_s` before the
    kill. Without it the end in the rows is waited for, and they hold what they held at the kill.
    """
    model.script = Script(pieces=WORDS, pause=PAUSE)
    with Talker(installation) as talker:
        chat = talker.chat()
        seen: list[Event] = []
        at: dict[int, float] = {}
        kept = [""]

        def kill() -> None:
            if after_s is None:
                kept[0] = until(lambda: talker.last(chat)["content"], 30, "words in the rows")
            else:
                time.sleep(after_s)
            installation.processes[0].kill()

        with talker.sending(chat, "Count") as stream:
            seen.append(next(iter(stream)))
            at[seen[0].seq] = time.monotonic()
            killer = threading.Thread(target=kill)
            killer.start()
            with contextlib.suppress(httpx.HTTPError):
                for event in stream:
                    seen.append(event)
                    at[event.seq] = time.monotonic()
            killer.join()
        killed = max(at.values())
        message = str(seen[0].body["message_id"])
        assert installation.processes[0].wait(30) == -signal.SIGKILL
        again(installation)
        asked, answer = talker.read(chat)["messages"]
        assert asked["content"] == "Count"
        if lost_s is None:
            answer = until(lambda: (last := talker.last(chat))["status"] != "running" and last, 30)
        assert answer["status"] == "interrupted", "terminal as soon as it answers"
        assert answer["error"]["retryable"] is True
        stored = answer["content"]
        assert stored.startswith(kept[0]), "what was stored is lost"
        if lost_s is not None:
            had_in_time = joined(event for event in seen if at[event.seq] <= killed - lost_s)
            assert stored.startswith(had_in_time), f"more than {lost_s} s of text were lost"
        assert "".join(WORDS).startswith(stored)

        rest = talker.follow(chat, message, after=seen[-1].seq)
        if joined(seen) != stored:  # more was seen than was stored
            assert rest[0].type == "reset"
        assert joined(seen + rest) == stored
        assert [event.type for event in rest[-2:]] == ["error", "done"]
        assert rest[-1].body["status"] == "failed"
        model.script = Script(pieces=("Fine.",))
        assert joined(talker.say(chat, "Again")) == "Fine.", "the chat takes the next prompt"


@pytest.mark.postgres
def test_killed_in_the_middle_of_an_answer(mortal: Installation, model: Model) -> None:
    killed_while_answering(mortal, model)


@pytest.mark.parametrize(
    "times", [pytest.param(4, marks=pytest.mark.timing), pytest.param(50, marks=pytest.mark.soak)]
)
def test_killed_at_random_moments(mortal: Installation, model: Model, times: int) -> None:
    for _ in range(times):
        killed_while_answering(mortal, model, random.uniform(0.0, 2.0), LOST_S)


@pytest.mark.postgres
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
        assert mortal.processes[0].wait(30) == 0
        again(mortal)
        answer = talker.last(chat)
        assert answer["status"] == "interrupted"
        assert answer["content"].startswith(joined(seen))
        assert "Traceback" not in mortal.logged()


@pytest.fixture(scope="module")
def two(
    scripted: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Installation, Talker, Talker]]:
    """An installation of two web processes, and its keeper talking to each of them."""
    with (
        RedisServer(tmp_path_factory.mktemp("redis")) as redis,
        talking(
            tmp_path_factory.mktemp("two"), scripted,
            REDIS_URL=redis.url, SIDELINE_ANSWER_SILENCE="3",
        ) as installation,
        Talker(installation) as here,
        beside(installation) as second,
        Talker(second) as there,
    ):  # fmt: skip
        yield installation, here, there


@contextlib.contextmanager
def followed(
    here: Talker, there: Talker, model: Model
) -> Iterator[tuple[Stream, Stream, Callable[[], httpx.Response]]]:
    """A long answer: for its asker, for a reader in the other process, and its stop there."""
    model.script = Script(pieces=WORDS, pause=PAUSE)
    chat = here.chat()
    with here.sending(chat) as stream:
        message = stream.start()
        with there.following(chat, message) as other:
            yield stream, other, lambda: there.stop(chat, message)


@pytest.mark.extended
@pytest.mark.postgres
def test_reader_and_stop_in_another_process(
    two: tuple[Installation, Talker, Talker], model: Model
) -> None:
    _, here, there = two
    with followed(here, there, model) as (stream, other, stop):
        elsewhere = []
        for event in other:
            elsewhere.append(event)
            if len(elsewhere) == 30:
                assert stop().status_code == 202
        first = list(stream)
    assert [(e.seq, e.body) for e in elsewhere[1:]] == [(e.seq, e.body) for e in first]
    assert first[-1].body["status"] == "stopped"
    until(lambda: model.running == 0, 30)


@pytest.mark.timing
def test_stop_in_another_process_takes_no_time(
    two: tuple[Installation, Talker, Talker], model: Model
) -> None:
    _, here, there = two
    with followed(here, there, model) as (stream, other, stop):
        for _ in range(30):
            next(iter(other))
        asked = time.monotonic()
        stop()
        list(other)
        assert time.monotonic() - asked < 2
        list(stream)
    until(lambda: model.running == 0, 1)


@pytest.mark.extended
@pytest.mark.postgres
def test_process_elsewhere_is_missed_by_its_heartbeat(
    two: tuple[Installation, Talker, Talker], model: Model
) -> None:
    """Another host's process cannot be looked for; here its name is made to be of another host."""
    installation, here, there = two
    model.script = Script(pieces=WORDS, pause=PAUSE)
    chat = here.chat()
    with here.sending(chat) as stream:
        message = stream.start()
        installation.manage(
            "shell", "-v0", "-c",
            "from chats.models import Generation\n"
            "Generation.objects.running().update(process='another/1/1/1')",
        )  # fmt: skip
        installation.processes[0].kill()
    events = there.follow(chat, message)
    assert events[-1].body == {"type": "done", "status": "failed"}
    assert events[-2].body["code"] == "interrupted"
    assert there.last(chat)["content"] == joined(events)
    installation.processes.pop(0).wait(30)
    installation.serve()
