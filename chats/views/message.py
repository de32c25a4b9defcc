"""Messages as a page shows them."""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass

from django.db import DatabaseError, transaction
from django.utils.functional import cached_property
from django.utils.safestring import SafeString

from chats.markdown import MAX_MARKUP, VERSION, is_within_limits, markup_in, plain, render
from chats.models import Chat, Message, RenderedMessage, Role, Status

PAGE_SIZE = 60  # newest messages of a chat that a page shows; a link loads the earlier ones
MAX_RENDERED = 2 * MAX_MARKUP  # that a page renders anew: a third of a second for ordinary texts
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
    kept_html: SafeString | None = None

    @cached_property
    def text(self) -> str:
        """The text so far, as it was written."""
        return self.message.text() if self.message else ""

    @property
    def html(self) -> SafeString:
        """The text, rendered as Markdown."""
        return render(self.text) if self.kept_html is None else self.kept_html

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
    def position(self) -> str:
        """Position among siblings, such as “2 / 3”; empty without siblings."""
        if self.message is None or len(self.message.siblings) < 2:
            return ""
        siblings = self.message.siblings
        return f"{siblings.index(self.message) + 1} / {len(siblings)}"

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
        siblings = self.message.siblings
        at = siblings.index(self.message) + step
        return siblings[at].pk if 0 <= at < len(siblings) else None

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
    shown = branch[hidden:]
    html = _html_of([each for each in shown if each.role == Role.ASSISTANT and not each.is_running])
    views = [MessageView(each.role, each, zone, html.get(each.pk)) for each in shown]
    return views, hidden


def _html_of(answers: list[Message]) -> dict[uuid.UUID, SafeString]:
    """Return the HTML of finished answers, and keep what is new.

    Renders at most `MAX_RENDERED` markup anew, the newest answers first. The others are shown as
    they were written, until the page is loaded again.
    """
    kept = RenderedMessage.objects.filter(message__in=answers, version=VERSION)
    html = {
        pk: SafeString(text)  # nosec B703  # by `render`
        for pk, text in kept.values_list("message", "html")
    }
    new = []
    left = MAX_RENDERED
    for answer in reversed(answers):
        if answer.pk in html:
            continue
        effort = markup_in(answer.content) + len(answer.content) // 16
        if effort > left or not is_within_limits(answer.content):
            html[answer.pk] = plain(answer.content)
            continue
        left -= effort
        html[answer.pk] = render(answer.content)
        new.append(RenderedMessage(message=answer, version=VERSION, html=html[answer.pk]))
    if new:
        _keep(new)
    return html


def _keep(rendered: list[RenderedMessage]) -> None:
    # The page does without: the chat was deleted meanwhile, or the database is locked.
    with suppress(DatabaseError), transaction.atomic():
        RenderedMessage.objects.bulk_create(
            rendered, update_conflicts=True, unique_fields=["message"],
            update_fields=["version", "html"],
        )  # fmt: skip
