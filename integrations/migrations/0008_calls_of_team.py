"""The page of calls asks for those of a team, newest first."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_guards'),
        ('integrations', '0007_limits'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='call',
            index=models.Index(fields=['team', '-sent_at', '-id'], name='call_of_team'),
        ),
    ]
