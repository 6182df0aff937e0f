"""By what the secret of a webhook is known again."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0020_openings'),
    ]

    operations = [
        migrations.AddField(
            model_name='webhooksecret',
            name='prints',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
        ),
    ]
