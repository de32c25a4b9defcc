"""Messages as a page shows them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.functional import cached_property
from django.utils.safestring import SafeString

from chats.markdown import render
from chats.models import Chat, Message, Role, Status

PAGE_SIZE = 60  # newest messages of a chat that a page shows; a link loads the earlier ones
STOPPED = "Stopped."
EMPTY = "Response was empty."
CUT_OFF = "The answer met its limit of length."


@dataclass(frozen=True)
class MessageView:
    """A message from `Chat.branch`, prepared for the templates.

    Without a message it renders an empty one, which the page's script fills in.
    """

    role: str
    message: Message | None = None
    zone: str = "UTC"

    @cached_property
    def text(self) -> str:
        """The text so far, as it was written."""
        return self.message.text() if self.message else ""

    @property
    def html(self) -> SafeString:
        """The text, rendered as Markdown."""
        return render(self.text)

    @property
    def is_user(self) -> bool:
        return self.role == Role.USER

    @property
    def is_final(self) -> bool:
        return self.message is not None and not self.message.is_running

    @property
    def problem(self) -> str:
        """Why an answer is incomplete; empty if it is complete."""
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
        """Whether the problem is an error: neither a stop nor the length limit."""
        return self.message is not None and self.problem not in ("", STOPPED, CUT_OFF)

    @property
    def created_at(self) -> datetime | None:
        """Time of creation in the organization's time zone."""
        return self.message.created_at.astimezone(ZoneInfo(self.zone)) if self.message else None

    @property
    def position(self) -> str:
        """Position among siblings, such as “2 / 3”; empty without siblings."""
        if self.message is None or len(self.message.siblings) < 2:
            return ""
        return "{} / {}".format(*self.message.sibling_position)

    @property
    def previous_sibling(self) -> uuid.UUID | None:
        """Id of the sibling before, or None."""
        return self._sibling(-1)

    @property
    def next_sibling(self) -> uuid.UUID | None:
        """Id of the sibling after, or None."""
        return self._sibling(1)

    def _sibling(self, step: int) -> uuid.UUID | None:
        if self.message is None:
            return None
        position, count = self.message.sibling_position
        wanted = position + step
        return self.message.siblings[wanted - 1].pk if 1 <= wanted <= count else None

    @property
    def cost(self) -> list[str]:
        """Tokens and times, each as a short text."""
        message = self.message
        if message is None or message.tokens_out is None:
            return []
        about = "about " if message.tokens_estimated else ""
        parts = [f"{about}{message.tokens_in:,} + {message.tokens_out:,} tokens"]
        if message.first_token_ms is not None:
            parts.append(f"first word {_seconds(message.first_token_ms)}")
        if message.duration_ms is not None:
            parts.append(f"whole {_seconds(message.duration_ms)}")
        return parts


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.2f} s" if ms < 1000 else f"{ms / 1000:.1f} s"


def newest_messages(chat: Chat, *, show_all: bool) -> tuple[list[MessageView], int]:
    """Return the end of the selected branch, and the number of earlier messages left out."""
    branch = chat.branch()
    hidden = 0 if show_all else max(0, len(branch) - PAGE_SIZE)
    zone = chat.organization.time_zone
    return [MessageView(message.role, message, zone) for message in branch[hidden:]], hidden
