"""Steps that wait for events, and wakes for them."""

import django.db.models.deletion
from django.db import migrations, models

RIGHTS = """
REVOKE DELETE ON dispatch_wait FROM countersign_app;
-- The door tells that a delivery is genuine, and knows nothing of who waits for it.
REVOKE INSERT, UPDATE, DELETE ON dispatch_wait FROM countersign_door;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('dispatch', '0001_initial'),
        ('integrations', '0019_webhooks'),
        ('runs', '0003_guards'),
    ]

    operations = [
        migrations.AddField(
            model_name='wake',
            name='delivery',
            field=models.TextField(default=''),
        ),
        migrations.AlterField(
            model_name='wake',
            name='action',
            field=models.TextField(default=''),
        ),
        migrations.CreateModel(
            name='Wait',
            fields=[
                ('step', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='+', serialize=False, to='runs.step')),
                ('type', models.TextField(default='')),
                ('where', models.JSONField(default=dict)),
                ('delivery', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='integrations.delivery')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='runs.run')),
                ('webhook', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='integrations.webhook')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('delivery', None)), fields=['webhook'], name='wait_open')],
                'constraints': [models.UniqueConstraint(fields=('run', 'delivery'), name='wait_delivery_once_in_run')],
            },
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
