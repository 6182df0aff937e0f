"""Undoing: which action an action takes back, and after which other one."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_guards'),
        ('approvals', '0004_asked_key'),
        ('integrations', '0008_calls_of_team'),
    ]

    operations = [
        migrations.AddField(
            model_name='action',
            name='after',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='approvals.action'),
        ),
        migrations.AddField(
            model_name='action',
            name='reverses',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reversals', to='approvals.action'),
        ),
        migrations.AddIndex(
            model_name='action',
            index=models.Index(condition=models.Q(('reverses__isnull', False)), fields=['reverses'], name='action_undoing_another'),
        ),
        migrations.AddConstraint(
            model_name='action',
            constraint=models.UniqueConstraint(condition=models.Q(('reverses__isnull', False), models.Q(('state__in', ('refused', 'expired', 'withdrawn', 'stale', 'failed')), _negated=True)), fields=('reverses',), name='action_reversed_once'),
        ),
    ]
