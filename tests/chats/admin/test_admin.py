"""Chats in the admin: read with a trace, erased whole, never changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chats.models import Chat, Generation, GenerationEvent, Message, Quota, Role, Status
from project.accounts.models import Organization, User
from project.audit.models import AuditEntry
from tests.cameras.views.rows import client_of, person
from tests.chats.admin.conftest import chat_of

pytestmark = pytest.mark.django_db

LIST = "admin:chats_chat_changelist"


def page_of(client: Client, chat: Chat) -> Any:
    return client.get(reverse("admin:chats_chat_change", args=[chat.pk]))


def traces() -> list[tuple[str, str]]:
    """What was done after signing in."""
    entries = AuditEntry.objects.exclude(action="sign in").order_by("pk")
    return list(entries.values_list("action", "subject"))


def test_messages_are_shown_as_they_were_written(
    club: Organization, viewer: User, staff: Client
) -> None:
    page = page_of(staff, chat_of(viewer, club)).content.decode()
    assert "How were the *corners*?" in page
    assert "**Short** ones &lt;b&gt;won&lt;/b&gt;." in page
    assert "<b>won</b>" not in page


@pytest.mark.postgres
def test_a_running_answer_is_shown_as_far_as_it_is_stored(
    club: Organization, viewer: User, staff: Client
) -> None:
    chat = chat_of(viewer, club)
    Message.objects.filter(role=Role.ASSISTANT).update(status=Status.RUNNING, content="")
    Generation.objects.update(status=Status.RUNNING)
    assert "**Short**" in page_of(staff, chat).content.decode()


def test_reading_a_chat_leaves_a_trace_without_its_title(
    club: Organization, viewer: User, staff: Client
) -> None:
    chat = chat_of(viewer, club)
    assert page_of(staff, chat).status_code == 200
    entry = AuditEntry.objects.get(action="read chat")
    assert (entry.who, entry.via, entry.subject) == ("root", "session", str(chat.pk))
    assert (entry.organization, entry.address) == (club, "127.0.0.1")


@pytest.mark.postgres
def test_the_list_shows_titles_to_who_searches_and_notes_the_words(
    club: Organization, viewer: User, staff: Client
) -> None:
    chat_of(viewer, club, "Set pieces")
    chat_of(viewer, club, "Goalkeepers")
    plain = staff.get(reverse(LIST)).content.decode()
    assert "Set pieces" not in plain
    assert traces() == []
    by_title = staff.get(reverse(LIST), {"q": "pieces"}).content.decode()
    assert "Set pieces" in by_title
    assert "Goalkeepers" not in by_title
    by_words = staff.get(reverse(LIST), {"q": "corners short"}).content.decode()
    assert "Set pieces" in by_words
    assert "Goalkeepers" in by_words
    assert traces() == [("search chats", "pieces"), ("search chats", "corners short")]


def test_titles_are_found_in_no_way_that_leaves_no_trace(
    club: Organization, viewer: User, staff: Client
) -> None:
    chat = chat_of(viewer, club)
    guessed = staff.get(reverse(LIST), {"title__startswith": "Set"})
    assert guessed.status_code in (302, 400)
    completed = {"app_label": "chats", "model_name": "message", "field_name": "chat", "term": ""}
    assert staff.get(reverse("admin:autocomplete"), completed).status_code == 403
    for name in ("history", "delete"):
        assert staff.get(reverse(f"admin:chats_chat_{name}", args=[chat.pk])).status_code == 403
    for model, pk in (("user", viewer.pk), ("organization", club.pk)):
        asked = staff.get(reverse(f"admin:accounts_{model}_delete", args=[pk])).content.decode()
        assert "Chats: 1" in asked
        assert "Set pieces" not in asked


def test_nothing_of_a_chat_can_be_changed_or_added(
    club: Organization, viewer: User, staff: Client
) -> None:
    chat = chat_of(viewer, club)
    address = reverse("admin:chats_chat_change", args=[chat.pk])
    assert staff.post(address, {"title": "Mine"}).status_code == 403
    assert staff.get(reverse("admin:chats_chat_add")).status_code == 403
    chat.refresh_from_db()
    assert chat.title == "Set pieces"


def test_staff_without_the_permission_see_no_chat(club: Organization, viewer: User) -> None:
    chat = chat_of(viewer, club)
    helper = person("helper")
    helper.is_staff = True
    helper.save()
    client = client_of(helper)
    assert client.get(reverse(LIST), {"q": "corners"}).status_code == 403
    assert page_of(client, chat).status_code == 403
    assert traces() == []
    helper.user_permissions.add(Permission.objects.get(codename="view_chat"))
    assert page_of(client, chat).status_code == 200
    chosen = {"action": "erase", "_selected_action": [str(chat.pk)], "sure": "yes"}
    client.post(reverse(LIST), chosen)
    assert Chat.objects.exists()


@pytest.mark.postgres
def test_chats_are_erased_after_a_question(club: Organization, viewer: User, staff: Client) -> None:
    chat, other = chat_of(viewer, club), chat_of(viewer, club, "Goalkeepers")
    chosen = {"action": "erase", "_selected_action": [str(chat.pk)]}
    question = staff.post(reverse(LIST), chosen).content.decode()
    assert "Erase 1 chat?" in question
    assert "Set pieces" not in question
    assert Chat.objects.count() == 2
    assert staff.post(reverse(LIST), chosen | {"sure": "yes"}).status_code == 302
    assert list(Chat.objects.all()) == [other]
    assert traces() == [("erase chats", "1 chat")]
    assert not LogEntry.objects.exists()


@pytest.mark.postgres
def test_all_chats_that_a_search_found_are_erased_across_pages(
    club: Organization, viewer: User, staff: Client
) -> None:
    chats = [chat_of(viewer, club, f"Drill {number}") for number in range(3)]
    chat_of(viewer, club, "Goalkeepers")
    address = reverse(LIST) + "?q=Drill"
    chosen = {"action": "erase", "_selected_action": [str(chats[0].pk)], "select_across": "1"}
    assert "Erase 3 chats" in staff.post(address, chosen).content.decode()
    staff.post(address, chosen | {"sure": "yes"})
    assert [chat.title for chat in Chat.objects.all()] == ["Goalkeepers"]


@pytest.mark.postgres
def test_erasing_a_persons_chats_leaves_no_content_row(
    club: Organization, viewer: User, operator: User, staff: Client
) -> None:
    chat_of(viewer, club)
    deleted = chat_of(viewer, club, "Deleted")
    deleted.soft_delete()
    elsewhere = Organization.objects.create(name="Elsewhere", slug="elsewhere")
    chat_of(viewer, elsewhere)
    kept = chat_of(operator, club, "Theirs")
    Quota.reserve(club, viewer, 10, together=None, each=None)
    listing = reverse("admin:accounts_user_changelist")
    chosen = {"action": "erase_chats", "_selected_action": [str(viewer.pk)]}
    question = staff.post(listing, chosen).content.decode()
    assert "Erase 3 chats of viewer" in question
    staff.post(listing, chosen | {"sure": "yes"})
    assert list(Chat.objects.all()) == [kept]
    assert set(Message.objects.values_list("chat", flat=True)) == {kept.pk}
    assert Generation.objects.count() == GenerationEvent.objects.count() == 1
    assert User.objects.filter(pk=viewer.pk).exists()
    assert Quota.objects.filter(user=viewer).exists(), "what was used stays counted"
    assert traces() == [
        ("erase chats", "2 chats of viewer"),
        ("erase chats", "1 chat of viewer"),
    ]


@pytest.mark.postgres
def test_lists_do_not_query_per_row(
    club: Organization, viewer: User, staff: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(8):
        chat_of(person(f"p{number}"), club)
        AuditEntry.objects.create(who="x", action="a", subject="s", organization=club)
    for name in ("chats_chat", "chats_assistant", "audit_auditentry"):
        with django_assert_max_num_queries(12):
            assert staff.get(reverse(f"admin:{name}_changelist")).status_code == 200


def test_a_chat_costs_the_same_queries_however_long_it_is(
    club: Organization, viewer: User, staff: Client, django_assert_max_num_queries: Any
) -> None:
    chat = chat_of(viewer, club)
    for _ in range(30):
        Message.objects.create(chat=chat, parent=chat.leaf, role=Role.USER, content="More?")
    with django_assert_max_num_queries(14):
        assert page_of(staff, chat).status_code == 200


@pytest.mark.postgres
def test_deleted_chats_are_told_apart(club: Organization, viewer: User, staff: Client) -> None:
    chat = chat_of(viewer, club)
    Chat.objects.filter(pk=chat.pk).update(deleted_at=timezone.now() - timedelta(seconds=1))
    other = chat_of(viewer, club)
    found = staff.get(reverse(LIST), {"deleted": "yes"}).content.decode()
    assert str(chat.pk)[:8] in found
    assert str(other.pk)[:8] not in found


def test_the_audit_is_read_and_nothing_else(club: Organization, staff: Client) -> None:
    entry = AuditEntry.objects.create(who="x", action="a", subject="s", organization=club)
    address = reverse("admin:audit_auditentry_change", args=[entry.pk])
    assert staff.get(address).status_code == 200
    assert staff.post(address, {"who": "y"}).status_code == 403
    assert staff.get(reverse("admin:audit_auditentry_add")).status_code == 403
    gone = staff.post(
        reverse("admin:audit_auditentry_changelist"),
        {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"},
    )
    assert gone.status_code in (200, 302)
    assert AuditEntry.objects.get(pk=entry.pk).who == "x"
