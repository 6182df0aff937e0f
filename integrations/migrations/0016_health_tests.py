"""Tests of credentials, and whether the other side still takes them in use. Web asks, and the door tries."""

import console.core.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import integrations.health_models
from django.conf import settings
from django.db import migrations, models


GUARDS = """
SELECT audit_guard('integrations_healthtest',
    'asked>trying', 'asked>untried', 'initial>asked', 'trying>accepted', 'trying>refused', 'trying>unclear',
    'trying>unreachable', 'trying>untried');
REVOKE UPDATE, DELETE ON integrations_healthtest FROM countersign_app;
REVOKE INSERT, UPDATE, DELETE ON integrations_healthtest FROM countersign_door;
GRANT UPDATE (state, status, problem, moved_at) ON integrations_healthtest TO countersign_door;
GRANT UPDATE (refusals, refused_at) ON integrations_credential TO countersign_door;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0015_throttled'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='credential',
            name='refusals',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='credential',
            name='refused_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name='HealthTest',
            fields=[
                ('id', models.TextField(default=integrations.health_models.health_test_id, primary_key=True, serialize=False)),
                ('arguments', console.core.fields.OrderedJSONField(default=dict)),
                ('state', models.TextField(default='asked')),
                ('status', models.PositiveSmallIntegerField(null=True)),
                ('problem', models.TextField(default='')),
                ('asked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('moved_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('attestation', models.BinaryField(max_length=64)),
                ('asked_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('credential', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tests', to='integrations.credential')),
                ('operation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='integrations.operation')),
            ],
            options={
                'ordering': ['-asked_at', '-id'],
                'indexes': [models.Index(fields=['credential', '-asked_at'], name='health_test_of_credential')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state__in', ['asked', 'trying'])), fields=('credential',), name='health_test_once')],
            },
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
