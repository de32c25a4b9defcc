"""Rows that know what was changed about them here."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Self

from django.db import models


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
