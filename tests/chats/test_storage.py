"""Limits of the text that the chats of a person and of an organization hold."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chats.forms import AssistantForm
from chats.models import Assistant, Chat, Message, Quota, Role, Status
from chats.models import storage as module
from chats.models.generations import Ending, erase, settle
from chats.models.storage import MB, stored_bytes
from chats.prompts import BadPrompt, PromptResult, regenerate, send
from chats.retention import prune_chats
from project.accounts.models import Membership, Organization, User
from tests.installation import Installation

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

PROMPT = "ä" * 30_000  # 60,000 bytes


@pytest.fixture
def shop() -> Organization:
    return Organization.objects.create(name="Shop", slug="shop")


@pytest.fixture
def anna(shop: Organization) -> User:
    return member(shop, "anna")


def member(shop: Organization, name: str) -> User:
    user = User.objects.create_user(name)
    Membership.objects.create(user=user, organization=shop, role="viewer")
    return user


def limits(shop: Organization, **more: Any) -> Assistant:
    fields = {"storage_mb": None, "storage_mb_each": None, "daily_tokens": None,
              "daily_tokens_each": None} | more  # fmt: skip
    return Assistant.objects.create(organization=shop, **fields)


def new_chat(shop: Organization, owner: User, title: str = "", size: int = 0) -> Chat:
    """Create a chat that holds a prompt of `size` bytes."""
    chat = Chat.objects.create(organization=shop, owner=owner, title=title)
    if size:
        chat.leaf = Message.objects.create(chat=chat, role=Role.USER, content="x" * size)
        chat.save()
    return chat


def finish(sent: PromptResult, text: str) -> None:
    generation = Message.objects.get(pk=sent.message_id).generation
    settle(generation, Ending(Status.COMPLETE, text))


def refusal(chat: Chat, user: User, prompt: str = PROMPT) -> str:
    """Return the sentence with which a prompt is refused. Asserts that it left nothing."""
    before = Message.objects.count()
    with pytest.raises(BadPrompt) as refused:
        send(chat, user, prompt)
    assert refused.value.status == 413
    assert Message.objects.count() == before
    return str(refused.value).replace("\xa0", " ")


def test_prompts_and_answers_count_in_bytes(shop: Organization, anna: User) -> None:
    chat = new_chat(shop, anna)
    finish(send(chat, anna, "Grüße"), "Äußerst kurz 🙂")
    assert stored_bytes(shop, anna) == stored_bytes(shop) == 7 + len("Äußerst kurz 🙂".encode())
    assert stored_bytes(shop, member(shop, "bert")) == 0


def test_person_at_the_limit_is_told_what_to_delete(shop: Organization, anna: User) -> None:
    limits(shop, storage_mb_each=1)
    big = new_chat(shop, anna, "Long minutes", MB - 100_000)
    chat = new_chat(shop, anna, "Now")
    finish(send(chat, anna, PROMPT), "ok")
    sentence = refusal(chat, anna)
    assert sentence == (
        "Your chats hold 1.0 MB of text with this prompt, and may hold 1 MB. Delete chats to make "
        "room, such as “Long minutes” with 926.3 KB."
    )
    send(new_chat(shop, member(shop, "bert")), User.objects.get(username="bert"), PROMPT)
    big.soft_delete()
    finish(send(chat, anna, PROMPT), "ok")
    assert not Chat.objects.filter(pk=big.pk).exists(), "its room was needed"


def test_deleted_chat_can_be_restored_while_its_room_is_not_needed(
    shop: Organization, anna: User
) -> None:
    limits(shop, storage_mb_each=1)
    deleted = new_chat(shop, anna, "Old", 500_000)
    deleted.soft_delete()
    chat = new_chat(shop, anna)
    finish(send(chat, anna, PROMPT), "ok")
    assert Chat.objects.filter(pk=deleted.pk).exists()
    new_chat(shop, anna, "Full", MB)
    refusal(chat, anna)
    assert Chat.objects.filter(pk=deleted.pk).exists(), "a refused prompt erases nothing"


def test_answers_fill_the_room_too(shop: Organization, anna: User) -> None:
    limits(shop, storage_mb_each=1)
    chat = new_chat(shop, anna)
    sent = send(chat, anna, "short")
    finish(sent, "x" * (MB + 1))
    assert "may hold 1 MB" in refusal(chat, anna, "short")
    with pytest.raises(BadPrompt):
        regenerate(chat, anna, sent.message_id, None)


@pytest.mark.parametrize("how", ["erase", "retention"])
def test_erased_chats_make_room(shop: Organization, anna: User, how: str) -> None:
    limits(shop, storage_mb_each=1, storage_mb=1, retention_days=30)
    full = new_chat(shop, anna, "Full", MB)
    chat = new_chat(shop, anna)
    refusal(chat, anna)
    if how == "erase":
        erase(Chat.objects.filter(pk=full.pk))
    else:
        Chat.objects.filter(pk=full.pk).update(touched_at=timezone.now() - timedelta(days=31))
        assert prune_chats() == 1
    send(chat, anna, PROMPT)


def test_organization_at_its_limit_refuses_all_members(shop: Organization, anna: User) -> None:
    limits(shop, storage_mb=1)
    bert = member(shop, "bert")
    new_chat(shop, bert, "Of Bert", MB)
    sentence = refusal(new_chat(shop, anna, "Mine"), anna)
    assert sentence == (
        "The chats of Shop may hold 1 MB of text together, and are full. Yours hold 58.6 KB. "
        "Delete chats, such as “Mine” with 58.6 KB, or ask an administrator for more room."
    )
    assert "Of Bert" not in sentence


def test_text_of_an_organization_is_summed_once_a_day_and_at_its_limit(
    shop: Organization, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(shop, storage_mb=1)
    sums: list[Organization] = []

    def counted(organization: Organization, user: User | None = None) -> int:
        sums.extend([organization] * (user is None))
        return stored_bytes(organization, user)

    monkeypatch.setattr(module, "stored_bytes", counted)
    chat = new_chat(shop, anna)
    for _ in range(5):
        finish(send(chat, anna, PROMPT), "x" * 40_000)
    assert len(sums) == 1
    quota = Quota.objects.get(organization=shop, user=None)
    assert quota.stored_bytes == stored_bytes(shop) == 500_000
    erase(Chat.objects.filter(pk=chat.pk))
    again = new_chat(shop, anna)
    for _ in range(6):
        finish(send(again, anna, PROMPT), "x" * 40_000)
    assert len(sums) == 2, "measured again when the limit seemed reached"


def test_empty_limits_are_none_and_new_organizations_have_some(
    shop: Organization, anna: User
) -> None:
    default = Assistant.of(shop)
    assert (default.daily_tokens, default.daily_tokens_each) == (10_000_000, 1_000_000)
    assert (default.storage_mb, default.storage_mb_each) == (2048, 64)
    limits(shop)
    new_chat(shop, anna, "Full", 65 * MB)
    send(new_chat(shop, anna), anna, PROMPT)
    shown = AssistantForm(instance=Assistant.of(shop))
    assert {"storage_mb", "storage_mb_each", "daily_tokens"} <= set(shown.fields)


_CONCURRENT = """
import threading
from django.db import connection
from chats.models import *
from chats.models.storage import MB, stored_bytes
from chats.prompts import BadPrompt, send
from project.accounts.models import *

