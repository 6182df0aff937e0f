"""What the person who starts a run wants."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runs", "0003_guards")]
    operations = [
        migrations.AddField("run", "request", models.TextField(db_default="", default="")),
        migrations.AddField("run", "request_attestation", models.BinaryField(max_length=64, null=True)),
    ]
