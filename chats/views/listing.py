"""The list of the user's chats: pinned first, then by the last prompt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.core.paginator import Page, Paginator
from django.db.models import CharField, OuterRef, Q, QuerySet, Subquery, Value
from django.http import HttpRequest

from chats.models import Chat, Message
from project.accounts.views.shell import Shell
from project.search import MAX_QUERY, SearchTimeout, contains, words_of

PAGE_SIZE = 50
BEFORE, AFTER = 24, 90  # characters of an excerpt around the word found


@dataclass(frozen=True, slots=True)
class Row:
    """A chat in the list; `excerpt` surrounds the first search word in a message."""

    chat: Chat
    excerpt: str
    is_today: bool

    @property
    def zone(self) -> str:
        return self.chat.organization.time_zone


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of the list, with its search words and filters."""

    page: Page[Chat]
    words: str
    archived: bool
    show_organization: bool
    problem: str = ""  # why a search was ended without a result

    @property
    def rows(self) -> list[Row]:
        return [_row(chat) for chat in self.page]


def listing(request: HttpRequest, shell: Shell) -> Listing:
    """Return the page for `?q=`, `?archived=1` and `?page=`, in the chosen organization or all."""
    words = request.GET.get("q", "")[:MAX_QUERY].replace("\0", "").strip()
    archived = request.GET.get("archived") == "1"
    # A chat without messages and title was created and never used.
    chats = Chat.objects.visible_to(shell.actor).exclude(Q(leaf=None) & Q(title=""))
    if shell.current is not None:
        chats = chats.filter(organization=shell.current)
    problem = ""
    try:
        chats = chats.filter(archived_at__isnull=not archived).matching(words).in_order()
    except SearchTimeout as error:
        chats, problem = chats.none(), error.sentence
    found = _with_excerpts(chats, words).select_related("organization")
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    show_organization = shell.current is None and len(shell.organizations) > 1
    return Listing(page, words, archived, show_organization, problem)


def _with_excerpts(chats: QuerySet[Chat], words: str) -> QuerySet[Chat]:
    if not words_of(words):
        return chats.annotate(found=Value("", CharField()), word=Value("", CharField()))
    word = words_of(words)[0]
    messages = Message.objects.filter(contains("content", word), chat=OuterRef("pk"))
    return chats.annotate(
        found=Subquery(messages.order_by("-created_at").values("content")[:1]),
        word=Value(word, CharField()),
    )


def _row(chat: Chat) -> Row:
    zone = ZoneInfo(chat.organization.time_zone)
    at = chat.touched_at.astimezone(zone)
    text, word = getattr(chat, "found", "") or "", getattr(chat, "word", "")
    return Row(chat, excerpt(text, word), at.date() == datetime.now(zone).date())


def excerpt(text: str, word: str) -> str:
    """Return the text around the first occurrence of `word`; empty if there is none."""
    at = text.lower().find(word.lower()) if word else -1  # in linear time, unlike `re`
    if at < 0:
        return ""
    start, end = max(0, at - BEFORE), at + len(word) + AFTER
    around = " ".join(text[start:end].split())
    return f"{'…' if start else ''}{around}{'…' if end < len(text) else ''}"
