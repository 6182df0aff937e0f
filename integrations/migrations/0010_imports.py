"""Documents that a worker reads. Nobody changes what was handed in."""

import django.db.models.deletion
import django.db.models.functions.datetime
import integrations.imports
from django.db import migrations, models


GUARDS = """
SELECT audit_guard('integrations_import',
    'initial>waiting', 'reading>done', 'reading>failed', 'reading>waiting', 'waiting>reading');
REVOKE UPDATE, DELETE ON integrations_import FROM countersign_app;
GRANT UPDATE (state, document, overlay, worker, attempts, report, error, ended_at) ON integrations_import TO
    countersign_app;
REVOKE INSERT, UPDATE, DELETE ON integrations_import FROM countersign_door;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_guards'),
        ('integrations', '0009_listings'),
    ]

    operations = [
        migrations.CreateModel(
            name='Import',
            fields=[
                ('id', models.TextField(default=integrations.imports.import_id, primary_key=True, serialize=False)),
                ('state', models.TextField(default='waiting')),
                ('by', models.TextField()),
                ('bound', models.JSONField()),
                ('document', models.BinaryField(null=True)),
                ('overlay', models.TextField(default='')),
                ('size', models.PositiveIntegerField()),
                ('worker', models.BigIntegerField(default=0)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('report', models.JSONField(null=True)),
                ('error', models.TextField(default='')),
                ('asked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(null=True)),
                ('attestation', models.BinaryField(max_length=64)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.team')),
            ],
            options={
                'ordering': ['-asked_at', '-id'],
                'indexes': [models.Index(condition=models.Q(('state__in', ['waiting', 'reading'])), fields=['asked_at'], name='import_unfinished')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('ended_at__isnull', True), ('state__in', ['waiting', 'reading'])), models.Q(('ended_at__isnull', False), ('state__in', ['done', 'failed'])), _connector='OR'), name='import_ended_iff_final')],
            },
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
