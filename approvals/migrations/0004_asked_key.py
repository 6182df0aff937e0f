"""The agent's own key of what it asks for."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('approvals', '0003_guards'),
    ]

    operations = [
        migrations.AddField(
            model_name='action',
            name='asked_key',
            field=models.TextField(default=''),
        ),
        migrations.AddConstraint(
            model_name='action',
            constraint=models.UniqueConstraint(condition=models.Q(('asked_key', ''), _negated=True), fields=('team', 'grantee', 'asked_key'), name='action_once_per_key'),
        ),
    ]
