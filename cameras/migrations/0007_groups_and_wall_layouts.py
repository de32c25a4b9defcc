import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import cameras.models.cameras


class Migration(migrations.Migration):
    dependencies = (
        ("accounts", "0005_one_time_links"),
        ("cameras", "0006_media_folder_of_each_organization"),
    )
    operations = (
        migrations.CreateModel(
            name="WallLayout",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="wall_layout",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("order", models.JSONField(default=list)),
                ("live_first", models.BooleanField(default=False, verbose_name="live cameras first")),
            ],
        ),
        migrations.AddField(
            model_name="camera",
            name="group",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Cameras of one group can be shown together, such as those of a hall.",
                max_length=40,
                validators=[cameras.models.cameras.validate_line],
            ),
        ),
    )
