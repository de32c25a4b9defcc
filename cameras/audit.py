"""Changes and their entries in the audit log: of cameras, stream keys and share links.

Pages and REST make and revoke keys and links here: row and log entry.
"""

from __future__ import annotations

from django.db import transaction

from cameras.models import Camera, ShareLink, StreamKey
from project.accounts.credentials import Actor
from project.audit.log import Action, differences, log_action
from project.audit.models import single_line
from project.audit.requesters import RequestOrScope

SOURCE_MOST = 140  # characters; an entry has room for two sources and an arrow


def log_camera_change(origin: RequestOrScope, before: Camera | None, after: Camera) -> None:
    """Log a new camera (`before` is None), or one entry for each kind of change."""

    def log(action: Action, detail: str) -> None:
        log_action(origin, action, after.name, camera=after, detail=detail)

    if before is None:
        source = single_line(after.shown_source, SOURCE_MOST)
        return log(Action.ADD_CAMERA, f"{after.get_kind_display()} {source}".strip())
    own_entries = {"sealed_source", "shown_source", "masks", "mask_changes"}
    if detail := differences(before, after, own_entries):
        log(Action.CHANGE_CAMERA, detail)
    if before.sealed_source != after.sealed_source:
        old = single_line(before.shown_source, SOURCE_MOST)
        new = single_line(after.shown_source, SOURCE_MOST)
        detail = f"{old or 'none'} → {new or 'none'}" if old != new else f"{new}, another password"
        log(Action.CHANGE_SOURCE, detail)
    if before.masks != after.masks:
        log(Action.CHANGE_MASKS, f"{len(before.masks)} → {len(after.masks)} areas")
    return None


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
