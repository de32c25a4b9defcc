"""A chat's page, as the server renders it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chats.models import Chat, Generation, GenerationEvent, Message, Role, Status
from chats.sse.encoding import chunk_json
from chats.views.message import PAGE_SIZE
from project.accounts.models import Membership, Organization, User
from tests.cameras.views.rows import client_of
from tests.chats.views.rows import add_turn, body, chat_of

pytestmark = pytest.mark.django_db


def page_of(chat: Chat, user: User, query: str = "") -> str:
    return body(client_of(user), reverse("chat", args=[chat.pk]) + query)


def test_it_works(chat: Chat, owner: User) -> None:
    page = page_of(chat, owner)
    assert "<title>Power play · Sideline</title>" in page
    assert "Which one?" in page
    assert "The <strong>umbrella</strong>." in page
    assert "not computed from your organization’s data" in page
    assert "<noscript>" in page
    for kind in ("markdown", "json"):
        assert f'data-export="{kind}"' in page
    assert "<script>" not in page
    assert " style=" not in page
    assert " onclick" not in page


def test_other_users_cannot_open_a_chat(chat: Chat, colleague: User) -> None:
    address = reverse("chat", args=[chat.pk])
    assert client_of(colleague).get(address).status_code == 404
    assert Client().get(address).status_code == 302


def test_deleted_chat_has_no_page(chat: Chat, owner: User) -> None:
    chat.soft_delete()
    assert client_of(owner).get(reverse("chat", args=[chat.pk])).status_code == 404


def test_streamed_messages_have_the_markup_of_loaded_ones(chat: Chat, owner: User) -> None:
    """The empty messages in the page's templates differ only in their content."""
    page = page_of(chat, owner)

    def shape(found: str) -> list[str]:
        opening = re.sub(r'"[^"]*"', '""', re.split(r'<div class="message-foot"', found)[0])
        return re.findall(r"<(?:article|div)[^>]*>", opening)

    articles = re.findall(r"<article.*?</article>", page, re.DOTALL)
    loaded, blank = articles[:2], articles[2:]
    assert len(blank) == 2
    assert [shape(one) for one in loaded] == [shape(one) for one in blank]
    assert all('data-message=""' in one for one in blank)


def test_markup_in_prompts_is_escaped(club: Organization, owner: User) -> None:
    evil = "<img src=x onerror=alert(1)>"
    page = page_of(chat_of(owner, club, evil, (evil, evil)), owner)
    assert "<img" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") >= 3


def test_white_space_of_prompts_is_kept(club: Organization, owner: User) -> None:
    page = page_of(chat_of(owner, club, "x", ("one\n\n  two", "yes")), owner)
    assert "data-words>one\n\n  two</div>" in page


@pytest.mark.parametrize(
    ("facts", "reason", "offered"),
    [
        ({"status": Status.STOPPED}, "Stopped.", {"continue"}),
        ({"status": Status.COMPLETE, "cut_off": True}, "met its limit of length", {"continue"}),
        (
            {
                "status": Status.INTERRUPTED,
                "error_code": "interrupted",
                "error_message": "The server was stopped.",
                "retryable": True,
            },
            "The server was stopped.",
            {"continue", "again"},
        ),
    ],
)
def test_incomplete_answer_shows_reason_and_actions(
    chat: Chat, owner: User, facts: dict[str, Any], reason: str, offered: set[str]
) -> None:
    add_turn(chat, "More", "Half of", **facts)
    fault = re.findall(r'<p class="fault.*?</p>', page_of(chat, owner), re.DOTALL)[0]
    assert reason in fault
    assert set(re.findall(r'data-act="(\w+)"', fault)) == offered


def test_answer_that_is_not_retryable_offers_no_retry(chat: Chat, owner: User) -> None:
    refused = {"error_code": "provider_refused", "error_message": "The key is not accepted."}
    add_turn(chat, "More", "Half of", status=Status.FAILED, retryable=False, **refused)
    fault = re.findall(r'<p class="fault.*?</p>', page_of(chat, owner), re.DOTALL)[0]
    assert "The key is not accepted." in fault
    assert 'data-act="again"' not in fault


def test_empty_answer_is_reported(chat: Chat, owner: User) -> None:
    add_turn(chat, "More", "")
    page = page_of(chat, owner)
    assert "Response was empty." in page
    assert "Try again" in page


