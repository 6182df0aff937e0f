"""What each act pays for: no second copy of a hash that the tree keeps, and fewer partitions to look into."""

from django.db import migrations

# The upper bound leaves one month to look into, two at the end of one. A transaction of more than a day fails.
REQUIRE = """
CREATE OR REPLACE FUNCTION audit_require_record() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        RAISE EXCEPTION 'synchronous_commit is off: a crash could lose the record of this change'
            USING ERRCODE = '23514';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM audit_record
        WHERE subject = NEW.id AND state = NEW.state
          AND at >= transaction_timestamp() AND at < transaction_timestamp() + interval '1 day'
          AND txid = pg_current_xact_id()
    ) THEN
        RAISE EXCEPTION '% % became % without a record', TG_TABLE_NAME, NEW.id, NEW.state USING ERRCODE = '23514';
    END IF;
    RETURN NULL;
END $$;
"""


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
        migrations.RunSQL(REQUIRE, migrations.RunSQL.noop),
    ]
