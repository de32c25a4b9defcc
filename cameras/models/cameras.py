"""Cameras: the source of their pictures, their settings, and the validation of both."""

from __future__ import annotations

import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import IntegrityError, models, transaction
from django.db.models.functions import Now

from cameras.ingest.labels import COCO, DEFAULT_CLASSES, MAX_LABELS
from cameras.ingest.sources.addresses import MASK, SourceError, check, device_index, redact
from cameras.models.detectors import labels_of
from cameras.models.local_sources import DeviceGrant, device_refusal, media_folder
from cameras.models.masks import Masked, MaskedQuerySet
from cameras.models.states import SILENCE, SWITCHED_OFF, CameraState, CameraStill, State
from project.accounts.models.organizations import Organization, validate_time_zone
from project.database.clock import database_now
from project.encryption import UnsealFailed, seal, unseal

if TYPE_CHECKING:
    from project.accounts.credentials import Actor


MASKS_MOST, CORNERS_MOST = 16, 32
KEEPS_ITS_ORGANIZATION = "A camera keeps its organization."


def default_classes() -> list[str]:
    """The classes that a new camera detects, as a list for JSON."""
    return list(DEFAULT_CLASSES)


def validate_classes(value: Any) -> None:
    """A list of names. `Camera.clean` checks that the organization's detector knows them."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValidationError("Classes must be a list of names.")
    if len(value) > MAX_LABELS:
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
    is_pair = isinstance(value, list) and len(value) == 2
    return is_pair and all(type(number) in (int, float) and 0 <= number <= 1 for number in value)


class Kind(models.TextChoices):
    """Where a camera's frames come from."""

    RTSP = "rtsp", "RTSP camera"
    HTTP = "http", "HTTP stream (MJPEG, HLS, MPEG-TS, MP4)"
    DEVICE = "device", "Camera attached to this machine"
    FILE = "file", "Video file in the media folder"
    PUSH = "push", "Pushed by a browser or device"
    DEMO = "demo", "Demo clip"


class Aspect(models.TextChoices):
    """What a camera's upright picture is scaled to, where the camera does not tell its pixels."""

    TOLD = "auto", "As the camera says"
    SQUARE = "square", "Square pixels"
    WIDE = "16:9", "16:9"
    STANDARD = "4:3", "4:3"
    TALL = "9:16", "9:16"
    STANDARD_TALL = "3:4", "3:4"


class CameraQuerySet(MaskedQuerySet["Camera"]):
    def known_to(self, actor: Actor) -> CameraQuerySet:
        """The cameras that the actor may know of: of its organizations, or of its key.

        Others are 404; those that it knows, but role or scope do not allow, are 403.
        """
        return self.filter(
            models.Q(organization__in=actor.roles) | models.Q(pk__in=actor.resource_ids)
        )

    def visible_to(self, actor: Actor) -> CameraQuerySet:
        """The cameras that the actor may watch: by its role and scope, or by its key."""
        return self.filter(
            models.Q(organization__in=actor.organization_ids("read"))
            | models.Q(pk__in=actor.resource_ids)
        )

    def group_names(self) -> list[str]:
        """The names of the groups that these cameras are in, sorted."""
        named = self.exclude(group="").order_by("group")
        return list(named.values_list("group", flat=True).distinct())


