"""What a camera's fields may hold."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from cameras.ingest.labels import DEFAULT_CLASSES
from cameras.ingest.labels import MOST as LABELS_MOST
from cameras.ingest.sources.addresses import MASK, SourceError, check

MASKS_MOST, CORNERS_MOST = 16, 32


def default_classes() -> list[str]:
    """The detector's usual allow-list, as a list for JSON."""
    return list(DEFAULT_CLASSES)


def validate_classes(value: Any) -> None:
    """A list of class names; whether the detector knows them depends on the organization."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValidationError("Classes must be a list of names.")
    if len(value) > LABELS_MOST:
        raise ValidationError("Name each class once.")


def validate_line(value: str) -> None:
    """One line of text that can be shown and logged."""
    if not value.isprintable():
        raise ValidationError("A name is one line of plain text.")


def validate_masks(value: Any) -> None:
    """A list of polygons; a polygon is a list of `[x, y]`, each from 0 to 1 of the picture."""
    if not isinstance(value, list) or len(value) > MASKS_MOST:
        raise ValidationError(f"Masks are a list of at most {MASKS_MOST} areas.")
    for polygon in value:
        if not isinstance(polygon, list) or not 3 <= len(polygon) <= CORNERS_MOST:
            raise ValidationError(f"An area has from 3 to {CORNERS_MOST} corners.")
        if not all(map(_is_corner, polygon)):
            raise ValidationError("A corner is two numbers from 0 to 1.")


def _is_corner(value: Any) -> bool:
    numbers = isinstance(value, list) and len(value) == 2
    return numbers and all(type(one) in (int, float) and 0 <= one <= 1 for one in value)


def validate_source(kind: str, source: str) -> None:
    """Where a camera of this kind may take its pictures from; the password has to be a real one."""
    try:
        if MASK in source:
            raise SourceError("Enter the password again: the address around it has changed.")
        check(
            kind,
            source,
            media_root=settings.MEDIA_DIR,
            allow_loopback=settings.ALLOW_LOOPBACK_SOURCES,
            listed=settings.CAMERA_SERVERS,
        )
    except SourceError as error:
        raise ValidationError({"source": error.sentence}) from None
