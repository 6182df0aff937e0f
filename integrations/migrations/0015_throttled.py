"""Calls that the other side refused for now: another one may follow."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_guards'),
        ('integrations', '0014_prints'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='call',
            name='call_once_per_action',
        ),
        migrations.AddField(
            model_name='call',
            name='throttled',
            field=models.BooleanField(db_default=False),
        ),
        migrations.AddConstraint(
            model_name='call',
            constraint=models.UniqueConstraint(condition=models.Q(models.Q(('effect', 'read'), _negated=True), models.Q(('action', ''), _negated=True), ('throttled', False)), fields=('action',), name='call_once_per_action'),
        ),
        migrations.AddConstraint(
            model_name='call',
            constraint=models.CheckConstraint(condition=models.Q(('throttled', False), models.Q(('attempt', 1), ('state', 'failed')), _connector='OR'), name='call_throttled_failed'),
        ),
    ]
