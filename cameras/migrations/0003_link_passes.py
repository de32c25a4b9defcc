"""Link stream keys and share links to the membership of who made them; end those without one.

Nobody of the organization answers for what a former member made. It was not recorded which were
made with a token: these belong to the membership, too.
"""

from typing import Any

from django.db import migrations, models
from django.utils import timezone


def link(apps: Any, schema_editor: Any) -> None:
    members = apps.get_model("accounts", "Membership").objects
    own = members.filter(
        user=models.OuterRef("created_by"), organization__cameras=models.OuterRef("camera")
    )
    for name in ("StreamKey", "ShareLink"):
        passes = apps.get_model("cameras", name).objects
        passes.update(membership=models.Subquery(own.values("pk")[:1]))
        passes.filter(membership=None, revoked_at=None).update(revoked_at=timezone.now())


class Migration(migrations.Migration):
    dependencies = (
        ("accounts", "0003_link_memberships"),
        ("cameras", "0002_makers_of_passes"),
    )
    operations = (migrations.RunPython(link, migrations.RunPython.noop),)
