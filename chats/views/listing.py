"""One's chats as a list: pinned first, then by the last prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.core.paginator import Page, Paginator
from django.db.models import CharField, OuterRef, Q, QuerySet, Subquery, Value
from django.http import HttpRequest

from chats.models import Chat, Message
from project.accounts.views.shell import Shell

EACH_PAGE = 50
WORDS_MOST = 200
BEFORE, AFTER = 24, 90  # characters of an excerpt around what was found


@dataclass(frozen=True, slots=True)
class Row:
    """A chat in the list; `excerpt` is where the first word looked for was said."""

    chat: Chat
    excerpt: str
    at: datetime
    is_today: bool

    @property
    def zone(self) -> str:
        return self.chat.organization.time_zone


@dataclass(frozen=True, slots=True)
class Listing:
    """What the list shows, and why."""

    page: Page[Chat]
    words: str
    archived: bool
    many: bool  # organizations: each row names its own

    @property
    def rows(self) -> list[Row]:
        return [_row(chat) for chat in self.page]


def listing(request: HttpRequest, shell: Shell) -> Listing:
    """As `?q=`, `?archived=1` and `?page=` ask, in the organization in front or in all."""
    words = request.GET.get("q", "")[:WORDS_MOST].replace("\0", "").strip()
    archived = request.GET.get("archived") == "1"
    # A chat without a word and a name was made and then not used.
    chats = Chat.objects.visible_to(shell.actor).exclude(Q(leaf=None) & Q(title=""))
    if shell.current is not None:
        chats = chats.filter(organization=shell.current)
    chats = chats.filter(archived_at__isnull=not archived).matching(words).in_order()
    found = _with_excerpts(chats, words).select_related("organization")
    page = Paginator(found, EACH_PAGE).get_page(request.GET.get("page"))
    many = shell.current is None and len(shell.organizations) > 1
    return Listing(page, words, archived, many)


def _with_excerpts(chats: QuerySet[Chat], words: str) -> QuerySet[Chat]:
    if not words:
        return chats.annotate(found=Value("", CharField()), word=Value("", CharField()))
    word = words.split()[0]
    said = Message.objects.filter(chat=OuterRef("pk"), content__icontains=word)
    return chats.annotate(
        found=Subquery(said.order_by("-created_at").values("content")[:1]),
        word=Value(word, CharField()),
    )


def _row(chat: Chat) -> Row:
    zone = ZoneInfo(chat.organization.time_zone)
    at = chat.touched_at.astimezone(zone)
    text, word = getattr(chat, "found", "") or "", getattr(chat, "word", "")
    return Row(chat, excerpt(text, word), at, at.date() == datetime.now(zone).date())


def excerpt(text: str, word: str) -> str:
    """The line around the first time that `word` is said; nothing where it is not."""
    found = re.search(re.escape(word), text, re.IGNORECASE) if word else None
    if found is None:
        return ""
    start, end = max(0, found.start() - BEFORE), found.end() + AFTER
    around = " ".join(text[start:end].split())
    return f"{'…' if start else ''}{around}{'…' if end < len(text) else ''}"
