"""Which environment an integration belongs to, as a person says."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("integrations", "0021_webhook_prints")]
    operations = [
        migrations.AddField("integration", "environment", models.TextField(db_default="", default="")),
        migrations.AddField("integration", "environment_attestation", models.BinaryField(max_length=64, null=True)),
    ]
