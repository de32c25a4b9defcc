"""A client of the chat API, and installations whose model is scripted."""

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

_CREATE_CLUB = """
from chats.models import *
from project.accounts.models import *
club = Organization.objects.create(name="Club", slug="club")
Membership.objects.create(user=User.objects.get(username="keeper"), organization=club, role="admin")
Assistant.objects.create(organization=club, base_url="{url}", model="scripted", **{more})
"""
_CREATE_USER = """
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


def parse_events(lines: Iterable[str]) -> Iterator[Event]:
    """Yield events as they arrive. Asserts that each is an id, one data line and an empty line,
    and that there are no other empty lines."""
    block: list[str] = []
    for line in lines:
        if line.startswith(":"):
            assert not block, "a comment inside an event"
        elif line:
            block.append(line)
        else:
            assert len(block) == 2, block
            assert block[0].startswith("id: "), block
            assert block[1].startswith("data: "), block
            yield Event(int(block[0][4:]), json.loads(block[1][6:]))
            block = []


def text_of(events: Iterable[Event]) -> str:
    """Return the text that a client has at the end: chunks appended, discarded at a reset."""
    text = ""
    for event in events:
        if event.type == "chunk":
            assert event.body["text"]
            assert len(event.body["text"].encode()) < 1024
            text += event.body["text"]
        elif event.type == "reset":
            text = ""
    return text


class ChatClient:
    """Uses the chat API with a bearer token, or as the installation's keeper."""

    def __init__(self, installation: Installation, token: str = "") -> None:
        with installation.api() as keeper:
            headers = {"Authorization": f"Bearer {token}"} if token else keeper.headers
        self.api = httpx.Client(
            base_url=f"{installation.url}/api/v1/actions/chats", headers=headers, timeout=60
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.api.close()

    def chat(self) -> str:
        """Create a chat; return its id."""
        response = self.api.post("", json={})
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    @contextmanager
    def stream(self, chat: str, prompt: str = "Hello?", **headers: str) -> Iterator[Stream]:
        """Send a prompt; yield the stream of its answer."""
        body = json.dumps({"prompt": prompt}).encode()
        headers["Content-Type"] = "application/json"
        with self.api.stream(
            "POST", f"/{chat}/messages", content=body, headers=headers
        ) as response:
            yield Stream(response)

    def send(self, chat: str, prompt: str = "Hello?", **headers: str) -> list[Event]:
        """Send a prompt; return all events of its answer."""
        with self.stream(chat, prompt, **headers) as stream:
            return list(stream)

    @contextmanager
    def stream_events(self, chat: str, message: str, after: int = 0) -> Iterator[Stream]:
        """Yield the stream of an answer's events after number `after`."""
        headers = {"Last-Event-ID": str(after)} if after else {}
        with self.api.stream(
            "GET", f"/{chat}/messages/{message}/events", headers=headers
        ) as response:
            yield Stream(response)

    def events(self, chat: str, message: str, after: int = 0) -> list[Event]:
        """Return an answer's events after number `after`, up to its end."""
        with self.stream_events(chat, message, after) as stream:
            return list(stream)

    def stop(self, chat: str, message: str) -> httpx.Response:
        return self.api.post(f"/{chat}/messages/{message}/stop")

    def read(self, chat: str) -> dict[str, Any]:
        """Return the chat with its messages."""
        response = self.api.get(f"/{chat}")
        assert response.status_code == 200, response.text
        chat_data: dict[str, Any] = response.json()
        return chat_data

    def last(self, chat: str) -> dict[str, Any]:
        """Return the last message of the chat."""
        message: dict[str, Any] = self.read(chat)["messages"][-1]
        return message


class Stream:
    """An open response; iterate over it to receive events."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        assert response.status_code == 200, response.read()
        self._events = parse_events(response.iter_lines())

    def __iter__(self) -> Iterator[Event]:
        return self._events

    def start(self) -> str:
        """Receive the `start` event; return the id of the assistant's message."""
        event = next(self._events)
        assert event.type == "start"
        return str(event.body["message_id"])


@contextmanager
def chat_installation(
    folder: Path, model: Model, settings: dict[str, Any] | None = None, **environment: str
) -> Iterator[Installation]:
    """Run an installation with one club, whose assistant is the scripted model."""
    with installed(
        folder, SIDELINE_DEMO="0", SIDELINE_MODEL_SERVERS=model.address, **environment
    ) as installation:
        installation.serve()
        create_club(installation, model, settings)
        yield installation


def server_process(installation: Installation) -> psutil.Process:
    """Return the process of the web server."""
    return psutil.Process(installation.processes[0].pid)


def create_club(
    installation: Installation, model: Model, settings: dict[str, Any] | None = None
) -> None:
    """Create the club, the keeper's membership and the assistant."""
    script = _CREATE_CLUB.format(url=model.url, more=settings or {})
    installation.manage("shell", "-v0", "-c", script)


def new_user(installation: Installation, model: Model, name: str, **settings: Any) -> ChatClient:
    """Create a user in an organization of that name, with an assistant of these settings."""
    script = _CREATE_USER.format(name=name, url=model.url, more=settings)
    printed = installation.manage("shell", "-v0", "-c", script)
    return ChatClient(installation, printed.partition("TOKEN")[2].strip())
