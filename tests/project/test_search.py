"""Searches: literal, in linear time, and ended after a limit."""

from __future__ import annotations

import time
import uuid

import pytest
from django.db import connection, transaction
from django.test import Client

from chats.models import Chat, Message
from chats.views.listing import excerpt
from project import search
from project.accounts.models import Membership, Organization, User
from project.search import MAX_WORDS, SearchTimeout, time_limit, words_of
from tests.cameras.views.conftest import (
    _fast_password_hasher,  # noqa: F401
    _plain_static_names,  # noqa: F401
)
from tests.cameras.views.rows import client_of
from tests.chats.views.rows import body

pytestmark = pytest.mark.django_db
WORD = "a" * 199 + "b"


@pytest.fixture
def person() -> User:
    club = Organization.objects.create(name="Club", slug=f"search-{uuid.uuid4().hex[:8]}")
    user = User.objects.create_user(f"searcher-{club.slug}")
    Membership.objects.create(user=user, organization=club, role="viewer")
    return user


def add_chat(person: User, *texts: str, title: str = "") -> Chat:
    membership = Membership.objects.get(user=person)
    chat = Chat.objects.create(organization=membership.organization, owner=person, title=title)
    for text in texts:
        chat.leaf = Message.objects.create(chat=chat, role="user", content=text)
    chat.save()
    return chat


def test_words_are_few_and_short() -> None:
    assert words_of("a b a\0c " + "x" * 500) == ["a", "b", "c", "x" * 192]
    assert len(words_of(" ".join(map(str, range(100))))) == MAX_WORDS
    assert words_of(" \0 ") == []


@pytest.mark.postgres
def test_words_are_found_in_any_case_and_place(person: User) -> None:
    chat = add_chat(person, "The 100% Power_play\\", title="Goalies")
    for words in ("power", "POWER_PLAY", "goal 100%", "_play\\", "lies the"):
        assert list(Chat.objects.matching(words)) == [chat], words
    for words in ("power goalie2", "po_er", "100%%", "'", '"'):
        assert not Chat.objects.matching(words), words


def hold(seconds: float) -> None:
    """Run a statement that takes a second and more, with a limit."""
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000)"
        " SELECT count(*) FROM n"
    )
    with time_limit(seconds), connection.cursor() as cursor:
        cursor.execute(endless)


@pytest.mark.postgres
def test_statement_is_ended_after_the_limit(person: User) -> None:
    """Inside a transaction, too, which goes on, without a limit."""
    with transaction.atomic():
        with pytest.raises(SearchTimeout):
            hold(0.05)
        assert User.objects.filter(pk=person.pk).exists()
        with time_limit(0.5):
            assert User.objects.filter(pk=person.pk).exists()
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SHOW statement_timeout")
                assert cursor.fetchone() == ("0",)
                cursor.execute("SELECT pg_sleep(0.7)")


@pytest.mark.postgres
def test_ended_search_is_said_on_the_page_and_in_the_api(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_chat(person, *["a" * 50_000] * 20)
    limit = 0.001 if connection.vendor == "postgresql" else 0.0
    monkeypatch.setattr("chats.models.chats.time_limit", lambda: time_limit(limit))
    monkeypatch.setattr(search, "_STEPS", 1)
    client = client_of(person)
    page = body(client, f"/chats?q={WORD}")
    assert SearchTimeout.sentence in page
    answer = client.get("/api/v1/actions/chats", {"q": WORD})
    assert answer.status_code == 400
    assert answer.json()["errors"] == {"q": [SearchTimeout.sentence]}
    User.objects.filter(pk=person.pk).update(is_staff=True, is_superuser=True)
    staff = client_of(User.objects.get(pk=person.pk))
    assert SearchTimeout.sentence in body(staff, f"/admin/chats/chat/?q={WORD}")


def test_admin_takes_a_query_of_a_thousand_words(person: User) -> None:
    User.objects.filter(pk=person.pk).update(is_staff=True, is_superuser=True)
    client: Client = client_of(User.objects.get(pk=person.pk))
    query = " ".join(f"w{number}" for number in range(1500))
    for path in ("accounts/user", "cameras/camera", "audit/auditentry", "accounts/organization"):
        assert client.get(f"/admin/{path}/", {"q": query}).status_code == 200, path


@pytest.mark.timing
@pytest.mark.parametrize("word", [WORD, "a" * 200, "zebra", f"{WORD} {WORD[1:]} {WORD[2:]}"])
def test_search_of_three_megabytes_takes_a_fraction_of_a_second(person: User, word: str) -> None:
    add_chat(person, *["a" * 50_000] * 60)
    began = time.thread_time()
    Chat.objects.matching(word).count()
    assert time.thread_time() - began < 0.5


@pytest.mark.timing
def test_excerpt_is_cut_in_linear_time() -> None:
    began = time.thread_time()
    assert excerpt("a" * 250_000 + WORD, WORD)
    assert excerpt("a" * 250_000, WORD) == ""
    assert time.thread_time() - began < 0.2
