"""Each secret has a data key of its own, which alone is wrapped anew when the door's key changes."""

from django.db import migrations, models

RIGHTS = """
-- Web seals and revokes; nobody changes what is sealed. Of a credential the door changes how its data key is wrapped.
REVOKE UPDATE ON integrations_credential FROM countersign_app;
GRANT UPDATE (revoked_at) ON integrations_credential TO countersign_app;
GRANT UPDATE (wrapped, door_key) ON integrations_credential TO countersign_door;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0010_imports'),
    ]

    operations = [
        migrations.AddField(
            model_name='credential',
            name='wrapped',
            field=models.BinaryField(default=b''),
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
