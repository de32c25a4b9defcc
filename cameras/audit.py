"""Audit log entries about changes of a camera."""

from __future__ import annotations

from cameras.models import Camera
from project.accounts.credentials import Actor
from project.audit.log import Action, differences, log_action
from project.audit.models import single_line
from project.audit.requesters import RequestOrScope

SOURCE_MOST = 140  # characters; an entry has room for two sources and an arrow


def log_camera_change(
    origin: RequestOrScope | None, before: Camera | None, after: Camera, actor: Actor | None = None
) -> None:
    """Log a new camera (`before` is None), or one entry for each kind of change."""

    def log(action: Action, detail: str) -> None:
        log_action(origin, action, after.name, camera=after, actor=actor, detail=detail)

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
