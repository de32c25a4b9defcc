"""Detectors that organizations upload: an ONNX file in parts, and its state."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection, models, transaction
from django.utils import timezone

from project.accounts.models.organizations import Organization, User

if TYPE_CHECKING:
    from project.accounts.credentials import Actor


PART = 512 * 1024  # bytes of each part but the last


class UploadRefused(ValueError):
    """A part that is not accepted. `due` is the number of the expected part."""

    def __init__(self, sentence: str, due: int) -> None:
        super().__init__(sentence)
        self.sentence, self.due = sentence, due


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

    @staticmethod
    def add(weights: Weights, number: int, data: bytes) -> int:
        """Store a part and return the number of the next. The caller has locked the upload.

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


ABANDONED = timedelta(days=1)
LOST = timedelta(seconds=90)  # longer than any check takes


class WeightsQuerySet(models.QuerySet["Weights"]):
    def visible_to(self, actor: Actor) -> WeightsQuerySet:
        """The models of organizations that the actor administers."""
        return self.filter(organization__in=actor.organization_ids("admin"))

    def in_use(self) -> WeightsQuerySet:
        """The models that cameras detect with: at most one per organization."""
        return self.filter(state=Weights.State.READY)

    def in_progress(self) -> WeightsQuerySet:
        """The models being uploaded or checked: at most one per organization."""
        return self.filter(state__in=(Weights.State.ARRIVING, Weights.State.CHECKING))


class Weights(models.Model):
    """One organization's own model. It is used only after a child process has checked it.

    The model in use stays in use until another one has passed its check. Code that replaces or
    removes one locks the organization before any other row.
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
        """Create the row of an upload. Delete the organization's unfinished or refused one.

        Abandoned uploads of other organizations are deleted, too.
        """
        Organization.objects.lock(organization.pk)
        mine = cls.objects.filter(organization=organization)
        cls._delete_locked(mine.exclude(state=cls.State.READY))
        old = cls.objects.in_progress().filter(uploaded_at__lt=timezone.now() - ABANDONED)
        # Rows of organizations that are not locked here: waiting for one could deadlock.
        cls._delete_locked(old, skip_locked=connection.features.has_select_for_update_skip_locked)
        return cls.objects.create(organization=organization, **facts)

    @classmethod
    def _delete_locked(cls, rows: models.QuerySet[Weights], *, skip_locked: bool = False) -> None:
        """Lock, then delete: `add_part` may just be adding a part, and parts are deleted first."""
        locked = rows.select_for_update(skip_locked=skip_locked)
        cls.objects.filter(pk__in=list(locked.values_list("pk", flat=True))).delete()

    @classmethod
    @transaction.atomic
    def remove(cls, organization: Organization) -> Weights | None:
        """Delete the model in use. Return its former row, or None without one."""
        Organization.objects.lock(organization.pk)
        used = cls.objects.in_use().filter(organization=organization).first()
        if used is not None:
            cls.objects.filter(pk=used.pk).delete()
        return used

    @property
    def count(self) -> int:
        """The number of parts that the file has."""
        return -(-self.size // PART)

    @transaction.atomic
    def add_part(self, number: int, data: bytes) -> int:
        """Store the next part and return the number of the one after it. Parts may be repeated.

        Raises `UploadRefused`.
        """
        now = Weights.objects.select_for_update().filter(pk=self.pk).first()
        if now is None or now.state != Weights.State.ARRIVING:
            raise UploadRefused("This upload is over. Choose the file again.", 0)
        return WeightsPart.add(now, number, data)

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
