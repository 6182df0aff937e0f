"""By which action people signed a version of a policy."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('approvals', '0011_halts'),
    ]

    operations = [
        migrations.AddField(
            model_name='policyversion',
            name='action',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='published', to='approvals.action'),
        ),
    ]
