"""How many actions of an agent have no end yet is asked often."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_guards'),
        ('approvals', '0005_reversal'),
        ('integrations', '0008_calls_of_team'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='action',
            index=models.Index(condition=models.Q(('settled_at', None)), fields=['team', 'grantee'], name='action_unsettled'),
        ),
    ]
