"""When a credential ends at the other side, and which notice of it was given last."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0012_tokens'),
    ]

    operations = [
        migrations.AddField(
            model_name='credential',
            name='expires_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='credential',
            name='told_days',
            field=models.SmallIntegerField(null=True),
        ),
        migrations.RunSQL(
            "GRANT UPDATE (told_days) ON integrations_credential TO countersign_app;", migrations.RunSQL.noop
        ),
    ]
