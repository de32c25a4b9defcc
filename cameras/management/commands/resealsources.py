"""`manage.py resealsources`: encrypt stored sources anew, after a change of SIDELINE_FIELD_KEY."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cameras.models import Camera
from cameras.models.sealed import SealBroken, reseal


class Command(BaseCommand):
    help = "Encrypt all camera sources with the first key of SIDELINE_FIELD_KEY."

    def handle(self, *args: Any, **options: Any) -> None:
        broken = []
        cameras = Camera.objects.exclude(sealed_source="")
        for camera in cameras:
            try:
                sealed = reseal(camera.sealed_source)
            except SealBroken:
                broken.append(camera.name)
                continue
            Camera.objects.filter(pk=camera.pk).update(sealed_source=sealed)
        if broken:
            raise CommandError(
                f"No key of SIDELINE_FIELD_KEY opens the source of {', '.join(broken)}. "
                "The others are done."
            )
        self.stdout.write(f"Encrypted with the first key: {len(cameras)} of {len(cameras)}.")
