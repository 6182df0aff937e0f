"""Whether the tokens of a revoked credential were ended."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0017_leases'),
    ]

    operations = [
        migrations.AddField(
            model_name='accesstoken',
            name='end_tries',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='accesstoken',
            name='ended_at',
            field=models.DateTimeField(null=True),
        ),
    ]
