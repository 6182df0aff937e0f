"""Changes of an action by those who were asked to sign it."""

import approvals.models
import console.core.fields
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

GUARDS = """
SELECT audit_guard('approvals_action',
    'deferred>executing', 'deferred>failed', 'deferred>held', 'deferred>permitted', 'deferred>refused',
    'deferred>succeeded', 'deferred>withdrawn', 'executing>failed', 'executing>in_doubt', 'executing>permitted',
    'executing>succeeded', 'held>expired', 'held>permitted', 'held>proposed', 'held>refused', 'held>stale',
    'held>withdrawn', 'in_doubt>executing', 'in_doubt>failed', 'in_doubt>succeeded', 'initial>proposed',
    'permitted>executing', 'permitted>refused', 'permitted>stale', 'permitted>withdrawn', 'proposed>deferred',
    'proposed>executing', 'proposed>failed', 'proposed>held', 'proposed>permitted', 'proposed>refused',
    'proposed>succeeded', 'proposed>withdrawn');
SELECT audit_guard('approvals_review',
    'initial>open', 'open>approved', 'open>expired', 'open>refused', 'open>superseded', 'open>withdrawn');
"""

APPEND_ONLY = """
-- As what somebody signed: never changed afterwards, and not the door's to write.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON approvals_revision
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON approvals_revision
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
REVOKE UPDATE, DELETE ON approvals_revision FROM countersign_app, countersign_door;
REVOKE INSERT ON approvals_revision FROM countersign_door;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_identities'),
        ('approvals', '0017_last_values'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Revision',
            fields=[
                ('id', models.TextField(default=approvals.models.revision_id, primary_key=True, serialize=False)),
                ('number', models.PositiveSmallIntegerField()),
                ('arguments', console.core.fields.OrderedJSONField()),
                ('attestation', models.BinaryField(max_length=64)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ['action', 'number'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='decision',
            name='decision_verdict_known',
        ),
        migrations.AddField(
            model_name='action',
            name='editors',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), db_default=[], default=list, size=None),
        ),
        migrations.AddConstraint(
            model_name='decision',
            constraint=models.CheckConstraint(condition=models.Q(('verdict__in', ['approve', 'refuse', 'recuse', 'change'])), name='decision_verdict_known'),
        ),
        migrations.AddField(
            model_name='revision',
            name='action',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='revisions', to='approvals.action'),
        ),
        migrations.AddField(
            model_name='revision',
            name='decision',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='revision', to='approvals.decision'),
        ),
        migrations.AddField(
            model_name='revision',
            name='editor',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='revision',
            constraint=models.UniqueConstraint(fields=('action', 'number'), name='revision_number'),
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
        migrations.RunSQL(APPEND_ONLY, migrations.RunSQL.noop),
    ]
