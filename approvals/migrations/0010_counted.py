"""Who is at the other end of an action, and what policies count over the last hours."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_guards'),
        ('approvals', '0009_slots'),
        ('integrations', '0021_webhook_prints'),
    ]

    operations = [
        migrations.AddField(
            model_name='action',
            name='counterparty',
            field=models.TextField(db_default=''),
        ),
        migrations.AddIndex(
            model_name='action',
            index=models.Index(fields=['team', 'created_at'], name='action_asked'),
        ),
        migrations.AddIndex(
            model_name='action',
            index=models.Index(fields=['team', 'settled_at'], name='action_ended'),
        ),
        migrations.AddIndex(
            model_name='action',
            index=models.Index(condition=models.Q(('counterparty', ''), _negated=True), fields=['team', 'counterparty'], name='action_counterparty'),
        ),
    ]
