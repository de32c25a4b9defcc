from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('cameras', '0006_second_factor'),
    ]

    operations = [
        migrations.AddField(
            model_name='camera',
            name='mask_changes',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
    ]
