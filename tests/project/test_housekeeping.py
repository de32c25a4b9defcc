"""`manage.py prune` deletes expired rows of every kind that the product keeps for a time only."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from cameras.models import Camera, Kind, ShareLink
from chats.models import Chat, Generation, GenerationEvent, Message, Role, Status
from project.accounts.models import Organization, Token, User
from project.audit.models import AuditEntry

LONG_AGO = timedelta(days=4000)


@pytest.mark.django_db
def test_prune_deletes_expired_rows_of_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    past = timezone.now() - LONG_AGO
    club = Organization.objects.create(name="Club", slug="club", audit_days=60)
    user = User.objects.create_user("anna")
    Token.objects.create(user=user, organization=club, scopes=["read"])
    Token.objects.update(expiry=past)
    camera = Camera.objects.create(organization=club, name="Gate", kind=Kind.PUSH)
    ShareLink.objects.create(camera=camera, name="Parents", expires_at=past)
    AuditEntry.objects.create(who="anna", action="ask", organization=club, at=past)
    deleted = Chat.objects.create(organization=club, owner=user, deleted_at=past)
    kept = Chat.objects.create(organization=club, owner=user)
    answer = Message.objects.create(chat=kept, role=Role.ASSISTANT, content="Fine.")
    generation = Generation.objects.create(
        message=answer, chat=kept, user=user, organization=club, process="", day=past.date(),
        status=Status.COMPLETE, finished_at=past,
    )  # fmt: skip
    GenerationEvent.objects.create(generation=generation, first=1, last=1, events="[]")

    call_command("prune")

    assert not Chat.objects.filter(pk=deleted.pk).exists()
    assert Chat.objects.filter(pk=kept.pk).exists()
    assert Message.objects.filter(pk=answer.pk).exists()
    for model in (GenerationEvent, Token, ShareLink, AuditEntry):
        assert not model._default_manager.exists(), model
    assert len(capsys.readouterr().out.splitlines()) == 5
