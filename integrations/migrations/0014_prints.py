"""By what a secret is known again."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0013_ends'),
    ]

    operations = [
        migrations.AddField(
            model_name='credential',
            name='prints',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
        ),
    ]
