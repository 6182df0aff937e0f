"""What the policy changes, and what it holds until something is there."""

import django.contrib.postgres.fields

import console.core.fields
from django.db import migrations, models

GUARDS = """
SELECT audit_guard('approvals_action',
    'deferred>executing', 'deferred>failed', 'deferred>held', 'deferred>permitted', 'deferred>refused',
    'deferred>succeeded', 'deferred>withdrawn', 'executing>failed', 'executing>in_doubt', 'executing>permitted',
    'executing>succeeded', 'held>expired', 'held>permitted', 'held>refused', 'held>stale', 'held>withdrawn',
    'in_doubt>executing', 'in_doubt>failed', 'in_doubt>succeeded', 'initial>proposed', 'permitted>executing',
    'permitted>refused', 'permitted>stale', 'permitted>withdrawn', 'proposed>deferred', 'proposed>executing',
    'proposed>failed', 'proposed>held', 'proposed>permitted', 'proposed>refused', 'proposed>succeeded',
    'proposed>withdrawn');
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_guards'),
        ('approvals', '0014_trial'),
        ('integrations', '0021_webhook_prints'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='ruling',
            name='ruling_outcome_known',
        ),
        migrations.RemoveIndex(
            model_name='action',
            name='action_for_the_door',
        ),
        migrations.AddField(
            model_name='action',
            name='deferred_until',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='action',
            name='original',
            field=console.core.fields.OrderedJSONField(null=True),
        ),
        migrations.AddIndex(
            model_name='action',
            index=models.Index(condition=models.Q(('state__in', ['proposed', 'deferred', 'permitted', 'executing', 'in_doubt'])), fields=['created_at'], name='action_for_the_door'),
        ),
        migrations.AddField(
            model_name='ruling',
            name='changed_by',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), db_default=[], default=list, size=None),
        ),
        migrations.AddConstraint(
            model_name='ruling',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['allow', 'deny', 'review', 'defer'])), name='ruling_outcome_known'),
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
