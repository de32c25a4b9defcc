"""Stores a prompt: user message, empty answer and generation, in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, transaction
from django.utils import timezone

from chats.conversation import cost_of, model_of
from chats.models import Assistant, Chat, Generation, Message, Quota, Role, Status
from chats.models.messages import MAX_PROMPT
from chats.models.storage import lack_of_room
from chats.process_identity import identity
from project.accounts.models import User

MAX_KEY = 200  # characters
KEY_FIELD = "Idempotency-Key"


class BadPrompt(Exception):
    """The request is refused; `status` is 400, 409 or 413, the text says why."""

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
    """The chat has no such message, or not one that allows this action."""


@dataclass(frozen=True, slots=True)
class PromptResult:
    """The generation of a request. `prefill` is text that the answer starts with.

    `is_new` is False if an earlier request with the same idempotency key started it.
    """

    generation_id: uuid.UUID
    message_id: uuid.UUID
    user_message_id: uuid.UUID
    model: str
    is_new: bool
    prefill: str = ""


def validate_prompt(value: object) -> str:
    """Return the prompt as it is stored. Raises `BadPrompt`."""
    if not isinstance(value, str) or not value.strip():
        raise BadPrompt(400, "“prompt” is missing or empty; it must be a text.")
    if len(value) > MAX_PROMPT:
        raise BadPrompt(413, f"The prompt is longer than {MAX_PROMPT:,} characters.")
    # Databases reject lone surrogates and the null character.
    text = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", "�").strip()


def validate_key(value: str | None) -> str | None:
    """Return an `Idempotency-Key`, or None without one. Raises `BadPrompt`."""
    if value is None or not value.strip():
        return None
    if len(value) > MAX_KEY or not value.isprintable():
        raise BadPrompt(400, f"“{KEY_FIELD}” takes {MAX_KEY} printable characters.", KEY_FIELD)
    return value.strip()


def send(chat: Chat, user: User, prompt: str, key: str | None = None) -> PromptResult:
    """Append a prompt to the selected branch."""

    def append() -> Message:
        return _create_prompt(chat, chat.leaf, prompt)

    return _begin(chat, user, key, append)


def edit(
    chat: Chat, user: User, message_id: uuid.UUID, prompt: str, key: str | None
) -> PromptResult:
    """Store an edited prompt as a sibling of the original. Raises `NoSuchMessage`."""

    def append() -> Message:
        earlier = _message(chat, message_id, Role.USER)
        return _create_prompt(chat, earlier.parent, prompt)

    return _begin(chat, user, key, append)


def regenerate(chat: Chat, user: User, message_id: uuid.UUID, key: str | None) -> PromptResult:
    """Request another answer to the same prompt, as a sibling. Raises `NoSuchMessage`."""
    return _begin(chat, user, key, lambda: _prompt_of(_message(chat, message_id, Role.ASSISTANT)))


def continue_answer(chat: Chat, user: User, message_id: uuid.UUID, key: str | None) -> PromptResult:
    """Continue an answer that ended early, as a sibling that starts with its text.

    Raises `NoSuchMessage`.
    """
    earlier = _message(chat, message_id, Role.ASSISTANT)
    if not earlier.can_continue:
        raise NoSuchMessage("There is nothing to continue.")
    return _begin(chat, user, key, lambda: _prompt_of(earlier), earlier.content)


def texts_of(chat: Chat, message_id: uuid.UUID, *, is_continued: bool) -> tuple[str, str]:
    """Return the prompt of an answer, and the text that its continuation starts with.

    Raises `NoSuchMessage`.
    """
    answer = _message(chat, message_id, Role.ASSISTANT)
    return _prompt_of(answer).content, answer.content if is_continued else ""


def is_known(chat: Chat, user: User, key: str | None) -> bool:
    """Whether an earlier request with this key stored its prompt. Raises `BadPrompt`."""
    return _find(chat, user, key) is not None


def _begin(
    chat: Chat, user: User, key: str | None, prompt: Callable[[], Message], prefill: str = ""
) -> PromptResult:
    """Create all rows or none; with a known key, return its generation.

    Raises `AlreadyAnswering`, `BadPrompt`, `NoSuchMessage` and `QuotaExceeded`.
    """
    try:
        with transaction.atomic():
            locked = Chat.objects.select_for_update().filter(pk=chat.pk, deleted_at=None)
            if not locked:
                raise NoSuchMessage("There is no such chat.")
            return _find(chat, user, key) or _create(chat, user, key, prompt, prefill)
    except IntegrityError:  # another request used the key in another chat meanwhile
        found = _find(chat, user, key)
        if found is None:
            raise
        return found


def _find(chat: Chat, user: User, key: str | None) -> PromptResult | None:
    """Return the generation of a key, or None. Raises `BadPrompt` if it is not accessible here."""
    if key is None:
        return None
    found = Generation.objects.filter(user=user, idempotency_key=key)
    generation = found.select_related("message", "chat").first()
    if generation is None:
        return None
    if generation.organization_id != chat.organization_id or generation.chat.deleted_at:
        raise BadPrompt(409, "This Idempotency-Key was used before; make another.", KEY_FIELD)
    return _to_result(generation, is_new=False)


def _create(
    chat: Chat, user: User, key: str | None, prompt: Callable[[], Message], prefill: str
) -> PromptResult:
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
    cost = cost_of(assistant, answer, prefill)
    day = Quota.reserve(
        chat.organization, user, cost.limit,
        together=assistant.daily_tokens, each=assistant.daily_tokens_each,
    )  # fmt: skip
    if reason := lack_of_room(assistant, chat, user, len(question.content.encode()), day):
        raise BadPrompt(413, reason)
    generation = Generation.objects.create(
        message=answer, chat=chat, user=user, organization=chat.organization,
        idempotency_key=key, process=identity(), day=day, reserved=cost.limit,
        tokens_asked=cost.prompt, tokens_begun=cost.prefill,
    )  # fmt: skip
    chat.leaf = answer
    chat.touched_at = timezone.now()
    chat.archived_at = None
    if not chat.title:
        chat.title = chat.title_from(question.content)
    chat.save(update_fields=["leaf", "touched_at", "archived_at", "title"])
    return _to_result(generation, is_new=True, prefill=prefill)


def _to_result(generation: Generation, *, is_new: bool, prefill: str = "") -> PromptResult:
    message = generation.message
    assert message.parent_id is not None
    return PromptResult(
        generation.pk, message.pk, message.parent_id, message.model, is_new, prefill
    )


def _message(chat: Chat, message_id: uuid.UUID, role: Role) -> Message:
    found = chat.messages.filter(pk=message_id, role=role).select_related("parent").first()
    if found is None:
        raise NoSuchMessage("There is no such message.")
    return found


def _create_prompt(chat: Chat, parent: Message | None, prompt: str) -> Message:
    return Message.objects.create(chat=chat, parent=parent, role=Role.USER, content=prompt)


def _prompt_of(answer: Message) -> Message:
    assert answer.parent is not None
    return answer.parent
