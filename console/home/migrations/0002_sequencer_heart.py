"""The sequencer says that it lives, as every process does."""

from django.db import migrations

RIGHTS = "GRANT SELECT, INSERT, UPDATE ON home_heartbeat TO countersign_sequencer;"


class Migration(migrations.Migration):
    dependencies = [("home", "0001_heartbeat")]
    operations = [migrations.RunSQL(RIGHTS, migrations.RunSQL.noop)]
