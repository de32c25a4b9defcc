"""The parts in which a detector's file comes, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from cameras.models.weights import Weights

PART = 512 * 1024  # bytes of each part but the last


class UploadRefused(ValueError):
    """A part that does not fit. `due` is the number of the part that is waited for."""

    def __init__(self, sentence: str, due: int) -> None:
        super().__init__(sentence)
        self.sentence, self.due = sentence, due


class WeightsPart(models.Model):
    """A stretch of the file. In the database, so that every host that reads cameras has it."""

    weights = models.ForeignKey("Weights", on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ("number",)
        constraints = (
            models.UniqueConstraint(fields=("weights", "number"), name="weights_part_once"),
        )

    def __str__(self) -> str:
        return f"Part {self.number} of {self.weights_id}"

    @staticmethod
    def add(weights: Weights, number: int, data: bytes) -> int:
        """Store a part of an upload that the caller holds; the number of the next.

        Raises `UploadRefused`.
        """
        due = weights.parts.count()
        if number < due:
            known = weights.parts.values_list("data", flat=True).get(number=number)
            if bytes(known) != data:
                raise UploadRefused("This is another file than before. Choose it again.", due)
            return due
        if number > due or number >= weights.count:
            raise UploadRefused("The parts of the file must come in their order.", due)
        if len(data) != min(PART, weights.size - number * PART):
            raise UploadRefused("This part of the file is not of the right length.", due)
        weights.parts.create(number=number, data=data)
        return due + 1
