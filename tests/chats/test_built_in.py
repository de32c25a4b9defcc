"""A new installation answers with the built-in model."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.chats.providers.embedded import STORY, is_idle
from tests.chats.talking import ChatClient, text_of
from tests.installation import installed
from tests.waiting import until

SERVER = "chats.providers.embedded_server"
HELLO = "Say hello in one short sentence."
_SHORT = """
from chats.models import Assistant
from project.accounts.models import Organization
Assistant.objects.create(organization=Organization.objects.get(), max_tokens=16)
"""


def test_new_installation_answers_and_ends_with_its_model(folder: Path) -> None:
    """Requests few tokens: beside other tests the low-priority model is slow."""
    with installed(folder) as installation:
        installation.serve()
        assert not installation.children(SERVER), "nothing runs before the first question"
        with ChatClient(installation) as client:
            chat = client.chat()
            with client.stream(chat, STORY) as stream:
                message = stream.start()
                next(iter(stream))
                client.stop(chat, message)
                assert list(stream)[-1].body["status"] == "stopped"
            model = installation.children(SERVER)[0]
            assert model.nice() > 0, "cameras go first"

            installation.manage("shell", "-v0", "-c", _SHORT)
            chat = client.chat()
            events = client.send(chat, HELLO)
            assert events[0].body["model"] == "SmolLM2-135M-Instruct"
            assert events[-1].body == {"type": "done", "status": "complete"}
            assert len(text_of(events)) > 3
            last = client.last(chat)
            assert last["tokens_out"] > 0
            assert last["tokens_in"] > 10
            assert last["tokens_estimated"] is False
        installation.processes[0].terminate()
        assert installation.processes[0].wait(30) == 0
        until(lambda: not model.is_running(), 30, "the model's process to end")
        assert "Traceback" not in installation.logged()


@pytest.mark.timing
def test_built_in_model_stops_and_ends_at_once(folder: Path) -> None:
    with installed(folder) as installation:
        installation.serve()
        with ChatClient(installation) as client:
            chat = client.chat()
            events = client.send(chat, HELLO)
            assert events[-1].body == {"type": "done", "status": "complete"}
            with client.stream(chat, STORY) as stream:
                message = stream.start()
                next(iter(stream))
                model = installation.children(SERVER)[0]
                stopped_at = time.monotonic()
                client.stop(chat, message)
                list(stream)
                assert time.monotonic() - stopped_at < 1
        until(lambda: is_idle(model), 3, "the model to be idle")
        installation.processes[0].terminate()
        assert installation.processes[0].wait(5) == 0
        until(lambda: not model.is_running(), 3, "the model's process to end")
