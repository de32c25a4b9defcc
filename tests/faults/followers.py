"""Followers of running answers, as the product's chat page follows them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx

from tests.chats.talking import ChatClient, Event, parse_events
from tests.faults.observers import Observer, refused, retry_delay
from tests.installation import Installation


@dataclass(frozen=True, slots=True)
class Piece:
    """The text up to and including one chunk has `length` characters. `at` is monotonic."""

    at: float
    length: int


class Follower(Observer):
    """Follows one answer to its end, over any number of connections to one web server.

    Without a `message` it asks, so the answer is made by the process of its server.
    """

    who = "followers"

    def __init__(self, web: Installation, client: ChatClient, chat: str, message: str = "") -> None:
        super().__init__()
        self.web, self.chat, self.message = web, chat, message
        self.asks = not message
        self.text = ""
        self.ended_at: float | None = None
        self.status = ""
        self.backwards = 0  # events that were sent twice
        self._client = client
        self._last = 0
        self._pieces: list[Piece] = []
        self._discarded: list[list[Piece]] = []

    @property
    def is_done(self) -> bool:
        return self.ended_at is not None

    def is_served(self, since: float) -> bool:
        """True if the answer has ended or text arrived since then."""
        return self.is_done or (bool(self._pieces) and self._pieces[-1].at > since)

    def __str__(self) -> str:
        return f"a follower of {self.message} on {self.web.url}"

    def taken_back_s(self) -> float:
        """Seconds of text that were shown and are no part of the answer."""
        lost = [
            shown[-1].at - piece.at
            for shown in self._discarded
            for piece in shown
            if piece.length > len(self.text)
        ]
        return max(lost, default=0.0)

    def _run(self) -> None:
        while not self._ending.is_set() and not self.is_done:
            wait = 0.0
            try:
                wait = self._follow()
            except httpx.ConnectError:
                self.note("no connection")
            except httpx.TransportError:
                self.note("cut")
            except BaseException as error:
                self.failure = error
                raise
            if not self.is_done:
                self._attempts += 1
                self._ending.wait(max(wait, retry_delay(self._attempts)))

    def _follow(self) -> float:
        """Use one connection. Return the seconds that the server asks to wait."""
        path, headers = f"/{self.chat}/messages", {"Last-Event-ID": str(self._last)}
        with (
            self._client.api.stream("GET", f"{path}/{self.message}/events", headers=headers)
            if self.message
            else self._client.api.stream("POST", path, json={"prompt": "Count"})
        ) as response:
            if response.status_code != 200:
                after = response.headers.get("Retry-After", "")
                self.note(refused(response.status_code, after))
                return float(after or 0)
            for event in parse_events(response.iter_lines()):
                self._take(event)
                if self._ending.is_set() or self.is_done:
                    return 0.0
        self.note("end without done")
        return 0.0

    def _take(self, event: Event) -> None:
        self._attempts = 0
        now = time.monotonic()
        if event.type == "reset":
            self.note("reset")
            self._discarded.append(self._pieces)
            self._pieces, self.text, self._last = [], "", 0
            return
        self.backwards += event.seq <= self._last
        self._last = event.seq
        if event.type == "start":
            self.message = str(event.body["message_id"])
        elif event.type == "chunk":
            self.text += event.body["text"]
            self._pieces.append(Piece(now, len(self.text)))
        elif event.type == "error":
            self.note(f"error “{event.body['code']}”")
        elif event.type == "done":
            self.status, self.ended_at = str(event.body["status"]), now
