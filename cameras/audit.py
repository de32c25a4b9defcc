"""Changes of a camera, written to the audit log."""

from __future__ import annotations

from cameras.models import Camera
from project.accounts.access import Actor
from project.audit.askers import Way
from project.audit.log import Action, differences, note
from project.audit.models import line

SOURCE_MOST = 140  # two of them and an arrow fit


def note_camera(
    way: Way | None, before: Camera | None, after: Camera, actor: Actor | None = None
) -> None:
    """Write down what became of a camera: that it is new, or an entry for each kind of change."""

    def written(action: Action, detail: str) -> None:
        note(way, action, after.name, camera=after, actor=actor, detail=detail)

    if before is None:
        source = line(after.shown_source, SOURCE_MOST)
        return written(Action.ADD_CAMERA, f"{after.get_kind_display()} {source}".strip())
    apart = {"sealed_source", "shown_source", "masks", "mask_changes"}
    if said := differences(before, after, apart):
        written(Action.CHANGE_CAMERA, said)
    if before.sealed_source != after.sealed_source:
        old, new = line(before.shown_source, SOURCE_MOST), line(after.shown_source, SOURCE_MOST)
        said = f"{old or 'none'} → {new or 'none'}" if old != new else f"{new}, another password"
        written(Action.CHANGE_SOURCE, said)
    if before.masks != after.masks:
        written(Action.CHANGE_MASKS, f"{len(before.masks)} → {len(after.masks)} areas")
    return None
