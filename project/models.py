"""The row that shows whether the database can be written."""

from __future__ import annotations

from django.db import models


class WriteCheck(models.Model):
    """One row, rewritten by readiness checks. `filling` takes space, as real rows do."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    filling = models.BinaryField()

    class Meta:
        verbose_name = "write check"

    def __str__(self) -> str:
        return str(self.pk)
