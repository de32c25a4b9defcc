"""Which pushed frames were accepted."""

from __future__ import annotations

import uuid

from django.db import models

from cameras.models.cameras import Camera


class PushClock(models.Model):
    """The newest timestamp accepted for a push camera: one value for all processes."""

    camera = models.OneToOneField(
        Camera, on_delete=models.CASCADE, primary_key=True, related_name="clock"
    )
    accepted_ms = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.accepted_ms)

    @classmethod
    def has(cls, camera_id: uuid.UUID, timestamp_ms: int) -> bool:
        """True where a frame of that time, or a newer one, was accepted."""
        return cls.objects.filter(camera_id=camera_id, accepted_ms__gte=timestamp_ms).exists()

    @classmethod
    def give_back(cls, camera_id: uuid.UUID, timestamp_ms: int) -> None:
        """The accepted frame found no taker: the same one may be sent again."""
        newest = cls.objects.filter(camera_id=camera_id, accepted_ms=timestamp_ms)
        newest.update(accepted_ms=timestamp_ms - 1)

    @classmethod
    def accept(cls, camera_id: uuid.UUID, timestamp_ms: int) -> bool:
        """True for exactly one caller per rising timestamp: claimed by one UPDATE."""
        older = cls.objects.filter(camera_id=camera_id, accepted_ms__lt=timestamp_ms)
        if older.update(accepted_ms=timestamp_ms):
            return True
        if cls.objects.filter(camera_id=camera_id).exists():
            return False
        PushClock.objects.bulk_create([PushClock(camera_id=camera_id)], ignore_conflicts=True)
        return bool(older.update(accepted_ms=timestamp_ms))