def test_cost_of_an_answer_is_shown(chat: Chat, owner: User) -> None:
    facts = {"tokens_in": 1412, "tokens_out": 96, "first_token_ms": 380, "duration_ms": 3120}
    add_turn(chat, "More", "Yes", **facts, tokens_estimated=True)
    page = page_of(chat, owner)
    for words in ("about 1,412 + 96 tokens", "first word 0.38 s", "whole 3.1 s"):
        assert f"<span>{words}</span>" in page


@pytest.mark.postgres
def test_siblings_can_be_browsed(chat: Chat, owner: User) -> None:
    first = chat.leaf
    assert first
    second = Message.objects.create(
        chat=chat, parent=first.parent, role=Role.ASSISTANT, content="The box."
    )
    chat.select_branch(second)
    page = page_of(chat, owner)
    assert "2 / 2" in page
    assert "The box." in page
    assert "umbrella" not in page
    assert f'data-to="{first.pk}"' in page


@pytest.mark.postgres
def test_running_answer_shows_its_stored_text(chat: Chat, owner: User) -> None:
    answer = add_turn(chat, "More", "", status=Status.RUNNING)
    generation = Generation.objects.create(
        message=answer, chat=chat, user=owner, organization=chat.organization,
        process="elsewhere", day="2026-01-01",
    )  # fmt: skip
    lines = [chunk_json("So "), chunk_json("*far*")]
    GenerationEvent.objects.write([(generation.pk, 1, lines)])
    article = re.findall(r"<article.*?</article>", page_of(chat, owner), re.DOTALL)[3]
    assert 'data-status="running"' in article
    assert 'data-length="8"' in article
    assert "<p>So <em>far</em></p>" in article
    assert "pulse" in article
    assert "data-act" not in article


@pytest.mark.postgres
def test_long_chat_shows_its_newest_messages_first(chat: Chat, owner: User) -> None:
    for number in range(PAGE_SIZE // 2):
        add_turn(chat, f"Prompt {number}.", f"Answer {number}.")
    page = page_of(chat, owner)
    assert "Show 2 earlier messages" in page
    assert "umbrella" not in page
    assert f"Answer {PAGE_SIZE // 2 - 1}." in page
    whole = page_of(chat, owner, "?all=1")
    assert "umbrella" in whole
    assert "earlier message" not in whole


@pytest.mark.postgres
def test_number_of_queries_does_not_depend_on_the_messages(
    chat: Chat, owner: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        add_turn(chat, f"Prompt {number}.", f"Answer {number}.")
    client = client_of(owner)
    body(client, reverse("chat", args=[chat.pk]))  # renders the answers, and keeps their HTML
    with django_assert_max_num_queries(14):
        body(client, reverse("chat", args=[chat.pk]))


def test_new_chat_uses_the_only_organization(owner: User, club: Organization) -> None:
    page = body(client_of(owner), reverse("chat-new"))
    assert f'data-organization="{club.pk}"' in page
    assert "chat-organization" not in page
    assert 'data-chat=""' in page


def test_new_chat_asks_for_the_organization_if_none_is_chosen(
    owner: User, club: Organization
) -> None:
    other = Organization.objects.create(name="Annex", slug="annex")
    Membership.objects.create(user=owner, organization=other, role="viewer")
    client = client_of(owner)
    page = body(client, reverse("chat-new"))
    assert f'<option value="{other.pk}">Annex</option>' in page
    assert 'data-organization=""' in page
    client.post(reverse("organization-choose"), {"organization": "annex"})
    page = body(client, reverse("chat-new"))
    assert f'data-organization="{other.pk}"' in page
    assert "chat-organization" not in page


def test_user_without_organization_sees_an_explanation() -> None:
    alone = User.objects.create_user("alone")
    page = body(client_of(alone), reverse("chat-new"))
    assert "You belong to no organization yet" in page
    assert "disabled" in page


def test_navigation_links_to_chats(owner: User) -> None:
    page = body(client_of(owner), reverse("wall"))
    assert 'data-key="g c"' in page
    assert 'data-key="n"' in page


def test_only_staff_are_told_where_to_mend_a_proxy(chat: Chat, owner: User) -> None:
    assert "Tell whoever runs this server." in page_of(chat, owner)
    assert "docs/proxies.md" not in page_of(chat, owner)
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    assert "The file <code>docs/proxies.md</code>" in page_of(chat, owner)
    assert "Tell whoever runs this server." not in page_of(chat, owner)
