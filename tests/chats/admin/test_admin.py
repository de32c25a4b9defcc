"""Chats in the admin: reading is audited, chats can be erased but not changed."""

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


def audit_entries() -> list[tuple[str, str]]:
    """Return action and subject of all audit entries but sign-ins."""
    entries = AuditEntry.objects.exclude(action="sign in").order_by("pk")
    return list(entries.values_list("action", "subject"))


def test_messages_are_shown_unrendered(club: Organization, viewer: User, staff: Client) -> None:
    page = page_of(staff, chat_of(viewer, club)).content.decode()
    assert "How were the *corners*?" in page
    assert "**Short** ones &lt;b&gt;won&lt;/b&gt;." in page
    assert "<b>won</b>" not in page


@pytest.mark.postgres
def test_running_answer_shows_its_stored_text(
    club: Organization, viewer: User, staff: Client
) -> None:
    chat = chat_of(viewer, club)
    Message.objects.filter(role=Role.ASSISTANT).update(status=Status.RUNNING, content="")
    Generation.objects.update(status=Status.RUNNING)
    assert "**Short**" in page_of(staff, chat).content.decode()


def test_reading_a_chat_is_audited_without_its_title(
    club: Organization, viewer: User, staff: Client
) -> None:
    chat = chat_of(viewer, club)
    assert page_of(staff, chat).status_code == 200
    entry = AuditEntry.objects.get(action="read chat")
    assert (entry.who, entry.via, entry.subject) == ("root", "session", str(chat.pk))
    assert (entry.organization, entry.address) == (club, "127.0.0.1")


@pytest.mark.postgres
def test_list_shows_titles_only_in_searches_and_audits_them(
    club: Organization, viewer: User, staff: Client
) -> None:
    chat_of(viewer, club, "Set pieces")
    chat_of(viewer, club, "Goalkeepers")
    plain = staff.get(reverse(LIST)).content.decode()
    assert "Set pieces" not in plain
    assert audit_entries() == []
    by_title = staff.get(reverse(LIST), {"q": "pieces"}).content.decode()
    assert "Set pieces" in by_title
    assert "Goalkeepers" not in by_title
    by_words = staff.get(reverse(LIST), {"q": "corners short"}).content.decode()
    assert "Set pieces" in by_words
    assert "Goalkeepers" in by_words
    assert audit_entries() == [("search chats", "pieces"), ("search chats", "corners short")]


def test_titles_cannot_be_found_without_an_audit_entry(
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
        confirmation = staff.get(
            reverse(f"admin:accounts_{model}_delete", args=[pk])
        ).content.decode()
        assert "Chats: 1" in confirmation
        assert "Set pieces" not in confirmation


def test_staff_cannot_change_or_add_chats(club: Organization, viewer: User, staff: Client) -> None:
    chat = chat_of(viewer, club)
    address = reverse("admin:chats_chat_change", args=[chat.pk])
    assert staff.post(address, {"title": "Mine"}).status_code == 403
    assert staff.get(reverse("admin:chats_chat_add")).status_code == 403
    chat.refresh_from_db()
    assert chat.title == "Set pieces"


def test_staff_without_permission_cannot_see_chats(club: Organization, viewer: User) -> None:
    chat = chat_of(viewer, club)
    helper = person("helper")
    helper.is_staff = True
    helper.save()
    client = client_of(helper)
    assert client.get(reverse(LIST), {"q": "corners"}).status_code == 403
    assert page_of(client, chat).status_code == 403
    assert audit_entries() == []
    helper.user_permissions.add(Permission.objects.get(codename="view_chat"))
    assert page_of(client, chat).status_code == 200
    chosen = {"action": "erase", "_selected_action": [str(chat.pk)], "sure": "yes"}
    client.post(reverse(LIST), chosen)
    assert Chat.objects.exists()


@pytest.mark.postgres
def test_staff_can_erase_chats_after_confirming(
    club: Organization, viewer: User, staff: Client
) -> None:
    chat, other = chat_of(viewer, club), chat_of(viewer, club, "Goalkeepers")
    chosen = {"action": "erase", "_selected_action": [str(chat.pk)]}
    confirmation = staff.post(reverse(LIST), chosen).content.decode()
    assert "Erase 1 chat?" in confirmation
    assert "Set pieces" not in confirmation
    assert Chat.objects.count() == 2
    assert staff.post(reverse(LIST), chosen | {"sure": "yes"}).status_code == 302
    assert list(Chat.objects.all()) == [other]
    assert audit_entries() == [("erase chats", "1 chat")]
    assert not LogEntry.objects.exists()


@pytest.mark.postgres
def test_staff_can_erase_all_search_results_across_pages(
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
def test_erasing_the_chats_of_a_user_deletes_all_content_rows(
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
    confirmation = staff.post(listing, chosen).content.decode()
    assert "Erase 3 chats of viewer" in confirmation
    staff.post(listing, chosen | {"sure": "yes"})
    assert list(Chat.objects.all()) == [kept]
    assert set(Message.objects.values_list("chat", flat=True)) == {kept.pk}
    assert Generation.objects.count() == GenerationEvent.objects.count() == 1
    assert User.objects.filter(pk=viewer.pk).exists()
    assert Quota.objects.filter(user=viewer).exists(), "used tokens stay counted"
    assert audit_entries() == [
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


def test_number_of_queries_does_not_depend_on_chat_length(
    club: Organization, viewer: User, staff: Client, django_assert_max_num_queries: Any
) -> None:
    chat = chat_of(viewer, club)
    for _ in range(30):
        Message.objects.create(chat=chat, parent=chat.leaf, role=Role.USER, content="More?")
    with django_assert_max_num_queries(14):
        assert page_of(staff, chat).status_code == 200


@pytest.mark.postgres
def test_list_can_be_filtered_by_deleted(club: Organization, viewer: User, staff: Client) -> None:
    chat = chat_of(viewer, club)
    Chat.objects.filter(pk=chat.pk).update(deleted_at=timezone.now() - timedelta(seconds=1))
    other = chat_of(viewer, club)
    found = staff.get(reverse(LIST), {"deleted_at__isempty": "0"}).content.decode()
    assert str(chat.pk)[:8] in found
    assert str(other.pk)[:8] not in found


def test_staff_can_only_read_the_audit(club: Organization, staff: Client) -> None:
    entry = AuditEntry.objects.create(who="x", action="a", subject="s", organization=club)
    listing = reverse("admin:audit_auditentry_changelist")
    chosen = {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"}
    assert staff.post(listing, chosen).status_code == 405
    for page in ("add", f"{entry.pk}/change", f"{entry.pk}/delete", f"{entry.pk}/history"):
        assert staff.post(f"{listing}{page}/", {"who": "y"}).status_code == 404
    assert AuditEntry.objects.get(pk=entry.pk).who == "x"
