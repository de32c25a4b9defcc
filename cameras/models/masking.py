"""The name of a camera's masks, which no other masks of it ever get again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, TypeVar

from django.db import models, transaction

from cameras.models.changes import WithChanges
from cameras.models.states import CameraStill

M = TypeVar("M", bound="Masked")


class MaskedQuerySet(models.QuerySet[M]):
    def update(self, **kwargs: Any) -> int:
        """Masks that are changed in many rows at once count as those of `save` do."""
        if "masks" not in kwargs:
            return super().update(**kwargs)
        with transaction.atomic(using=self.db):
            CameraStill.objects.filter(camera__in=self.values("pk")).delete()
            return super().update(**kwargs, mask_changes=models.F("mask_changes") + 1)

    update.alters_data = True  # type: ignore[attr-defined]


class Masked(WithChanges):
    """A row whose `masks` are counted: drawn again, they are not taken for those of before."""

    masks: Any
    mask_changes = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        abstract = True

    @property
    def mark(self) -> str:
        """A name for the masks, carried by every picture that has them: see live/marks.py.

        Empty where there are none and never were.
        """
        if not self.masks and not self.mask_changes:
            return ""
        digest = hashlib.sha256(json.dumps(self.masks).encode()).hexdigest()[:16]
        return f"{self.mask_changes}-{digest}"

    def _count_masks(self, former: Masked, columns: Iterable[str]) -> list[str]:
        """Number the masks as they will be, if these columns are written. Returns the columns."""
        written = {*columns}
        if "masks" not in written:
            self.masks = former.masks
        self.mask_changes = former.mask_changes + (self.masks != former.masks)
        return sorted(written | {"mask_changes"} if self.masks != former.masks else written)
