import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('chats', '0003_limits_of_stored_text'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='chat',
            name='titled_by_hand',
        ),
        migrations.AlterField(
            model_name='assistant',
            name='daily_tokens',
            field=models.PositiveBigIntegerField(blank=True, default=10000000, help_text='Empty: no limit.', null=True, verbose_name='tokens a day'),
        ),
        migrations.AlterField(
            model_name='assistant',
            name='max_tokens',
            field=models.PositiveIntegerField(default=1024, help_text='From 16 to 32,768. The built-in model writes 512.', validators=[django.core.validators.MinValueValidator(16), django.core.validators.MaxValueValidator(32768)], verbose_name='most tokens in an answer'),
        ),
        migrations.AlterField(
            model_name='assistant',
            name='model',
            field=models.CharField(blank=True, help_text='As the endpoint calls it. Not used by the built-in model.', max_length=200),
        ),
        migrations.AlterField(
            model_name='assistant',
            name='storage_mb',
            field=models.PositiveIntegerField(blank=True, default=2048, help_text='Empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='megabytes of stored text'),
        ),
        migrations.AlterField(
            model_name='assistant',
            name='storage_mb_each',
            field=models.PositiveIntegerField(blank=True, default=64, help_text='Empty: no limit. Who has more must delete chats first.', null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='megabytes of stored text for each person'),
        ),
        migrations.AlterField(
            model_name='assistant',
            name='temperature',
            field=models.FloatField(default=0.3, help_text='From 0 to 2. Lower repeats itself, higher wanders.', validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(2.0)]),
        ),
    ]
