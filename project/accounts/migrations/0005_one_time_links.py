"""Give both kinds of one-time links the same fields.

The audit log has who accepted an invitation; who made it is the user of its `membership`.
"""

from django.db import migrations, models

import project.accounts.models.one_time_links


class Migration(migrations.Migration):
    dependencies = (("accounts", "0004_revoked_invitations_expire"),)
    operations = (
        migrations.RenameField("invitation", "accepted_at", "used_at"),
        migrations.RemoveField("invitation", "accepted_by"),
        migrations.RemoveField("invitation", "created_by"),
        migrations.RemoveField("invitation", "revoked_at"),
        migrations.AlterField(
            "signinlink",
            "expires_at",
            models.DateTimeField(default=project.accounts.models.one_time_links._in_a_day),
        ),
        migrations.AlterField(
            "signinlink", "used_at", models.DateTimeField(editable=False, null=True)
        ),
    )
