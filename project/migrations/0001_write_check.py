from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='WriteCheck',
            fields=[
                ('id', models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ('filling', models.BinaryField()),
            ],
            options={
                'verbose_name': 'write check',
            },
        ),
    ]
