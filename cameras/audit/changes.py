"""What was changed, in words: old and new, but never a secret and never a long text."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from django.db import models

from cameras.actors import Actor
from cameras.audit.actions import Action
from cameras.audit.askers import Way
from cameras.audit.lines import line
from cameras.audit.notes import note
from cameras.models import Camera

M = TypeVar("M", bound=models.Model)

SECRET = ("password", "digest", "sealed_", "secret")  # such columns are named, not shown
VALUE_MOST = 60
SOURCE_MOST = 140  # two of them and an arrow fit


def as_stored(row: M) -> M | None:
    """The row as it is before a form's or a serializer's values are saved; None for a new one."""
    return type(row)._default_manager.filter(pk=row.pk).first()


def differences(before: models.Model, after: models.Model, without: Collection[str] = ()) -> str:
    """`name: A → B; zone: UTC → Europe/Berlin`; empty where nothing differs."""
    parts = []
    for field in after._meta.concrete_fields:
        old, new = getattr(before, field.attname), getattr(after, field.attname)
        if field.name in without or old == new:
            continue
        called = str(field.verbose_name).removeprefix("sealed ")
        hidden = field.name.startswith(SECRET) or isinstance(field, models.TextField)
        parts.append(called if hidden else f"{called}: {_shown(old)} → {_shown(new)}")
    return "; ".join(parts)


def _shown(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return line(", ".join(map(str, value)) if isinstance(value, list) else value, VALUE_MOST)


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
