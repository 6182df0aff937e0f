"""What MCP servers list, and which integrations are such servers. The door writes what it hears and asks nothing."""

import console.core.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import integrations.listings
from django.db import migrations, models


GUARDS = """
SELECT audit_guard('integrations_listing',
    'asked>failed', 'asked>listed', 'initial>asked', 'initial>listed', 'listed>compared');
REVOKE UPDATE, DELETE ON integrations_listing FROM countersign_app, countersign_door;
GRANT UPDATE (state) ON integrations_listing TO countersign_app;
GRANT UPDATE (state, tools, pin, server, error, heard_at) ON integrations_listing TO countersign_door;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_guards'),
        ('integrations', '0008_calls_of_team'),
    ]

    operations = [
        migrations.CreateModel(
            name='Listing',
            fields=[
                ('id', models.TextField(default=integrations.listings.listing_id, primary_key=True, serialize=False)),
                ('state', models.TextField()),
                ('tools', console.core.fields.OrderedJSONField(default=list)),
                ('pin', models.TextField(default='')),
                ('server', models.TextField(default='')),
                ('error', models.TextField(default='')),
                ('asked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('heard_at', models.DateTimeField(null=True)),
                ('attestation', models.BinaryField(default=b'', max_length=64)),
            ],
            options={
                'ordering': ['-asked_at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='integration',
            name='protocol',
            field=models.TextField(default='http'),
        ),
        migrations.AddConstraint(
            model_name='integration',
            constraint=models.CheckConstraint(condition=models.Q(('protocol__in', ('http', 'mcp'))), name='integration_protocol_known'),
        ),
        migrations.AddField(
            model_name='listing',
            name='credential',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='integrations.credential'),
        ),
        migrations.AddField(
            model_name='listing',
            name='integration',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='listings', to='integrations.integration'),
        ),
        migrations.AddIndex(
            model_name='listing',
            index=models.Index(condition=models.Q(('state__in', ['asked', 'listed'])), fields=['asked_at'], name='listing_unfinished'),
        ),
        migrations.AddIndex(
            model_name='listing',
            index=models.Index(fields=['integration', '-asked_at'], name='listing_of_integration'),
        ),
        migrations.AddConstraint(
            model_name='listing',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('heard_at__isnull', True), ('state', 'asked')), models.Q(models.Q(('state', 'asked'), _negated=True), ('heard_at__isnull', False)), _connector='OR'), name='listing_heard_iff_answered'),
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
