from django.db import migrations

from cameras.ingest.sources.addresses import SourceError, device_index
from project.encryption import UnsealFailed, unseal


def grant_devices_in_use(apps, schema_editor):
    """Grant each organization the devices of its cameras: they go on working."""
    Camera = apps.get_model("cameras", "Camera")
    DeviceGrant = apps.get_model("cameras", "DeviceGrant")
    for camera in Camera.objects.filter(kind="device"):
        try:
            source = unseal(camera.sealed_source)
        except UnsealFailed:
            source = camera.shown_source  # nothing in it is masked
        try:
            device = device_index(source)
        except SourceError:
            continue
        DeviceGrant.objects.get_or_create(organization_id=camera.organization_id, device=device)


class Migration(migrations.Migration):
    dependencies = (("cameras", "0004_device_grants"),)
    operations = (migrations.RunPython(grant_devices_in_use, migrations.RunPython.noop),)
