"""Policies that rule nothing, to see what they would say."""

import approvals.models
import console.core.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_guards'),
        ('approvals', '0013_recuse'),
    ]

    operations = [
        migrations.CreateModel(
            name='Trial',
            fields=[
                ('id', models.TextField(default=approvals.models.trial_id, primary_key=True, serialize=False)),
                ('source', models.TextField()),
                ('document', console.core.fields.OrderedJSONField()),
                ('since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('team', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.team')),
            ],
        ),
    ]
