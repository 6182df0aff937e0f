"""What a person wanted, what came in, and what the action stood in when it was ruled."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("approvals", "0018_revisions"), ("integrations", "0022_environment")]
    operations = [
        migrations.AddField("action", "context", models.JSONField(db_default={}, default=dict)),
        migrations.AddField("action", "request", models.TextField(db_default="", default="")),
        migrations.AddField("action", "heard", models.BooleanField(db_default=False, default=False)),
        migrations.AlterField(
            "action",
            "operation",
            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+",
                              related_query_name="actions", to="integrations.operation"),
        ),
    ]  # fmt: skip
