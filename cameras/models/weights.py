"""A detector that an organization brought along: an ONNX file, and what is known about it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models

from cameras.models.organizations import Organization, User

if TYPE_CHECKING:
    from cameras.actors import Actor


class WeightsQuerySet(models.QuerySet["Weights"]):
    def visible_to(self, actor: Actor) -> WeightsQuerySet:
        """A matter of administrators."""
        return self.filter(organization__in=actor.organization_ids("admin"))


class Weights(models.Model):
    """One organization's own model. Nothing runs it before a child process has checked it."""

    class State(models.TextChoices):
        ARRIVING = "arriving", "Being uploaded"
        CHECKING = "checking", "Being checked"
        READY = "ready", "In use"
        REFUSED = "refused", "Refused"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, related_name="weights"
    )
    name = models.CharField(max_length=100)
    size = models.PositiveIntegerField()  # bytes
    sha256 = models.CharField(max_length=64, blank=True, default="")
    labels = models.JSONField(default=list)
    colours = models.CharField(
        max_length=3, choices=(("rgb", "RGB"), ("bgr", "BGR")), default="rgb"
    )
    scale = models.CharField(
        max_length=5, choices=(("unit", "0 to 1"), ("bytes", "0 to 255")), default="unit"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.ARRIVING)
    reason = models.CharField(max_length=300, blank=True, default="")
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    uploaded_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    uploaded_at = models.DateTimeField(auto_now_add=True)

    objects = WeightsQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "weights"

    def __str__(self) -> str:
        return f"{self.name} of {self.organization}"


class WeightsPart(models.Model):
    """A stretch of the file. In the database, so that every host that reads cameras has it."""

    weights = models.ForeignKey(Weights, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ("number",)
        constraints = (
            models.UniqueConstraint(fields=("weights", "number"), name="weights_part_once"),
        )

    def __str__(self) -> str:
        return f"Part {self.number} of {self.weights_id}"
