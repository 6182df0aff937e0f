"""What the other side wants to be asked later: from when on, and how many times already."""

from django.db import migrations, models

GUARDS = """
SELECT audit_guard('approvals_action',
    'executing>failed', 'executing>in_doubt', 'executing>permitted', 'executing>succeeded', 'held>expired',
    'held>permitted', 'held>refused', 'held>stale', 'held>withdrawn', 'in_doubt>executing', 'in_doubt>failed',
    'in_doubt>succeeded', 'initial>proposed', 'permitted>executing', 'permitted>refused', 'permitted>stale',
    'permitted>withdrawn', 'proposed>failed', 'proposed>held', 'proposed>permitted', 'proposed>refused',
    'proposed>succeeded', 'proposed>withdrawn');
"""


class Migration(migrations.Migration):

    dependencies = [
        ('approvals', '0006_unsettled'),
    ]

    operations = [
        migrations.AddField(
            model_name='action',
            name='not_before',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='action',
            name='put_off',
            field=models.PositiveSmallIntegerField(db_default=0),
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
