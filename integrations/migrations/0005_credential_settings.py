"""Where and how a credential goes into a request, for the ways to sign in that leave it open."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0004_amendments'),
    ]

    operations = [
        migrations.AddField(
            model_name='integration',
            name='credential_settings',
            field=models.JSONField(default=dict),
        ),
    ]
