from django.db import migrations

from cameras.audit.triggers import put_up, take_down


class Migration(migrations.Migration):

    dependencies = [
        ('cameras', '0004_gate'),
    ]

    operations = [
        migrations.RunPython(put_up, take_down),
    ]
