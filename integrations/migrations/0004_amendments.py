"""Changes of descriptions, kept; one that waits for a person quarantines its operation."""

import console.core.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import integrations.models
from django.db import migrations, models

GUARDS = """
SELECT audit_guard('integrations_amendment',
    'initial>adopted', 'initial>quarantined', 'quarantined>adopted', 'quarantined>declined',
    'quarantined>superseded');
REVOKE UPDATE, DELETE ON integrations_amendment FROM countersign_app;
GRANT UPDATE (state, settled_at, settled_by) ON integrations_amendment TO countersign_app;
REVOKE INSERT, UPDATE, DELETE ON integrations_amendment FROM countersign_door;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0003_definitions'),
    ]

    operations = [
        migrations.CreateModel(
            name='Amendment',
            fields=[
                ('id', models.TextField(default=integrations.models.amendment_id, primary_key=True, serialize=False)),
                ('state', models.TextField()),
                ('cause', models.TextField()),
                ('before', console.core.fields.OrderedJSONField()),
                ('after', console.core.fields.OrderedJSONField()),
                ('digest', models.BinaryField(max_length=32)),
                ('attestation', models.BinaryField(max_length=64)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('settled_at', models.DateTimeField(null=True)),
                ('settled_by', models.TextField(default='')),
                ('after_definitions', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='integrations.definitions')),
                ('before_definitions', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='integrations.definitions')),
                ('operation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='amendments', to='integrations.operation')),
            ],
            options={
                'ordering': ['-made_at', '-id'],
                'indexes': [models.Index(fields=['operation', 'made_at'], name='amendment_of_operation')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'quarantined')), fields=('operation',), name='amendment_waits_once'), models.CheckConstraint(condition=models.Q(models.Q(('settled_at__isnull', True), ('state', 'quarantined')), models.Q(models.Q(('state', 'quarantined'), _negated=True), ('settled_at__isnull', False)), _connector='OR'), name='amendment_settled_iff_final'), models.CheckConstraint(condition=models.Q(('cause__in', ('import', 'review', 'description'))), name='amendment_cause_known')],
            },
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
