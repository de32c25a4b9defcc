"""A server killed during answers: no prompt is lost, little text, and no row stays running."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.chats.talking import ChatClient, Event, chat_installation, text_of
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.waiting import until

PAUSE = 0.01
LOST_S = 0.2
WORDS = tuple(f"{n} " for n in range(6000))


@pytest.fixture(scope="module")
def often_killed(
    scripted: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    with chat_installation(tmp_path_factory.mktemp("mortal"), scripted) as installation:
        yield installation


@pytest.fixture
def mortal(often_killed: Installation) -> Installation:
    """A running installation; restarted if an earlier test ended it."""
    if not often_killed.processes or often_killed.processes[0].poll() is not None:
        restart(often_killed)
    return often_killed


def restart(installation: Installation) -> None:
    installation.processes.clear()
    installation.start()


def killed_while_answering(
    installation: Installation,
    model: Model,
    after_s: float | None = None,
    lost_s: float | None = None,
) -> None:
    """Kill the server, restart it, and compare the client's events with the rows.

    Kills `after_s` seconds after the first event, or as soon as text is stored. With `lost_s`, for
    an otherwise idle machine: the answer has ended in the rows as soon as the server is back, and
    holds all text that the client had `lost_s` before the kill. Without it, waits for the end, and
    the rows hold at least the text stored at the kill.
    """
    model.script = Script(pieces=WORDS, pause=PAUSE)
    with ChatClient(installation) as client:
        chat = client.chat()
        received: list[Event] = []
        at: dict[int, float] = {}
        kept = [""]

        def kill() -> None:
            if after_s is None:
                kept[0] = until(lambda: client.last(chat)["content"], 30, "words in the rows")
            else:
                time.sleep(after_s)
            installation.processes[0].kill()

        with client.stream(chat, "Count") as stream:
            received.append(next(iter(stream)))
            at[received[0].seq] = time.monotonic()
            killer = threading.Thread(target=kill)
            killer.start()
            with contextlib.suppress(httpx.HTTPError):
                for event in stream:
                    received.append(event)
                    at[event.seq] = time.monotonic()
            killer.join()
        killed = max(at.values())
        message = str(received[0].body["message_id"])
        assert installation.processes[0].wait(30) == -signal.SIGKILL
        restart(installation)
        prompt, answer = client.read(chat)["messages"]
        assert prompt["content"] == "Count"
        if lost_s is None:
            answer = until(lambda: (last := client.last(chat))["status"] != "running" and last, 30)
        assert answer["status"] == "interrupted", "terminal as soon as the server is back"
        assert answer["error"]["retryable"] is True
        stored = answer["content"]
        assert stored.startswith(kept[0]), "what was stored is lost"
        if lost_s is not None:
            had_in_time = text_of(event for event in received if at[event.seq] <= killed - lost_s)
            assert stored.startswith(had_in_time), f"more than {lost_s} s of text were lost"
            unstored = [each for n, each in enumerate(received)
                        if len(text_of(received[: n + 1])) > len(stored)]  # fmt: skip
            lost = killed - at[unstored[0].seq] if unstored else 0
            print(f"MEASURED text of {lost:.2f} s taken back")
        assert "".join(WORDS).startswith(stored)

        rest = client.events(chat, message, after=received[-1].seq)
        if text_of(received) != stored:  # events were sent that were not stored
            assert rest[0].type == "reset"
        assert text_of(received + rest) == stored
        assert [event.type for event in rest[-2:]] == ["error", "done"]
        assert rest[-1].body["status"] == "failed"
        model.script = Script(pieces=("Fine.",))
        assert text_of(client.send(chat, "Again")) == "Fine.", "the chat takes the next prompt"


@pytest.mark.postgres
def test_server_killed_during_an_answer(mortal: Installation, model: Model) -> None:
    killed_while_answering(mortal, model)


@pytest.mark.parametrize(
    "times", [pytest.param(4, marks=pytest.mark.timing), pytest.param(50, marks=pytest.mark.soak)]
)
def test_server_killed_at_random_moments(mortal: Installation, model: Model, times: int) -> None:
    for _ in range(times):
        killed_while_answering(mortal, model, random.uniform(0.0, 2.0), LOST_S)


@pytest.mark.postgres
def test_shutdown_keeps_all_text(mortal: Installation, model: Model) -> None:
    model.script = Script(pieces=WORDS, pause=PAUSE)
    with ChatClient(mortal) as client:
        chat = client.chat()
        received: list[Event] = []
        with client.stream(chat, "Count") as stream:
            try:
                for event in stream:
                    received.append(event)
                    if len(received) == 12:
                        mortal.processes[0].terminate()
            except httpx.HTTPError:
                pass
        assert mortal.processes[0].wait(30) == 0
        restart(mortal)
        answer = client.last(chat)
        assert answer["status"] == "interrupted"
        assert answer["content"].startswith(text_of(received))
        assert "Traceback" not in mortal.logged()
