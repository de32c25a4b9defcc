"""Cameras: what they are, where their pictures come from, and what their fields may hold."""

from __future__ import annotations

import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import IntegrityError, models, transaction

from cameras.ingest.labels import COCO, DEFAULT_CLASSES
from cameras.ingest.labels import MOST as LABELS_MOST
from cameras.ingest.sources.addresses import MASK, SourceError, check, redact
from cameras.models.detectors import labels_of
from cameras.models.masks import Masked, MaskedQuerySet
from cameras.models.states import CameraState, CameraStill
from project.accounts.models.organizations import Organization, validate_time_zone
from project.encryption import SealBroken, seal, unseal

if TYPE_CHECKING:
    from project.accounts.access import Actor


MASKS_MOST, CORNERS_MOST = 16, 32
KEEPS_ITS_ORGANIZATION = "A camera keeps its organization."


def default_classes() -> list[str]:
    """The detector's usual allow-list, as a list for JSON."""
    return list(DEFAULT_CLASSES)


def validate_classes(value: Any) -> None:
    """A list of class names; whether the detector knows them depends on the organization."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValidationError("Classes must be a list of names.")
    if len(value) > LABELS_MOST:
        raise ValidationError("Name each class once.")


def validate_line(value: str) -> None:
    """One line of text that can be shown and logged."""
    if not value.isprintable():
        raise ValidationError("A name is one line of plain text.")


def validate_masks(value: Any) -> None:
    """A list of polygons; a polygon is a list of `[x, y]`, each from 0 to 1 of the picture."""
    if not isinstance(value, list) or len(value) > MASKS_MOST:
        raise ValidationError(f"Masks are a list of at most {MASKS_MOST} areas.")
    for polygon in value:
        if not isinstance(polygon, list) or not 3 <= len(polygon) <= CORNERS_MOST:
            raise ValidationError(f"An area has from 3 to {CORNERS_MOST} corners.")
        if not all(map(_is_corner, polygon)):
            raise ValidationError("A corner is two numbers from 0 to 1.")


def _is_corner(value: Any) -> bool:
    numbers = isinstance(value, list) and len(value) == 2
    return numbers and all(type(one) in (int, float) and 0 <= one <= 1 for one in value)


def validate_source(kind: str, source: str) -> None:
    """Where a camera of this kind may take its pictures from; the password has to be a real one."""
    try:
        if MASK in source:
            raise SourceError("Enter the password again: the address around it has changed.")
        check(
            kind,
            source,
            media_root=settings.MEDIA_DIR,
            allow_loopback=settings.ALLOW_LOOPBACK_SOURCES,
            listed=settings.CAMERA_SERVERS,
        )
    except SourceError as error:
        raise ValidationError({"source": error.sentence}) from None


class Kind(models.TextChoices):
    """Where a camera's frames come from."""

    RTSP = "rtsp", "RTSP camera"
    HTTP = "http", "HTTP stream (MJPEG, HLS, MPEG-TS, MP4)"
    DEVICE = "device", "Camera attached to this machine"
    FILE = "file", "Video file in the media folder"
    PUSH = "push", "Pushed by a browser or device"
    DEMO = "demo", "Demo clip"


class CameraQuerySet(MaskedQuerySet["Camera"]):
    def known_to(self, actor: Actor) -> CameraQuerySet:
        """Those whose existence is no secret to the actor: of its organizations, or of its key.

        What is not among them is 404; what is, but lies beyond role or scope, is 403.
        """
        return self.filter(
            models.Q(organization__in=actor.roles) | models.Q(pk__in=actor.resource_ids)
        )

    def visible_to(self, actor: Actor) -> CameraQuerySet:
        """Those in organizations that the actor may read, and the one of a stream key."""
        return self.filter(
            models.Q(organization__in=actor.organization_ids("read"))
            | models.Q(pk__in=actor.resource_ids)
        )


