"""Stream keys and share links are made and revoked here, by pages and REST: row and log entry."""

from __future__ import annotations

from django.db import transaction

from cameras.models import ShareLink, StreamKey
from project.accounts.credentials import Actor
from project.audit.log import Action, log_action
from project.audit.requesters import RequestOrScope


@transaction.atomic
def make_stream_key(request: RequestOrScope, actor: Actor, key: StreamKey) -> str:
    """Save a new key of the actor's and return its secret, which cannot be read later.

    Raises `PermissionDenied` if the actor's token or membership has ended meanwhile.
    """
    key.set_maker(actor, key.camera.organization_id)
    text = key.issue()
    ends = f"ends {key.expires_at:%-d %B %Y}"
    log_action(request, Action.MAKE_KEY, key.name, camera=key.camera, detail=ends)
    return text


@transaction.atomic
def make_share_link(request: RequestOrScope, actor: Actor, link: ShareLink) -> None:
    """Save a new link of the actor's. Raises `PermissionDenied` as `make_stream_key` does."""
    link.set_maker(actor, link.camera.organization_id)
    link.save()
    detail = f"may be opened {link.openings}, ends {link.expires_at:%-d %B %Y}"
    log_action(request, Action.MAKE_LINK, link.name, camera=link.camera, detail=detail)


@transaction.atomic
def revoke(request: RequestOrScope, credential: StreamKey | ShareLink) -> None:
    """Revoke it. Its viewers are disconnected within two seconds."""
    action = Action.REVOKE_KEY if isinstance(credential, StreamKey) else Action.REVOKE_LINK
    credential.revoke()
    log_action(request, action, credential.name, camera=credential.camera)
