"""A message as a page shows it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.functional import cached_property
from django.utils.safestring import SafeString

from chats.markdown import render
from chats.models import Chat, Message, Role, Status

SHOWN = 60  # messages of a long chat that a page begins with; the earlier ones are a click away
STOPPED = "Stopped."
EMPTY = "Response was empty."
CUT_OFF = "The answer met its limit of length."


@dataclass(frozen=True)
class Seen:
    """`message` comes out of `Chat.branch`. Without a message it is the empty form of one, which
    the page keeps for those that are made in it."""

    role: str
    message: Message | None = None
    zone: str = "UTC"

    @cached_property
    def text(self) -> str:
        """The words so far, as they were written."""
        return self.message.text() if self.message else ""

    @property
    def html(self) -> SafeString:
        """The assistant's words, rendered."""
        return render(self.text)

    @property
    def is_user(self) -> bool:
        return self.role == Role.USER

    @property
    def is_over(self) -> bool:
        return self.message is not None and not self.message.is_running

    @property
    def fault(self) -> str:
        """Why an answer is not whole; nothing where it is."""
        message = self.message
        if message is None or self.is_user or message.is_running:
            return ""
        if message.error_message:
            return message.error_message
        if message.status == Status.STOPPED:
            return STOPPED
        if not message.content:
            return EMPTY
        return CUT_OFF if message.cut_off else ""

    @property
    def has_failed(self) -> bool:
        """Whether the fault is one: a stop was wanted, and a limit is none."""
        return self.message is not None and self.fault not in ("", STOPPED, CUT_OFF)

    @property
    def at(self) -> datetime | None:
        """When it was said, in the organization's zone."""
        return self.message.created_at.astimezone(ZoneInfo(self.zone)) if self.message else None

    @property
    def place(self) -> str:
        """Such as “2 / 3”; nothing without siblings."""
        if self.message is None or len(self.message.siblings) < 2:
            return ""
        return "{} / {}".format(*self.message.place)

    @property
    def earlier(self) -> uuid.UUID | None:
        """The sibling before."""
        return self._sibling(-1)

    @property
    def later(self) -> uuid.UUID | None:
        """The sibling after."""
        return self._sibling(1)

    def _sibling(self, step: int) -> uuid.UUID | None:
        if self.message is None:
            return None
        at, of = self.message.place
        found = at + step
        return self.message.siblings[found - 1].pk if 1 <= found <= of else None

    @property
    def cost(self) -> list[str]:
        """Tokens and times, each in words."""
        message = self.message
        if message is None or message.tokens_out is None:
            return []
        about = "about " if message.tokens_estimated else ""
        told = [f"{about}{message.tokens_in:,} + {message.tokens_out:,} tokens"]
        if message.first_token_ms is not None:
            told.append(f"first word {_seconds(message.first_token_ms)}")
        if message.duration_ms is not None:
            told.append(f"whole {_seconds(message.duration_ms)}")
        return told


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.2f} s" if ms < 1000 else f"{ms / 1000:.1f} s"


def conversation(chat: Chat, *, whole: bool) -> tuple[list[Seen], int]:
    """The branch in front from its end, and how many messages are not shown of its beginning."""
    branch = chat.branch()
    hidden = 0 if whole else max(0, len(branch) - SHOWN)
    zone = chat.organization.time_zone
    return [Seen(message.role, message, zone) for message in branch[hidden:]], hidden
