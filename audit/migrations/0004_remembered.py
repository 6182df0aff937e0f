"""What the signer remembers of a log that this database has lost."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0003_ends'),
    ]

    operations = [
        migrations.AddField(model_name='tree', name='remembered', field=models.TextField(default='')),
    ]