class Camera(Masked):
    """A source of pictures of one organization."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="cameras")
    name = models.CharField(max_length=80, validators=[validate_line])
    kind = models.CharField(max_length=10, choices=Kind.choices)
    sealed_source = models.TextField(blank=True, default="", editable=False)
    shown_source = models.CharField(max_length=2000, blank=True, default="", editable=False)
    enabled = models.BooleanField(default=True)
    fps = models.PositiveSmallIntegerField(
        "frames per second", default=10, validators=[MinValueValidator(1), MaxValueValidator(30)]
    )
    width = models.PositiveSmallIntegerField(
        "greatest width",
        null=True,
        blank=True,
        validators=[MinValueValidator(160), MaxValueValidator(3840)],
        help_text="Pixels. Wider pictures are scaled down. Empty keeps the camera's own size.",
    )
    quality = models.PositiveSmallIntegerField(
        "JPEG quality", default=80, validators=[MinValueValidator(30), MaxValueValidator(95)]
    )
    detect = models.BooleanField("detect objects", default=True)
    classes = models.JSONField(
        "what to detect", default=default_classes, validators=[validate_classes]
    )
    threshold = models.FloatField(
        "least confidence",
        default=0.4,
        validators=[MinValueValidator(0.05), MaxValueValidator(0.95)],
    )
    masks = models.JSONField("privacy masks", default=list, blank=True, validators=[validate_masks])
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        validators=[validate_time_zone],
        help_text="Only where it differs from the organization's.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CameraQuerySet.as_manager()

    class Meta:
        ordering = ("name", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("organization", "name"),
                name="camera_name_once",
                violation_error_message="A camera of this name exists already.",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def may_be_watched_by(self, actor: Actor) -> bool:
        """True where the actor may see the camera's pictures."""
        return self.pk in actor.resource_ids or actor.may("read", self.organization_id)

    def may_be_published_by(self, actor: Actor) -> bool:
        """True where the actor may send pictures as the camera."""
        return actor.may("publish", self.organization_id)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Only what was changed here is written: somebody else's change of another field stays.

        With other masks than before, the last picture goes: it shows what they are to hide.
        Raises `DoesNotExist` where the camera was deleted meanwhile.
        """
        with transaction.atomic():
            if not self._state.adding:
                former = Camera.objects.select_for_update(no_key=True).get(pk=self.pk)
                columns = kwargs.get("update_fields")
                columns = self._changed() if columns is None else columns
                kwargs["update_fields"] = self._count_masks(former, columns)
                if former.mark != self.mark:
                    CameraStill.objects.filter(camera=self).delete()
            super().save(*args, **kwargs)
        self._stored = self._here()

    def _check_classes(self) -> None:
        """The shipped detector's, or those of the organization's own model."""
        known = {*COCO, *labels_of(self.organization_id)}
        unknown = [str(name) for name in self.classes if name not in known]
        if unknown:
            said = f"The detector does not know {', '.join(unknown)[:200]}."
            raise ValidationError({"classes": said})

    @property
    def source(self) -> str:
        """Where the frames come from, credentials included. Raises `SealBroken`."""
        return unseal(self.sealed_source)

    @source.setter
    def source(self, text: str) -> None:
        """A text whose password is the mask keeps the stored password, if nothing else changed."""
        text = text.strip()
        if MASK in text and text == self.shown_source:
            return
        self.sealed_source = seal(text)
        self.shown_source = redact(text)

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The zone in which this camera's times are shown."""
        return zoneinfo.ZoneInfo(self.time_zone or self.organization.time_zone)

    def clean(self) -> None:
        """The one validation of a source, for the form, the API and the admin.

        A source that was stored is not asked again: one that broke since, such as a deleted file,
        must not keep anybody from renaming the camera or switching it off.
        """
        former = Camera.objects.filter(pk=self.pk).first()
        if former and former.organization_id != self.organization_id:
            raise ValidationError({"organization": KEEPS_ITS_ORGANIZATION})
        if former is None or former.classes != self.classes:
            self._check_classes()
        if former and (former.kind, former.sealed_source) == (self.kind, self.sealed_source):
            return
        try:
            validate_source(self.kind, self.source)
        except SealBroken as error:
            raise ValidationError({"source": str(error)}) from None

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Reports that come just now wait for the end of it, and find no camera."""
        with transaction.atomic():
            Camera.objects.select_for_update().filter(pk=self.pk).first()
            return super().delete(*args, **kwargs)

    def current_state(self) -> CameraState:
        """What is known of it now."""
        return CameraState.current(self)

    @staticmethod
    def claim_fence(camera_id: uuid.UUID | str) -> int | None:
        """A number above all that were claimed before, for exactly one caller: by one UPDATE.

        None where there is no such camera.
        """
        states = CameraState.objects.filter(camera_id=camera_id)
        while True:  # every failure is somebody else's success
            newest: int | None = states.values_list("fence", flat=True).first()
            if newest is None:
                if not Camera.objects.filter(pk=camera_id).exists():
                    return None
                first = CameraState(camera_id=camera_id)
                try:
                    CameraState.objects.bulk_create([first], ignore_conflicts=True)
                except IntegrityError:  # deleted just now
                    return None
            elif states.filter(fence=newest).update(fence=newest + 1):
                return newest + 1
