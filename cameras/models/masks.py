"""Privacy masks of a camera, with a version that is never reused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Self, TypeVar

from django.db import models, transaction

from cameras.models.states import CameraStill


class WithChanges(models.Model):
    """A row that remembers how it was stored. Its `save` says when that is so again."""

    _stored: dict[str, Any]

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        """As it was stored, so that `save` knows what is new."""
        row = super().from_db(*args, **kwargs)
        row._stored = row._here()
        return row

    def _here(self) -> dict[str, Any]:
        """The values of this instance by column, without those that were not loaded."""
        columns = (field.attname for field in self._meta.concrete_fields if not field.primary_key)
        return {name: deepcopy(self.__dict__[name]) for name in columns if name in self.__dict__}

    def _changed(self) -> list[str]:
        now, stored = self._here(), self._stored
        return [name for name, value in now.items() if value != stored.get(name, ...)]


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