class Camera(Masked):
    """A source of pictures of one organization."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="cameras")
    name = models.CharField(max_length=80, validators=[validate_line])
    group = models.CharField(
        max_length=40,
        blank=True,
        default="",
        validators=[validate_line],
        help_text="Cameras of one group can be shown together, such as those of a hall.",
    )
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
    aspect = models.CharField(
        "shape of the picture",
        max_length=6,
        default=Aspect.TOLD,
        choices=Aspect.choices,
        help_text="Where pictures look narrow or wide: some cameras do not tell their shape.",
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
        """True if the actor may see the camera's pictures."""
        return self.pk in actor.resource_ids or actor.has_scope("read", self.organization_id)

    def may_be_published_by(self, actor: Actor) -> bool:
        """True if the actor may push pictures to the camera."""
        return actor.has_scope("publish", self.organization_id)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write only the changed columns, so that concurrent changes of others are kept.

        A change of masks deletes the last picture: it may show what they hide. Raises
        `DoesNotExist` if the camera was deleted meanwhile.
        """
        with transaction.atomic():
            if not self._state.adding:
                former = Camera.objects.select_for_update(no_key=True).get(pk=self.pk)
                columns = kwargs.get("update_fields")
                columns = self._changed_columns() if columns is None else columns
                kwargs["update_fields"] = self._count_mask_change(former, columns)
                if self.enabled and not former.enabled and "enabled" in columns:
                    CameraState.restart([self.pk])
                if former.mask_version != self.mask_version:
                    CameraStill.objects.filter(camera=self).delete()
            super().save(*args, **kwargs)
        self._stored = self._column_values()

    def _check_classes(self) -> None:
        """Allow the classes of the built-in detector and of the organization's own model."""
        known = {*COCO, *labels_of(self.organization_id)}
        unknown = [str(name) for name in self.classes if name not in known]
        if unknown:
            sentence = f"The detector does not know {', '.join(unknown)[:200]}."
            raise ValidationError({"classes": sentence})

    @property
    def source(self) -> str:
        """The address of the pictures, credentials included. Raises `UnsealFailed`."""
        return unseal(self.sealed_source)

    @source.setter
    def source(self, text: str) -> None:
        """Set the address. With a masked password and no other change, nothing is stored."""
        text = text.strip()
        if MASK in text and text == self.shown_source:
            return
        self.sealed_source = seal(text)
        self.shown_source = redact(text)

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The time zone in which this camera's times are shown."""
        return zoneinfo.ZoneInfo(self.time_zone or self.organization.time_zone)

    def clean(self) -> None:
        """Validate the source and the classes, for the form, the API and the admin.

        An unchanged source is not validated again: one that broke since, such as a deleted file,
        must not prevent users from renaming the camera or switching it off.
        """
        former = Camera.objects.filter(pk=self.pk).first()
        if former and former.organization_id != self.organization_id:
            raise ValidationError({"organization": KEEPS_ITS_ORGANIZATION})
        if former is None or former.classes != self.classes:
            self._check_classes()
        if former and (former.kind, former.sealed_source) == (self.kind, self.sealed_source):
            return
        self.validate_source()

    def validate_source(self) -> None:
        """Check that the organization may use the source now. Raises `ValidationError`.

        Also for a masked password: then the stored one is not for this address.
        """
        try:
            self._check_source(self.source)
        except SourceError as error:
            raise ValidationError({"source": error.sentence}) from None
        except UnsealFailed as error:
            raise ValidationError({"source": str(error)}) from None

    def _check_source(self, source: str) -> None:
        if MASK in source:
            raise SourceError("Enter the password again: the address around it has changed.")
        if self.kind in (Kind.FILE, Kind.DEVICE) and self.organization_id is None:
            raise SourceError("Choose the organization first.")
        check(
            self.kind,
            source,
            media_root=media_folder(self.organization_id),
            allow_loopback=settings.ALLOW_LOOPBACK_SOURCES,
            listed=settings.CAMERA_SERVERS,
        )
        if self.kind == Kind.DEVICE:
            device = device_index(source)
            grants = DeviceGrant.objects.filter(organization=self.organization_id, device=device)
            if not grants.exists():
                raise SourceError(device_refusal(device))

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete under a lock: reports of ingest wait for it, and then find no camera."""
        with transaction.atomic():
            Camera.objects.select_for_update().filter(pk=self.pk).first()
            return super().delete(*args, **kwargs)

    def current_state(self) -> CameraState:
        """Ingest's last report; or offline if that is too old, or ended if the camera is off.

        Without a row the returned one is not saved.
        """
        reported = getattr(self, "state", None)
        state = reported or CameraState(
            camera=self, since=self.created_at, reported_at=self.created_at
        )
        if not self.enabled:
            state.state, state.reason = State.ENDED, SWITCHED_OFF
        # Negative after the database's clock was set back; the next report follows in seconds.
        elif abs(database_now() - state.reported_at) > SILENCE:
            if state.state != State.OFFLINE:
                state.state, state.since = State.OFFLINE, state.last_frame_at or state.reported_at
            state.reason = state.reason or "Sideline is not reading this camera at the moment."
        return state

    @staticmethod
    def claim_fence(camera_id: uuid.UUID | str) -> int | None:
        """Return a new fence, higher than all before; each is returned once, by one UPDATE.

        None if there is no such camera.
        """
        states = CameraState.objects.filter(camera_id=camera_id)
        while True:  # each failure means that another caller succeeded
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
                silent = states.filter(reported_at__lt=Now() - SILENCE)
                CameraState.restart(silent.values_list("pk", flat=True))
                return newest + 1
