"""Privacy masks of a camera, with a version that is never used again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Self, TypeVar

from django.db import models, transaction

from cameras.models.states import CameraStill

M = TypeVar("M", bound="Masked")


class MaskedQuerySet(models.QuerySet[M]):
    def update(self, **kwargs: Any) -> int:
        """Django's; a change of masks gets a new version and deletes the stills, as in `save`."""
        if "masks" not in kwargs:
            return super().update(**kwargs)
        with transaction.atomic(using=self.db):
            CameraStill.objects.filter(camera__in=self.values("pk")).delete()
            return super().update(**kwargs, mask_changes=models.F("mask_changes") + 1)

    update.alters_data = True  # type: ignore[attr-defined]


class Masked(models.Model):
    """A row with `masks`, whose changes are counted: the same masks again are a new version.

    It remembers its stored values; subclasses update `_stored` after `save`.
    """

    masks: Any
    _stored: dict[str, Any]
    mask_changes = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        """Django's, and remember the values, so that `save` finds the changed columns."""
        row = super().from_db(*args, **kwargs)
        row._stored = row._column_values()
        return row

    def _column_values(self) -> dict[str, Any]:
        """The values by column, without deferred ones."""
        columns = (field.attname for field in self._meta.concrete_fields if not field.primary_key)
        return {name: deepcopy(self.__dict__[name]) for name in columns if name in self.__dict__}

    def _changed_columns(self) -> list[str]:
        now, stored = self._column_values(), self._stored
        return [name for name, value in now.items() if value != stored.get(name, ...)]

    @property
    def mask_version(self) -> str:
        """The version of the masks, see `cameras/live/mask_versions.py`.

        Empty if the camera never had masks.
        """
        if not self.masks and not self.mask_changes:
            return ""
        digest = hashlib.sha256(json.dumps(self.masks).encode()).hexdigest()[:16]
        return f"{self.mask_changes}-{digest}"

    def _count_mask_change(self, former: Masked, columns: Iterable[str]) -> list[str]:
        """Set `masks` and `mask_changes` for a write of these columns; return all to write."""
        written = {*columns}
        if "masks" not in written:
            self.masks = former.masks
        self.mask_changes = former.mask_changes + (self.masks != former.masks)
        return sorted(written | {"mask_changes"} if self.masks != former.masks else written)
