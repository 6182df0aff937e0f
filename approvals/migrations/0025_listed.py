"""Several decisions that one signature covers, by a list of their digests."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_proofings'),
        ('approvals', '0024_drills'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='decision',
            name='listed',
            field=models.BinaryField(null=True),
        ),
        migrations.AddConstraint(
            model_name='decision',
            constraint=models.CheckConstraint(condition=models.Q(('listed', None), ('level', 'passkey'), _connector='OR'), name='decision_listed_by_passkey'),
        ),
    ]
