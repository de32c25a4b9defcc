import filecmp
import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db import migrations

from project.encryption import UnsealFailed, unseal

log = logging.getLogger(__name__)


def move_files(apps, schema_editor):
    """Move the files that cameras play from `media/` into `media/<organization>/`.

    The name inside the folder stays. A file of two organizations gets a hard link in both folders.
    Files that no camera plays stay where they are. May be repeated.
    """
    root = Path(settings.MEDIA_DIR).resolve()
    organizations = apps.get_model("accounts", "Organization").objects.values_list("pk", flat=True)
    folders = set(map(str, organizations))  # what is there already has its place
    targets: dict[Path, list[Path]] = {}
    for camera in apps.get_model("cameras", "Camera").objects.filter(kind="file"):
        try:
            source = unseal(camera.sealed_source)
        except UnsealFailed:
            source = camera.shown_source
        with suppress(OSError, RuntimeError):
            file = (root / source).resolve()
            inside = file.is_relative_to(root) and ".." not in Path(source).parts
            if inside and file.is_file() and file.relative_to(root).parts[0] not in folders:
                targets.setdefault(file, []).append(root / str(camera.organization_id) / source)
    for file, places in targets.items():
        try:
            for place in places:
                _link(file, place)
            if all(filecmp.cmp(file, place, shallow=False) for place in places):
                file.unlink()
        except OSError as error:
            log.warning("%s could not be moved to %s: %s", file, places[0].parent, error)


def _link(file: Path, place: Path) -> None:
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, place)
    except OSError:  # another disk, or one without hard links
        part = place.with_name(f".{place.name}.part")
        shutil.copy2(file, part)
        part.rename(place)


class Migration(migrations.Migration):
    dependencies = (("cameras", "0005_grant_devices_in_use"),)
    operations = (migrations.RunPython(move_files, migrations.RunPython.noop),)
