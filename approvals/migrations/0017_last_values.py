"""What the last action of a kind was, and the names that people have approved something for."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_guards'),
        ('approvals', '0016_mandates'),
        ('integrations', '0021_webhook_prints'),
    ]

    operations = [
        migrations.CreateModel(
            name='ApprovedName',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('team', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.team')),
                ('skeleton', models.TextField()),
                ('name', models.TextField()),
                ('times', models.PositiveIntegerField(default=1)),
                ('last_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('team', 'skeleton', 'name'), name='approved_name_once')],
            },
        ),
        migrations.AddIndex(
            model_name='action',
            index=models.Index(condition=models.Q(('state', 'succeeded'), models.Q(('counterparty', ''), _negated=True)), fields=['operation', 'counterparty', '-settled_at'], name='action_last_with'),
        ),
        migrations.AddIndex(
            model_name='action',
            index=models.Index(condition=models.Q(('counterparty', ''), ('state', 'succeeded')), fields=['operation', 'grantee', '-settled_at'], name='action_last_by'),
        ),
    ]
