"""What people have signed ahead."""

import approvals.models
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

GUARDS = """
SELECT audit_guard('approvals_mandate', 'given>revoked', 'initial>given');
REVOKE DELETE ON approvals_mandate FROM countersign_app, countersign_door;
REVOKE INSERT ON approvals_mandate FROM countersign_app;
REVOKE UPDATE ON approvals_mandate FROM countersign_door;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_guards'),
        ('approvals', '0015_deferred'),
        ('integrations', '0021_webhook_prints'),
    ]

    operations = [
        migrations.CreateModel(
            name='Mandate',
            fields=[
                ('id', models.TextField(default=approvals.models.mandate_id, primary_key=True, serialize=False)),
                ('state', models.TextField(default='given')),
                ('grantee', models.TextField()),
                ('until', models.DateTimeField()),
                ('given_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('revoked_at', models.DateTimeField(null=True)),
                ('action', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='gives', to='approvals.action')),
                ('operation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='integrations.operation')),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.team')),
            ],
            options={
                'ordering': ['-given_at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='action',
            name='mandate',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='covered', to='approvals.mandate'),
        ),
        migrations.AddIndex(
            model_name='action',
            index=models.Index(condition=models.Q(('mandate__isnull', False)), fields=['mandate', 'created_at'], name='action_by_mandate'),
        ),
        migrations.AddIndex(
            model_name='mandate',
            index=models.Index(condition=models.Q(('state', 'given')), fields=['operation', 'grantee'], name='mandate_covering'),
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
