"""A detector that an organization uploaded: an ONNX file in parts, and its state."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection, models, transaction
from django.utils import timezone

from project.accounts.models.organizations import Organization, User

if TYPE_CHECKING:
    from project.accounts.access import Actor


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


ABANDONED = timedelta(days=1)
LOST = timedelta(seconds=90)  # no check takes so long


class WeightsQuerySet(models.QuerySet["Weights"]):
    def visible_to(self, actor: Actor) -> WeightsQuerySet:
        """A matter of administrators."""
        return self.filter(organization__in=actor.organization_ids("admin"))

    def in_use(self) -> WeightsQuerySet:
        """Those that cameras detect with: one of an organization at most."""
        return self.filter(state=Weights.State.READY)

    def on_the_way(self) -> WeightsQuerySet:
        """Those that are uploaded or checked just now: one of an organization at most."""
        return self.filter(state__in=(Weights.State.ARRIVING, Weights.State.CHECKING))


class Weights(models.Model):
    """One organization's own model. Nothing runs it before a child process has checked it.

    The one in use stays so until another one has passed its check. Whoever replaces or ends one
    holds its organization first, and waits for no row before that.
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
    uploaded_at = models.DateTimeField(auto_now_add=True)  # begun, then: complete

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
        """Room for an upload. It takes the place of one that was not finished, or was refused.

        Uploads that anybody abandoned are thrown away, too.
        """
        Organization.objects.hold(organization.pk)
        mine = cls.objects.filter(organization=organization)
        cls._throw_away(mine.exclude(state=cls.State.READY))
        old = cls.objects.on_the_way().filter(uploaded_at__lt=timezone.now() - ABANDONED)
        # Others' rows without the others' lock: so never wait for one.
        cls._throw_away(old, skip_locked=connection.features.has_select_for_update_skip_locked)
        return cls.objects.create(organization=organization, **facts)

    @classmethod
    def _throw_away(cls, rows: models.QuerySet[Weights], *, skip_locked: bool = False) -> None:
        """The parts go first, so `take` is waited for before: it may be adding one."""
        locked = rows.select_for_update(skip_locked=skip_locked)
        cls.objects.filter(pk__in=list(locked.values_list("pk", flat=True))).delete()

    @classmethod
    @transaction.atomic
    def remove(cls, organization: Organization) -> Weights | None:
        """Take the one in use out of use; the row that was, or None."""
        Organization.objects.hold(organization.pk)
        used = cls.objects.in_use().filter(organization=organization).first()
        if used is not None:
            cls.objects.filter(pk=used.pk).delete()
        return used

    @property
    def count(self) -> int:
        """How many parts the file has."""
        return -(-self.size // PART)

    @transaction.atomic
    def take(self, number: int, data: bytes) -> int:
        """Store a part, in order; the number of the next. A part may be sent again.

        Raises `UploadRefused`.
        """
        now = Weights.objects.select_for_update().filter(pk=self.pk).first()
        if now is None or now.state != Weights.State.ARRIVING:
            raise UploadRefused("This upload is over. Choose the file again.", 0)
        return WeightsPart.add(now, number, data)

    def data(self) -> bytes:
        """The whole file."""
        parts = self.parts.order_by("number").values_list("data", flat=True)
        return b"".join(bytes(part) for part in parts.iterator(chunk_size=8))

    def claim_check(self) -> bool:
        """Whether all of it is here and nobody checks it yet: then the caller does."""
        if self.parts.count() < self.count:
            return False
        waiting = models.Q(state=Weights.State.ARRIVING)
        waiting |= models.Q(state=Weights.State.CHECKING, uploaded_at__lt=timezone.now() - LOST)
        mine = Weights.objects.filter(waiting, pk=self.pk)
        return bool(mine.update(state=Weights.State.CHECKING, uploaded_at=timezone.now()))

    @property
    def is_being_checked(self) -> bool:
        """False where its check was lost with the process that made it."""
        recent = self.uploaded_at > timezone.now() - LOST
        return self.state == Weights.State.CHECKING and recent

    def give_back(self) -> None:
        """The check could not be made; it may be asked for again."""
        self._checked().update(state=Weights.State.ARRIVING)

    @transaction.atomic
    def accept(self, data: bytes, reason: str, **facts: Any) -> bool:
        """Use it from now on, in the place of the former. False where it was replaced meanwhile."""
        Organization.objects.hold(self.organization_id)
        if not self._checked().exists():
            return False
        Weights.objects.in_use().filter(organization=self.organization_id).delete()
        proof = hashlib.sha256(data).hexdigest()
        facts |= {"reason": reason[:300], "sha256": proof, "state": Weights.State.READY}
        return bool(self._checked().update(**facts))

    @transaction.atomic
    def refuse(self, reason: str) -> bool:
        """Never run it again. Its bytes go, the reason stays; False where it is gone already."""
        Organization.objects.hold(self.organization_id)
        living = Weights.objects.filter(pk=self.pk).exclude(state=Weights.State.REFUSED)
        if not living.update(state=Weights.State.REFUSED, reason=reason[:300]):
            return False
        self.parts.all().delete()
        return True

    def _checked(self) -> models.QuerySet[Weights]:
        return Weights.objects.filter(pk=self.pk, state=Weights.State.CHECKING)


def labels_of(organization_id: uuid.UUID | None) -> list[str]:
    """The labels of the model that an organization uses; none where it uses the shipped one."""
    used = Weights.objects.in_use().filter(organization=organization_id)
    found = used.values_list("labels", flat=True).first()
    return list(found or ())
