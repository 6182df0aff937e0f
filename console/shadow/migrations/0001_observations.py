"""What observed agents did by themselves. Nothing is done because of it, so no other process needs to see it."""

import console.core.fields
import console.shadow.models
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


GUARDS = """
-- What was seen is never altered; it is forgotten as a whole.
REVOKE UPDATE ON shadow_observation FROM countersign_app;
REVOKE ALL ON shadow_observation FROM countersign_door, countersign_sequencer;
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('agents', '0003_observing'),
    ]

    operations = [
        migrations.CreateModel(
            name='Observation',
            fields=[
                ('id', models.TextField(default=console.shadow.models.observation_id, primary_key=True, serialize=False)),
                ('told', models.TextField()),
                ('seen_at', models.DateTimeField()),
                ('taken_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('place', models.TextField()),
                ('integration', models.TextField(default='')),
                ('operation', models.TextField(default='')),
                ('values', console.core.fields.OrderedJSONField(default=dict)),
                ('verdict', models.TextField()),
                ('code', models.TextField(default='')),
                ('unfit', models.TextField(default='')),
                ('rule', models.TextField(default='')),
                ('reasons', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None)),
                ('grant', models.TextField(default='')),
                ('amount_minor', models.BigIntegerField(null=True)),
                ('currency', models.TextField(default='')),
                ('status', models.SmallIntegerField(null=True)),
                ('failed', models.BooleanField(default=False)),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='agents.agent')),
            ],
            options={
                'ordering': ['-seen_at', '-id'],
                'indexes': [models.Index(fields=['agent', '-seen_at', '-id'], name='observation_of_agent'), models.Index(fields=['agent', 'taken_at'], name='observation_taken')],
                'constraints': [models.UniqueConstraint(fields=('agent', 'told'), name='observation_once'), models.CheckConstraint(condition=models.Q(('verdict__in', ('allowed', 'held', 'refused', 'unknown'))), name='observation_verdict_known')],
            },
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
