"""Cameras: what they are, what state they are in, and the last picture seen."""

from __future__ import annotations

import uuid
import zoneinfo
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from cameras.ingest.labels import COCO, DEFAULT_CLASSES
from cameras.ingest.sources import MASK, SourceError, check, redact
from cameras.models.organizations import Organization, validate_time_zone
from cameras.models.sealed import SealBroken, seal, unseal

if TYPE_CHECKING:
    from cameras.actors import Actor

SWITCHED_OFF = "This camera is switched off."
# Without a word from ingest for this long, what it last said is no longer so.
SILENCE = timedelta(seconds=15)


class Kind(models.TextChoices):
    """Where a camera's frames come from."""

    RTSP = "rtsp", "RTSP camera"
    HTTP = "http", "HTTP stream (MJPEG, HLS, MPEG-TS, MP4)"
    DEVICE = "device", "Camera attached to this machine"
    FILE = "file", "Video file in the media folder"
    PUSH = "push", "Pushed by a browser or device"
    DEMO = "demo", "Demo clip"


def default_classes() -> list[str]:
    """The detector's usual allow-list, as a list for JSON."""
    return list(DEFAULT_CLASSES)


def validate_classes(value: Any) -> None:
    """A list of class names that the detector knows."""
    if not isinstance(value, list):
        raise ValidationError("Classes must be a list.")
    if len(value) > len(COCO):
        raise ValidationError("Name each class once.")
    unknown = [str(name) for name in value if name not in COCO]
    if unknown:
        raise ValidationError(f"The detector does not know {', '.join(unknown)[:200]}.")


def validate_line(value: str) -> None:
    """One line of text that can be shown and logged."""
    if not value.isprintable():
        raise ValidationError("A name is one line of plain text.")


MASKS_MOST, CORNERS_MOST = 16, 32


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


class CameraQuerySet(models.QuerySet["Camera"]):
    def known_to(self, actor: Actor) -> CameraQuerySet:
        """Those whose existence is no secret to the actor: of its organizations, or of its key.

        What is not among them is 404; what is, but lies beyond role or scope, is 403.
        """
        return self.filter(
            models.Q(organization__in=actor.roles) | models.Q(pk__in=actor.keyed_cameras)
        )

    def visible_to(self, actor: Actor) -> CameraQuerySet:
        """Those in organizations that the actor may read, and the one of a stream key."""
        return self.filter(
            models.Q(organization__in=actor.organization_ids("read"))
            | models.Q(pk__in=actor.keyed_cameras)
        )


class Camera(models.Model):
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
            raise ValidationError({"organization": "A camera keeps its organization."})
        if former and (former.kind, former.sealed_source) == (self.kind, self.sealed_source):
            return
        try:
            source = self.source
            if MASK in source:
                raise SourceError("Enter the password again: the address around it has changed.")
            check(
                self.kind,
                source,
                media_root=settings.MEDIA_DIR,
                allow_loopback=settings.ALLOW_LOOPBACK_SOURCES,
            )
        except SourceError as error:
            raise ValidationError({"source": error.sentence}) from None
        except SealBroken as error:
            raise ValidationError({"source": str(error)}) from None

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Reports that come just now wait for the end of it, and find no camera."""
        with transaction.atomic():
            Camera.objects.select_for_update().filter(pk=self.pk).first()
            return super().delete(*args, **kwargs)

    def current_state(self) -> CameraState:
        """What is known now: the ingest's last word, or that it is silent, or switched off."""
        reported = getattr(self, "state", None)
        state = reported or CameraState(
            camera=self, since=self.created_at, reported_at=self.created_at
        )
        if not self.enabled:
            state.state, state.reason = State.ENDED, SWITCHED_OFF
        elif timezone.now() - state.reported_at > SILENCE:
            if state.state != State.OFFLINE:
                state.state, state.since = State.OFFLINE, state.last_frame_at or state.reported_at
            state.reason = state.reason or "No process is reading this camera."
        return state


class State(models.TextChoices):
    """How a camera is doing."""

    CONNECTING = "connecting", "Connecting"
    LIVE = "live", "Live"
    STALE = "stale", "Stale"
    OFFLINE = "offline", "Offline"
    ENDED = "ended", "Off"


class CameraState(models.Model):
    """The ingest's report on a camera: written on every change and every few seconds."""

    camera = models.OneToOneField(
        Camera, on_delete=models.CASCADE, primary_key=True, related_name="state"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.CONNECTING)
    since = models.DateTimeField(default=timezone.now)
    reason = models.CharField(max_length=300, blank=True, default="")
    fps = models.FloatField(default=0)
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    last_frame_at = models.DateTimeField(null=True, blank=True)
    reported_at = models.DateTimeField(default=timezone.now)
    # The newest lease's, see cameras/ingest/leases.py: reports of a lower one are refused.
    fence = models.BigIntegerField(default=0, db_default=0, editable=False)

    def __str__(self) -> str:
        return self.sentence()

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

    def sentence(self) -> str:
        """The state in a few words, with the time in the camera's zone."""
        since = timezone.localtime(self.since, self.camera.zone)
        today = timezone.localdate(timezone=self.camera.zone)
        at = since.strftime("%H:%M" if since.date() == today else "%-d %B, %H:%M")
        if self.state == State.OFFLINE:
            return f"Offline since {at}. {self.reason}".strip()
        if self.state == State.STALE:
            return f"Stale since {at}. {self.reason}".strip()
        return self.reason or str(self.get_state_display())


class CameraStill(models.Model):
    """The last picture of a camera, kept so that a dead one still shows something."""

    camera = models.OneToOneField(
        Camera, on_delete=models.CASCADE, primary_key=True, related_name="still"
    )
    jpeg = models.BinaryField()
    taken_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.camera} at {self.taken_at:%H:%M:%S}"
