"""What an organization may use of this machine: files in its own folder, and granted devices."""

from __future__ import annotations

import os
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models

from project.accounts.models.organizations import Organization

HIGHEST_DEVICE = 63
FILES_SHOWN = 100
ENTRIES_READ = 2000  # of a folder, to find files to show


def media_folder(organization_id: uuid.UUID) -> Path:
    """The folder of the organization's video files.

    It is named by the id, because slugs change and may be given again.
    """
    return Path(settings.MEDIA_DIR) / str(organization_id)


def shown_media_folder(organization_id: uuid.UUID) -> str:
    """The folder as it is named to people: its path inside the data folder."""
    return f"{Path(settings.MEDIA_DIR).name}/{organization_id}/"


def media_files(organization_id: uuid.UUID) -> list[str]:
    """The paths of the organization's files, as sources name them, in order.

    Creates the folder, if that is possible. Bound: `FILES_SHOWN` paths out of `ENTRIES_READ`
    entries; hidden files and links are left out.
    """
    folder = media_folder(organization_id)
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    entries = islice(_walk(folder), ENTRIES_READ)
    files = [Path(entry.path) for entry in entries if entry.is_file(follow_symlinks=False)]
    return sorted(str(file.relative_to(folder)) for file in files)[:FILES_SHOWN]


def _walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder and then of its subfolders. What cannot be read is left out."""
    folders = deque([str(folder)])
    while folders:
        with suppress(OSError), os.scandir(folders.popleft()) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.name.isprintable():
                    continue
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)


class DeviceGrant(models.Model):
    """Allows an organization to use a camera attached to this machine.

    Staff of the installation make and withdraw grants in the admin.
    """

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="device_grants"
    )
    device = models.PositiveSmallIntegerField(
        validators=[MaxValueValidator(HIGHEST_DEVICE)],
        help_text="The number of the device: 0 is /dev/video0.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("organization__name", "device")
        constraints = (
            models.UniqueConstraint(
                fields=("organization", "device"),
                name="device_granted_once",
                violation_error_message="This device is granted to the organization already.",
            ),
        )

    def __str__(self) -> str:
        return f"/dev/video{self.device}"


def device_refusal(device: int) -> str:
    """Return the sentence for a device that is not granted, whether it exists or not."""
    return (
        f"/dev/video{device} is not granted to this organization; ask who runs the server to "
        "grant it in the admin, under “Device grants”."
    )
