"""Let revoked invitations expire when they were revoked: `revoked_at` goes."""

from typing import Any

from django.db import migrations, models


def expire(apps: Any, schema_editor: Any) -> None:
    revoked = apps.get_model("accounts", "Invitation").objects
    revoked.filter(revoked_at__lt=models.F("expires_at")).update(expires_at=models.F("revoked_at"))


class Migration(migrations.Migration):
    dependencies = (("accounts", "0003_link_memberships"),)
    operations = (migrations.RunPython(expire, migrations.RunPython.noop),)
