"""Expired and revoked credentials are deleted after a while."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from cameras.models import Camera, ShareLink, StreamKey, Ticket, Visit, Weights, WeightsPart
from project.accounts.credentials import Credential
from project.accounts.models import Token, User
from project.housekeeping import JOBS

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def prune() -> int:
    return sum(job() for job in JOBS.values())


def ticket(camera: Camera, parent: tuple[str, str], **fields: object) -> str:
    Ticket.issue(camera, "watch", Credential(*parent))
    made = Ticket.objects.latest("expires_at")
    Ticket.objects.filter(pk=made.pk).update(**fields)
    return made.pk


def test_useless_tickets_are_pruned(camera: Camera, viewer: User) -> None:
    now = timezone.now()
    living, _ = Token.objects.create(user=viewer, organization=camera.organization, scopes=["read"])
    parent = ("token", living.digest)
    kept = {
        ticket(camera, parent, used_at=now - timedelta(days=99)),  # its socket is still open
        ticket(camera, parent, used_at=now, expires_at=now - timedelta(hours=23)),
        ticket(camera, parent),
    }
    ticket(camera, parent, used_at=now, expires_at=now - timedelta(hours=25))
    ticket(camera, ("token", living.digest), expires_at=now - timedelta(seconds=1))
    assert prune() >= 2
    assert set(Ticket.objects.values_list("pk", flat=True)) == kept


def test_share_links_and_visits_are_pruned_after_their_end(camera: Camera) -> None:
    now = timezone.now()

    def link(**fields: object) -> ShareLink:
        made = ShareLink.objects.create(camera=camera, name="Parents")
        assert made.open()
        ShareLink.objects.filter(pk=made.pk).update(**fields)
        return made

    living, ended = link(), link(expires_at=now - timedelta(days=1))
    link(expires_at=now - timedelta(days=31))
    link(revoked_at=now - timedelta(days=31))
    key = StreamKey(camera=camera, name="TV")
    key.issue()
    prune()
    assert set(ShareLink.objects.all()) == {living, ended}
    assert [visit.link for visit in Visit.objects.all()] == [living]
    assert StreamKey.objects.exists()


def test_tokens_and_keys_are_pruned_ninety_days_after_their_end(
    camera: Camera, viewer: User
) -> None:
    now = timezone.now()
    late, recent = now - timedelta(days=91), now - timedelta(days=89)

    def token(**fields: object) -> Token:
        made, _ = Token.objects.create(user=viewer, organization=camera.organization)
        Token.objects.filter(pk=made.pk).update(**fields)
        return made

    def key(**fields: object) -> StreamKey:
        made = StreamKey(camera=camera, name="TV")
        made.issue()
        StreamKey.objects.filter(pk=made.pk).update(**fields)
        return made

    tokens = {token(), token(expiry=None), token(expiry=recent), token(revoked_at=recent)}
    keys = {key(), key(expires_at=recent), key(revoked_at=recent)}
    token(expiry=late)
    token(revoked_at=late)
    key(expires_at=late)
    key(revoked_at=late)
    prune()
    assert set(Token.objects.all()) == tokens
    assert set(StreamKey.objects.all()) == keys


def test_abandoned_uploads_are_pruned(camera: Camera) -> None:
    upload = Weights.begin(camera.organization, name="Left", size=5)
    upload.add_part(0, b"12345")
    Weights.objects.update(uploaded_at=timezone.now() - timedelta(hours=23))
    prune()
    assert WeightsPart.objects.exists()
    Weights.objects.update(uploaded_at=timezone.now() - timedelta(hours=25), state="ready")
    prune()
    assert WeightsPart.objects.exists()
    Weights.objects.update(state="arriving")
    prune()
    assert not Weights.objects.exists()
