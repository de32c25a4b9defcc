from django.db import migrations, models

from project.audit.triggers import create_triggers, drop_triggers


class Migration(migrations.Migration):
    """A view is no longer a connection of one process: its row counts the openings of all."""

    dependencies = [
        ('audit', '0001_initial'),
    ]

    operations = [
        migrations.RunPython(drop_triggers, create_triggers),
        migrations.RemoveField(
            model_name='viewing',
            name='process',
        ),
        migrations.AddField(
            model_name='auditentry',
            name='openings',
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='viewing',
            name='openings',
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.RunPython(create_triggers, drop_triggers),
    ]
