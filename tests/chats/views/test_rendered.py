"""The HTML of answers is kept, and made anew only where it has to be."""

from __future__ import annotations

import time

import pytest
from django.urls import reverse

from chats import markdown
from chats.models import Chat, Message, RenderedMessage, Status
from chats.views import message as module
from chats.views.message import PAGE_SIZE, newest_messages
from project.accounts.models import User
from tests.cameras.views.rows import client_of
from tests.chats.views.rows import add_turn, body

pytestmark = pytest.mark.django_db


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were rendered from now on."""
    texts: list[str] = []

    def render(text: str) -> object:
        texts.append(text)
        return markdown.render(text)

    monkeypatch.setattr(module, "render", render)
    return texts


def html_of(chat: Chat) -> list[str]:
    return [view.html for view in newest_messages(chat, show_all=True)[0] if not view.is_user]


@pytest.mark.postgres
def test_answer_is_rendered_once(chat: Chat, rendered: list[str]) -> None:
    add_turn(chat, "And?", "*Two* of <b>.")
    first = html_of(chat)
    assert first[-1] == "<p><em>Two</em> of &lt;b&gt;.</p>"
    assert len(rendered) == len(first) == 2
    assert html_of(chat) == first
    assert len(rendered) == 2


@pytest.mark.postgres
def test_another_renderer_renders_anew(
    chat: Chat, rendered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    html_of(chat)
    RenderedMessage.objects.update(html="<p>of an old version</p>", version="0")
    assert "umbrella" in html_of(chat)[0]
    monkeypatch.setattr(module, "VERSION", "2")
    assert "umbrella" in html_of(chat)[0]
    assert RenderedMessage.objects.get().version == "2"
    assert len(rendered) == 3


def test_running_answer_is_not_kept(chat: Chat, owner: User) -> None:
    Message.objects.filter(pk=chat.leaf_id).update(status=Status.INTERRUPTED, content="*a*")
    body(client_of(owner), reverse("chat", args=[chat.pk]))
    assert RenderedMessage.objects.get().html == "<p><em>a</em></p>"
    assert module.MessageView("assistant").html == ""


def test_page_renders_a_bounded_text_anew(chat: Chat, rendered: list[str]) -> None:
    """The newest answers first; the next load renders the others."""
    text = "*word* " * 7000
    for number in range(4):
        add_turn(chat, str(number), f"{number} {text}")
    first = html_of(chat)
    assert [html.startswith('<pre class="plain">') for html in first[1:]] == [
        True,
        True,
        False,
        False,
    ]
    second = html_of(chat)
    assert not any(html.startswith("<pre") for html in second)
    assert len(rendered) == len(set(rendered)) == 5


def test_deleted_chat_takes_its_html_along(chat: Chat) -> None:
    html_of(chat)
    assert RenderedMessage.objects.exists()
    chat.delete()
    assert not RenderedMessage.objects.exists()


@pytest.mark.timing
def test_page_of_hostile_answers_is_made_in_bounded_time(chat: Chat, owner: User) -> None:
    """Sixty answers took most of a minute, at each load."""
    for number in range(PAGE_SIZE // 2):
        add_turn(chat, str(number), "[![a](" * 1400 + str(number))
        add_turn(chat, str(number), "[" * 64_000 + str(number))
    client, address = client_of(owner), reverse("chat", args=[chat.pk])
    for _ in range(3):
        began = time.thread_time()
        body(client, address)
        assert time.thread_time() - began < 2
