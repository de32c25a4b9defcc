"""What ingest stores per camera: state, last picture, and the newest pushed timestamp."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import timedelta

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

SWITCHED_OFF = "This camera is switched off."
# An accepted time was within 60 s of the server's clock, as is the new one: where they are further
# apart than that, the server's clock was set back.
SERVER_SET_BACK_MS = 120_000
# A state that ingest has not confirmed for this long counts as offline.
SILENCE = timedelta(seconds=15)


class State(models.TextChoices):
    """The states of a camera."""

    CONNECTING = "connecting", "Connecting"
    LIVE = "live", "Live"
    STALE = "stale", "Stale"
    OFFLINE = "offline", "Offline"
    ENDED = "ended", "Off"


class CameraState(models.Model):
    """Ingest's report on a camera, written on every change and every few seconds."""

    camera = models.OneToOneField(
        "Camera", on_delete=models.CASCADE, primary_key=True, related_name="state"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.CONNECTING)
    since = models.DateTimeField(default=timezone.now)
    reason = models.CharField(max_length=300, blank=True, default="")
    fps = models.FloatField(default=0)
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    last_frame_at = models.DateTimeField(null=True, blank=True)
    reported_at = models.DateTimeField(default=timezone.now)  # by the database's clock
    # Of the newest lease, see cameras/ingest/leases/embedded.py; lower ones may not write.
    fence = models.BigIntegerField(default=0, db_default=0, editable=False)

    def __str__(self) -> str:
        return self.sentence()

    @classmethod
    def restart(cls, camera_ids: Collection[object]) -> None:
        """Mark cameras as connecting: the last report is from before they were switched on."""
        cls.objects.filter(camera_id__in=camera_ids).update(
            state=State.CONNECTING, since=Now(), reason="", reported_at=Now()
        )

    def sentence(self) -> str:
        """The state in a few words, with the time in the camera's time zone."""
        since = timezone.localtime(self.since, self.camera.zone)
        today = timezone.localdate(timezone=self.camera.zone)
        at = since.strftime("%H:%M" if since.date() == today else "%-d %B, %H:%M")
        if self.state == State.OFFLINE:
            return f"Offline since {at}. {self.reason}".strip()
        if self.state == State.STALE:
            return f"Stale since {at}. {self.reason}".strip()
        return self.reason or str(self.get_state_display())


class CameraStill(models.Model):
    """The last picture of a camera, shown while it delivers none."""

    camera = models.OneToOneField(
        "Camera", on_delete=models.CASCADE, primary_key=True, related_name="still"
    )
    jpeg = models.BinaryField()
    taken_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.camera} at {self.taken_at:%H:%M:%S}"


class PushClock(models.Model):
    """The newest timestamp accepted for a push camera: one value for all processes."""

    camera = models.OneToOneField(
        "Camera", on_delete=models.CASCADE, primary_key=True, related_name="clock"
    )
    accepted_ms = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.accepted_ms)

    @classmethod
    def has_accepted(cls, camera_id: uuid.UUID, timestamp_ms: int) -> bool:
        """True if a frame of that time, or a newer one, was accepted."""
        accepted = timestamp_ms, timestamp_ms + SERVER_SET_BACK_MS
        return cls.objects.filter(camera_id=camera_id, accepted_ms__range=accepted).exists()

    @classmethod
    def release(cls, camera_id: uuid.UUID, timestamp_ms: int) -> None:
        """Undo `accept`: the frame could not be processed and may be sent again."""
        newest = cls.objects.filter(camera_id=camera_id, accepted_ms=timestamp_ms)
        newest.update(accepted_ms=timestamp_ms - 1)

    @classmethod
    def accept(cls, camera_id: uuid.UUID, timestamp_ms: int) -> bool:
        """True for exactly one caller per rising timestamp: claimed by one UPDATE."""
        older = models.Q(accepted_ms__lt=timestamp_ms)
        older |= models.Q(accepted_ms__gt=timestamp_ms + SERVER_SET_BACK_MS)
        clock = cls.objects.filter(older, camera_id=camera_id)
        if clock.update(accepted_ms=timestamp_ms):
            return True
        if cls.objects.filter(camera_id=camera_id).exists():
            return False
        PushClock.objects.bulk_create([PushClock(camera_id=camera_id)], ignore_conflicts=True)
        return bool(clock.update(accepted_ms=timestamp_ms))
