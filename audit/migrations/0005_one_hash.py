"""The hash of a leaf is kept in the tree alone: each act paid for a copy that nothing asked for."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0004_remembered'),
    ]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE audit_record DROP COLUMN leaf_hash",
            migrations.RunSQL.noop,
            state_operations=[migrations.RemoveField(model_name='record', name='leaf_hash')],
        ),
    ]