shop = Organization.objects.create(name="Full", slug="full-{people}")
Assistant.objects.create(organization=shop, storage_mb={together}, storage_mb_each={each})
people = [User.objects.create_user(f"full-{people}-{{n}}") for n in range({people})]
chats = [Chat.objects.create(organization=shop, owner=people[n % {people}]) for n in range(60)]
codes, faults, barrier = [], [], threading.Barrier(6)

def work(mine):
    try:
        barrier.wait(20)
        for chat in mine:
            try:
                send(chat, chat.owner, "x" * 30_000)
                codes.append(200)
            except BadPrompt as refused:
                codes.append(refused.status)
    except Exception as fault:
        faults.append(fault)
    finally:
        connection.close()

threads = [threading.Thread(target=work, args=(chats[n::6],)) for n in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("RESULT", codes.count(200), codes.count(413), stored_bytes(shop), faults)
"""


@pytest.mark.parametrize(("together", "each", "people"), [(1, None, 6), (None, 1, 1)])
def test_concurrent_prompts_do_not_exceed_the_limit(
    club: Installation, together: int | None, each: int | None, people: int
) -> None:
    script = _CONCURRENT.format(together=together, each=each, people=people)
    printed = club.manage("shell", "-v0", "-c", script)
    assert "RESULT 34 26 1020000 []" in printed, "34 of 30,000 bytes fit into a megabyte"
