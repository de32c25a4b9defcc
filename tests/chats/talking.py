"""Talking to an installation whose model is scripted: chats, prompts, streams of events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

from tests.endpoint import Model
from tests.installation import Installation, installed

_SETUP = """
from chats.models import *
from project.accounts.models import *
club = Organization.objects.create(name="Club", slug="club")
Membership.objects.create(user=User.objects.get(username="keeper"), organization=club, role="admin")
Assistant.objects.create(organization=club, base_url="{url}", model="scripted", **{more})
"""
_NEWCOMER = """
from chats.models import *
from project.accounts.models import *
club = Organization.objects.create(name="{name}", slug="{name}")
user = User.objects.create_user("{name}")
Membership.objects.create(user=user, organization=club, role="viewer")
Assistant.objects.create(organization=club, base_url="{url}", model="scripted", **{more})
print("TOKEN", Token.objects.create(user=user, organization=club, scopes=["chat"])[1])
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream."""

    seq: int
    body: dict[str, Any]

    @property
    def type(self) -> str:
        return str(self.body["type"])


def parsed(lines: Iterable[str]) -> Iterator[Event]:
    """Events as they come; each is asserted to be an id, one line of data, and an empty line."""
    block: list[str] = []
    for line in lines:
        if line:
            block.append(line)
            continue
        if block and not block[0].startswith(":"):
            assert len(block) == 2, block
            assert block[0].startswith("id: "), block
            assert block[1].startswith("data: "), block
            yield Event(int(block[0][4:]), json.loads(block[1][6:]))
        block = []


def joined(events: Iterable[Event]) -> str:
    """The text as a client has it at the end: appended, and forgotten at a reset."""
    text = ""
    for event in events:
        if event.type == "chunk":
            assert event.body["text"]
            assert len(event.body["text"].encode()) < 1024
            text += event.body["text"]
        elif event.type == "reset":
            text = ""
    return text


class Talker:
    """One person with a bearer token, or the installation's keeper."""

    def __init__(self, installation: Installation, token: str = "") -> None:
        with installation.api() as keeper:
            headers = {"Authorization": f"Bearer {token}"} if token else keeper.headers
        self.api = httpx.Client(
            base_url=f"{installation.url}/api/v1/actions/chats", headers=headers, timeout=60
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *how: object) -> None:
        self.api.close()

    def chat(self) -> str:
        """A new chat."""
        answer = self.api.post("", json={})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    @contextmanager
    def sending(self, chat: str, prompt: str = "Hello?", **headers: str) -> Iterator[Stream]:
        """The stream that answers a prompt."""
        body = json.dumps({"prompt": prompt}).encode()
        headers["Content-Type"] = "application/json"
        with self.api.stream("POST", f"/{chat}/messages", content=body, headers=headers) as answer:
            yield Stream(answer)

    def say(self, chat: str, prompt: str = "Hello?", **headers: str) -> list[Event]:
        """All events of the answer."""
        with self.sending(chat, prompt, **headers) as stream:
            return list(stream)

    @contextmanager
    def following(self, chat: str, message: str, after: int = 0) -> Iterator[Stream]:
        """An answer's events from behind one."""
        headers = {"Last-Event-ID": str(after)} if after else {}
        with self.api.stream(
            "GET", f"/{chat}/messages/{message}/events", headers=headers
        ) as answer:
            yield Stream(answer)

    def follow(self, chat: str, message: str, after: int = 0) -> list[Event]:
        with self.following(chat, message, after) as stream:
            return list(stream)

    def stop(self, chat: str, message: str) -> httpx.Response:
        return self.api.post(f"/{chat}/messages/{message}/stop")

    def read(self, chat: str) -> dict[str, Any]:
        """The chat with its messages."""
        answer = self.api.get(f"/{chat}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def last(self, chat: str) -> dict[str, Any]:
        """The last message of the chat."""
        message: dict[str, Any] = self.read(chat)["messages"][-1]
        return message


class Stream:
    """An open response; iterating gives events."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        assert response.status_code == 200, response.read()
        self._events = parsed(response.iter_lines())

    def __iter__(self) -> Iterator[Event]:
        return self._events

    def start(self) -> str:
        """The id of the message that is being answered."""
        event = next(self._events)
        assert event.type == "start"
        return str(event.body["message_id"])


@contextmanager
def talking(
    folder: Path, model: Model, settings: dict[str, Any] | None = None, **environment: str
) -> Iterator[Installation]:
    """A running installation of one club whose assistant is the scripted model."""
    with installed(
        folder, SIDELINE_DEMO="0", SIDELINE_MODEL_SERVERS=model.place, **environment
    ) as installation:
        installation.serve()
        set_up(installation, model, settings)
        yield installation


def server_of(installation: Installation) -> psutil.Process:
    """The process that serves."""
    return psutil.Process(installation.processes[0].pid)


def set_up(
    installation: Installation, model: Model, settings: dict[str, Any] | None = None
) -> None:
    """The club, its keeper and its assistant."""
    script = _SETUP.format(url=model.url, more=settings or {})
    installation.manage("shell", "-v0", "-c", script)


def newcomer(installation: Installation, model: Model, name: str, **settings: Any) -> Talker:
    """Somebody of another organization of that name, whose assistant has these settings."""
    script = _NEWCOMER.format(name=name, url=model.url, more=settings)
    printed = installation.manage("shell", "-v0", "-c", script)
    return Talker(installation, printed.partition("TOKEN")[2].strip())
