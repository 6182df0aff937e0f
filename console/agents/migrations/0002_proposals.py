"""What agents want to be granted. It grants nothing; what was filed is never changed, and an answer is final."""

import console.agents.models
import console.core.fields
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


GUARDS = """
SELECT audit_guard('agents_grantproposal', 'initial>open', 'open>declined', 'open>given');
REVOKE UPDATE, DELETE ON agents_grantproposal FROM countersign_app;
GRANT UPDATE (state, settled_at, settled_by, answer, "grant") ON agents_grantproposal TO countersign_app;
REVOKE ALL ON agents_grantproposal FROM countersign_door, countersign_sequencer;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='GrantProposal',
            fields=[
                ('id', models.TextField(default=console.agents.models.proposal_id, primary_key=True, serialize=False)),
                ('state', models.TextField(default='open')),
                ('integration', models.TextField()),
                ('operations', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('why', models.TextField(default='')),
                ('limits', console.core.fields.OrderedJSONField(default=dict)),
                ('until', models.DateTimeField(null=True)),
                ('fingerprint', models.BinaryField(max_length=32)),
                ('filed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('settled_at', models.DateTimeField(null=True)),
                ('settled_by', models.TextField(default='')),
                ('answer', models.TextField(default='')),
                ('grant', models.TextField(default='')),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='proposals', to='agents.agent')),
            ],
            options={
                'ordering': ['-filed_at', '-id'],
                'indexes': [models.Index(fields=['agent', '-filed_at'], name='grant_proposal_of_agent')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'open')), fields=('agent', 'fingerprint'), name='grant_proposal_open_once'), models.CheckConstraint(condition=models.Q(models.Q(('settled_at__isnull', True), ('state', 'open')), models.Q(models.Q(('state', 'open'), _negated=True), ('settled_at__isnull', False)), _connector='OR'), name='grant_proposal_settled_iff_final')],
            },
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
