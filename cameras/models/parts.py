"""The parts in which a detector's file comes, one after the other."""

from __future__ import annotations

from django.db import models


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
