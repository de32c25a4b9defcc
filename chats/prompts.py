"""From a prompt to a generation that waits to be run: one transaction, before anything runs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, transaction
from django.utils import timezone

from chats.conversation import cost_of, model_of
from chats.generations.reaper import identity
from chats.models import Assistant, Chat, Generation, Message, Quota, Role, Status
from chats.models.messages import PROMPT_MOST
from project.accounts.models import User

KEY_MOST = 200
KEY_FIELD = "Idempotency-Key"


class BadPrompt(Exception):
    """The request cannot be taken; `status` is 400, 409 or 413, the text says why."""

    def __init__(self, status: int, sentence: str, field: str = "prompt") -> None:
        super().__init__(sentence)
        self.status = status
        self.field = field


class AlreadyAnswering(Exception):
    """The chat has a running answer: `message_id`."""

    def __init__(self, message_id: uuid.UUID) -> None:
        super().__init__(f"{message_id} is being answered")
        self.message_id = message_id


class NoSuchMessage(ObjectDoesNotExist):
    """The chat has no such message that this could be done with."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request led to. `beginning` is text that the answer starts with; `is_new` is False
    where an earlier request with the same key had begun it."""

    generation_id: uuid.UUID
    message_id: uuid.UUID
    user_message_id: uuid.UUID
    model: str
    is_new: bool
    beginning: str = ""


def checked_prompt(value: object) -> str:
    """The prompt as it is stored. Raises `BadPrompt`."""
    if not isinstance(value, str) or not value.strip():
        raise BadPrompt(400, "“prompt” is missing or empty; it must be a text.")
    if len(value) > PROMPT_MOST:
        raise BadPrompt(413, f"The prompt is longer than {PROMPT_MOST:,} characters.")
    # What no database takes: halves of surrogate pairs, and the null character.
    text = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", "�").strip()


def checked_key(value: str | None) -> str | None:
    """An `Idempotency-Key`, or None without one. Raises `BadPrompt`."""
    if value is None or not value.strip():
        return None
    if len(value) > KEY_MOST or not value.isprintable():
        raise BadPrompt(400, f"“{KEY_FIELD}” takes {KEY_MOST} printable characters.", KEY_FIELD)
    return value.strip()


def ask(chat: Chat, user: User, prompt: str, key: str | None = None) -> Asked:
    """Answer a prompt at the end of the branch in front."""

    def below() -> Message:
        return _prompt(chat, chat.leaf, prompt)

    return _begin(chat, user, key, below)


def edit(chat: Chat, user: User, message_id: uuid.UUID, prompt: str, key: str | None) -> Asked:
    """Answer another wording of a prompt, on a branch of its own. Raises `NoSuchMessage`."""

    def beside() -> Message:
        earlier = _message(chat, message_id, Role.USER)
        return _prompt(chat, earlier.parent, prompt)

    return _begin(chat, user, key, beside)


def again(chat: Chat, user: User, message_id: uuid.UUID, key: str | None) -> Asked:
    """Answer the prompt of an answer anew, beside it. Raises `NoSuchMessage`."""
    return _begin(chat, user, key, lambda: _prompt_of(_message(chat, message_id, Role.ASSISTANT)))


def resume(chat: Chat, user: User, message_id: uuid.UUID, key: str | None) -> Asked:
    """Go on with an answer that ended early: beside it, from its words. Raises `NoSuchMessage`."""
    earlier = _message(chat, message_id, Role.ASSISTANT)
    if not earlier.can_continue:
        raise NoSuchMessage("There is nothing to continue.")
    return _begin(chat, user, key, lambda: _prompt_of(earlier), earlier.content)


def _begin(
    chat: Chat, user: User, key: str | None, prompt: Callable[[], Message], beginning: str = ""
) -> Asked:
    """User row, empty assistant row and generation, all or none.

    Raises `AlreadyAnswering` and `QuotaExceeded`.
    """
    try:
        with transaction.atomic():
            there = Chat.objects.select_for_update().filter(pk=chat.pk, deleted_at=None)
            if not there:
                raise NoSuchMessage("There is no such chat.")
            return _same(chat, user, key) or _rows(chat, user, key, prompt, beginning)
    except IntegrityError:  # somebody was quicker, with the key in another chat
        found = _same(chat, user, key)
        if found is None:
            raise
        return found


def _same(chat: Chat, user: User, key: str | None) -> Asked | None:
    """What the key was used for. Raises `BadPrompt` where that is not to be seen from here."""
    if key is None:
        return None
    found = Generation.objects.filter(user=user, idempotency_key=key)
    generation = found.select_related("message", "chat").first()
    if generation is None:
        return None
    if generation.organization_id != chat.organization_id or generation.chat.deleted_at:
        raise BadPrompt(409, "This Idempotency-Key was used before; make another.", KEY_FIELD)
    return _asked(generation, is_new=False)


def _rows(
    chat: Chat, user: User, key: str | None, prompt: Callable[[], Message], beginning: str
) -> Asked:
    chat.refresh_from_db()
    running = Generation.objects.running().filter(chat=chat).first()
    if running is not None:
        raise AlreadyAnswering(running.message_id)
    assistant = Assistant.of(chat.organization)
    question = prompt()
    answer = Message.objects.create(
        chat=chat, parent=question, role=Role.ASSISTANT, status=Status.RUNNING,
        model=model_of(assistant),
    )  # fmt: skip
    cost = cost_of(assistant, answer, beginning)
    day = Quota.reserve(chat.organization, user, cost.most, **assistant.budgets())
    generation = Generation.objects.create(
        message=answer, chat=chat, user=user, organization=chat.organization,
        idempotency_key=key, process=identity(), day=day, reserved=cost.most,
        tokens_asked=cost.asked, tokens_begun=cost.begun,
    )  # fmt: skip
    chat.leaf = answer
    chat.touched_at = timezone.now()
    chat.archived_at = None
    if not chat.title:
        chat.title = chat.name_after(question.content)
    chat.save(update_fields=["leaf", "touched_at", "archived_at", "title"])
    return _asked(generation, is_new=True, beginning=beginning)


def _asked(generation: Generation, *, is_new: bool, beginning: str = "") -> Asked:
    message = generation.message
    assert message.parent_id is not None
    return Asked(generation.pk, message.pk, message.parent_id, message.model, is_new, beginning)


def _message(chat: Chat, message_id: uuid.UUID, role: Role) -> Message:
    found = chat.messages.filter(pk=message_id, role=role).select_related("parent").first()
    if found is None:
        raise NoSuchMessage("There is no such message.")
    return found


def _prompt(chat: Chat, parent: Message | None, prompt: str) -> Message:
    return Message.objects.create(chat=chat, parent=parent, role=Role.USER, content=prompt)


def _prompt_of(answer: Message) -> Message:
    assert answer.parent is not None
    return answer.parent
