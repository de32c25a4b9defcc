"""The list of the user's chats."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chats.models import Chat, Message
from chats.views.listing import PAGE_SIZE, excerpt
from project.accounts.models import Membership, Organization, User
from tests.cameras.views.rows import client_of
from tests.chats.views.rows import add_turn, body, chat_of, titles

pytestmark = pytest.mark.django_db

LIST = "/chats"


def test_it_works(chat: Chat, owner: User) -> None:
    page = body(client_of(owner), LIST)
    assert titles(page) == ["Power play"]
    assert reverse("chat", args=[chat.pk]) in page
    assert "<script>" not in page
    assert " style=" not in page


def test_administrator_cannot_list_chats_of_others(chat: Chat, colleague: User) -> None:
    page = body(client_of(colleague), LIST)
    assert titles(page) == []
    assert "No chats yet" in page


def test_anonymous_user_is_redirected_to_sign_in(chat: Chat) -> None:
    for name in ("chats", "chat-new"):
        answer = Client().get(reverse(name))
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("signin"))


@pytest.mark.postgres
def test_pinned_chats_come_first_then_the_newest(club: Organization, owner: User) -> None:
    now = timezone.now()
    for title, days in (("Old", 9), ("Middle", 5), ("New", 1)):
        chat_of(owner, club, title, touched_at=now - timedelta(days=days))
    Chat.objects.get(title="Old").pin(True)
    assert titles(body(client_of(owner), LIST)) == ["Old", "New", "Middle"]


@pytest.mark.postgres
def test_search_covers_titles_and_messages(chat: Chat, owner: User) -> None:
    chat_of(owner, chat.organization, "Goalies", ("Any 100% tips?", "Stay square."))
    client = client_of(owner)
    assert titles(body(client, f"{LIST}?q=power")) == ["Power play"]
    page = body(client, f"{LIST}?q=SQUARE")
    assert titles(page) == ["Goalies"]
    assert "Stay square." in page
    assert "1 chat with “SQUARE”" in page
    assert titles(body(client, f"{LIST}?q=goalies+umbrella")) == []
    assert titles(body(client, f"{LIST}?q=100%25")) == ["Goalies"]
    assert "Nothing found" in body(client, f"{LIST}?q=%25%25")


@pytest.mark.postgres
@pytest.mark.parametrize("words", ["%00", "'%22%3E%3Cscript%3E", "(a%2B)%2B$", "x" * 500])
def test_special_characters_in_a_search_are_plain_text(chat: Chat, owner: User, words: str) -> None:
    page = body(client_of(owner), f"{LIST}?q={words}")
    assert "<script>" not in page


@pytest.mark.postgres
def test_archived_chats_are_listed_separately(chat: Chat, owner: User) -> None:
    client = client_of(owner)
    chat.archive(True)
    assert titles(body(client, LIST)) == []
    page = body(client, f"{LIST}?archived=1&q=power")
    assert titles(page) == ["Power play"]


@pytest.mark.postgres
def test_long_list_is_paginated(club: Organization, owner: User) -> None:
    for number in range(PAGE_SIZE + 1):
        chat_of(owner, club, f"Number {number}")
    client = client_of(owner)
    page = body(client, LIST)
    assert len(titles(page)) == PAGE_SIZE
    assert "?page=2" in page
    assert len(titles(body(client, f"{LIST}?page=2"))) == 1
    assert len(titles(body(client, f"{LIST}?page=999"))) == 1


def test_unused_chat_is_not_listed(club: Organization, owner: User) -> None:
    chat_of(owner, club, "")
    assert titles(body(client_of(owner), LIST)) == []


def test_chosen_organization_filters_the_list(chat: Chat, owner: User) -> None:
    other = Organization.objects.create(name="Annex", slug="annex")
    Membership.objects.create(user=owner, organization=other, role="viewer")
    chat_of(owner, other, "Elsewhere")
    client = client_of(owner)
    both = body(client, LIST)
    assert set(titles(both)) == {"Power play", "Elsewhere"}
    assert '<span class="chat-excerpt">Annex</span>' in both
    client.post(reverse("organization-choose"), {"organization": "annex"})
    assert titles(body(client, LIST)) == ["Elsewhere"]


@pytest.mark.postgres
def test_former_member_sees_no_chats_of_the_organization(chat: Chat, owner: User) -> None:
    Membership.objects.filter(user=owner).delete()
    assert titles(body(client_of(owner), LIST)) == []


@pytest.mark.postgres
def test_delete_all_erases_only_the_chats_of_the_user(
    chat: Chat, owner: User, colleague: User
) -> None:
    theirs = chat_of(colleague, chat.organization, "Theirs", ("a", "b"))
    archived = chat_of(owner, chat.organization, "Archived", ("c", "d"))
    archived.archive(True)
    gone = chat_of(owner, chat.organization, "Set aside", ("e", "f"))
    gone.soft_delete()
    answer = client_of(owner).post(reverse("chats-delete-all"), follow=True)
    assert "3 chats are deleted" in answer.content.decode()
    assert list(Chat.objects.all()) == [theirs]
    assert set(Message.objects.values_list("chat", flat=True)) == {theirs.pk}


def test_delete_all_requires_post_and_csrf_token(chat: Chat, owner: User) -> None:
    assert client_of(owner).get(reverse("chats-delete-all")).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    assert strict.post(reverse("chats-delete-all")).status_code == 403
    assert Chat.objects.exists()


def test_excerpt_surrounds_the_word() -> None:
    text = "a " * 50 + "Needle\nand thread" + " b" * 100
    found = excerpt(text, "needle")
    assert found.startswith("…a a")
    assert "Needle and thread b" in found
    assert found.endswith("…")
    assert len(found) < 140
    assert excerpt("nothing", "needle") == ""
    assert excerpt("[a(", "[A(") == "[a("


@pytest.mark.postgres
def test_excerpt_comes_from_the_newest_match(chat: Chat, owner: User) -> None:
    add_turn(chat, "And the umbrella again?", "Umbrella, yes.")
    assert "Umbrella, yes." in body(client_of(owner), f"{LIST}?q=umbrella")
