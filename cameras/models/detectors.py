"""Detectors that organizations upload: an ONNX file in parts, and its state."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from project.accounts.models.organizations import Organization, User

PART = 512 * 1024  # bytes of each part but the last


class UploadRefused(ValueError):
    """A part that is not accepted, with a sentence why."""


class WeightsPart(models.Model):
    """A part of the file, in the database so that every ingest host can read it."""

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


ABANDONED = timedelta(days=1)  # uploads that began earlier are deleted
LOST = timedelta(seconds=90)  # longer than any check takes


class WeightsQuerySet(models.QuerySet["Weights"]):
    def in_use(self) -> WeightsQuerySet:
        """The models that cameras detect with: at most one per organization."""
        return self.filter(state=Weights.State.READY)

    def abandoned(self) -> WeightsQuerySet:
        """The uploads that nobody will finish."""
        unfinished = self.filter(state__in=(Weights.State.ARRIVING, Weights.State.CHECKING))
        return unfinished.filter(uploaded_at__lt=timezone.now() - ABANDONED)


class Weights(models.Model):
    """One organization's own model. It is used only after a child process has checked it.

    The model in use stays in use until another one has passed its check. Code that changes one, or
    its parts, locks the organization before any other row.
    """

    class State(models.TextChoices):
        ARRIVING = "arriving", "Being uploaded"
        CHECKING = "checking", "Being checked"
        READY = "ready", "In use"
        REFUSED = "refused", "Refused"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="weights")
    name = models.CharField(max_length=100)
    size = models.PositiveIntegerField()  # bytes
    sha256 = models.CharField(max_length=64, blank=True, default="")
    labels = models.JSONField(default=list)  # empty until the check: those that the file names
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
    uploaded_at = models.DateTimeField(auto_now_add=True)  # start of the upload, then of the check

    objects = WeightsQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "weights"
        constraints = (
            models.UniqueConstraint(
                fields=("organization",),
                condition=models.Q(state="ready"),
                name="one_model_in_use",
            ),
            models.UniqueConstraint(
                fields=("organization",),
                condition=models.Q(state__in=("arriving", "checking")),
                name="one_model_on_the_way",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} of {self.organization}"

    @classmethod
    @transaction.atomic
    def begin(cls, organization: Organization, **facts: Any) -> Weights:
        """Create the row of an upload. Delete the organization's unfinished or refused one."""
        Organization.objects.lock(organization.pk)
        organization.weights.exclude(state=cls.State.READY).delete()
        return cls.objects.create(organization=organization, **facts)

    @classmethod
    @transaction.atomic
    def remove(cls, organization: Organization) -> Weights | None:
        """Delete the model in use. Return its former row, or None without one."""
        Organization.objects.lock(organization.pk)
        used = cls.objects.in_use().filter(organization=organization).first()
        if used is not None:
            used.delete()
        return used

    @property
    def count(self) -> int:
        """The number of parts that the file has."""
        return -(-self.size // PART)

    @transaction.atomic
    def add_part(self, number: int, data: bytes) -> None:
        """Store a part of the file. A part may be repeated. Raises `UploadRefused`."""
        Organization.objects.lock(self.organization_id)
        if not Weights.objects.filter(pk=self.pk, state=Weights.State.ARRIVING).exists():
            raise UploadRefused("This upload is over. Choose the file again.")
        if number >= self.count or len(data) != min(PART, self.size - number * PART):
            raise UploadRefused("This part of the file is not of the right length.")
        part, _ = self.parts.get_or_create(number=number, defaults={"data": data})
        if bytes(part.data) != data:
            raise UploadRefused("This is another file than before. Choose it again.")

    def data(self) -> bytes:
        """Return the whole file."""
        parts = self.parts.order_by("number").values_list("data", flat=True)
        return b"".join(bytes(part) for part in parts.iterator(chunk_size=8))

    def claim_check(self) -> bool:
        """Claim the check, by one UPDATE. False if the upload is incomplete or already claimed."""
        if self.parts.count() < self.count:
            return False
        waiting = models.Q(state=Weights.State.ARRIVING)
        waiting |= models.Q(state=Weights.State.CHECKING, uploaded_at__lt=timezone.now() - LOST)
        mine = Weights.objects.filter(waiting, pk=self.pk)
        return bool(mine.update(state=Weights.State.CHECKING, uploaded_at=timezone.now()))

    @property
    def is_being_checked(self) -> bool:
        """True during the check. False if the process that checked it died."""
        recent = self.uploaded_at > timezone.now() - LOST
        return self.state == Weights.State.CHECKING and recent

    def release_check(self) -> None:
        """Undo `claim_check`: the check could not run and may be claimed again."""
        self._while_checking().update(state=Weights.State.ARRIVING)

    @transaction.atomic
    def accept(self, data: bytes, reason: str, **facts: Any) -> bool:
        """Use it instead of the former model. False if it was replaced meanwhile."""
        Organization.objects.lock(self.organization_id)
        if not self._while_checking().exists():
            return False
        Weights.objects.in_use().filter(organization=self.organization_id).delete()
        proof = hashlib.sha256(data).hexdigest()
        facts |= {"reason": reason[:300], "sha256": proof, "state": Weights.State.READY}
        return bool(self._while_checking().update(**facts))

    @transaction.atomic
    def refuse(self, reason: str) -> bool:
        """Refuse it: delete its bytes, keep the reason. False if deleted or refused before."""
        Organization.objects.lock(self.organization_id)
        living = Weights.objects.filter(pk=self.pk).exclude(state=Weights.State.REFUSED)
        if not living.update(state=Weights.State.REFUSED, reason=reason[:300]):
            return False
        self.parts.all().delete()
        return True

    def _while_checking(self) -> models.QuerySet[Weights]:
        return Weights.objects.filter(pk=self.pk, state=Weights.State.CHECKING)


def labels_of(organization_id: uuid.UUID | None) -> list[str]:
    """The labels of the organization's own model; empty if it uses the built-in one."""
    used = Weights.objects.in_use().filter(organization=organization_id)
    found = used.values_list("labels", flat=True).first()
    return list(found or ())
