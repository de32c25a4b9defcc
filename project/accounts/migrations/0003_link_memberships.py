"""Link tokens and invitations to the membership that their user has now.

Those of former members stay without one: they open nothing, also if the user joins again.
"""

from typing import Any

from django.db import migrations, models


def link(apps: Any, schema_editor: Any) -> None:
    members = apps.get_model("accounts", "Membership").objects
    for name, user in (("Token", "user"), ("Invitation", "created_by")):
        own = members.filter(
            user=models.OuterRef(user), organization=models.OuterRef("organization")
        )
        rows = apps.get_model("accounts", name).objects
        rows.update(membership=models.Subquery(own.values("pk")[:1]))


class Migration(migrations.Migration):
    dependencies = (("accounts", "0002_membership_of_tokens_and_invitations"),)
    operations = (migrations.RunPython(link, migrations.RunPython.noop),)
