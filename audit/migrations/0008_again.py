"""Second records of one id, written in one microsecond, no longer hold up the queue: the sequencer keeps them under
another moment."""

from django.db import migrations

GUARD = """
-- What no longer waits is in the log, as it was; a second record of one id under a moment of this transaction. One by
-- one and by the key: however long the log is.
CREATE OR REPLACE FUNCTION audit_guard_taken() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    lost uuid := (SELECT id FROM taken WHERE leaf IS DISTINCT FROM COALESCE(
        (SELECT leaf FROM audit_record AS record
         WHERE record.id = taken.id AND record.at = taken.at AND record.leaf = taken.leaf),
        (SELECT leaf FROM audit_record AS record
         WHERE record.id = taken.id AND record.at >= transaction_timestamp() AND record.leaf = taken.leaf LIMIT 1)
    ) LIMIT 1);
BEGIN
    IF lost IS NOT NULL THEN
        RAISE EXCEPTION 'record % would be lost: audit_waiting is append-only', lost USING ERRCODE = '42501';
    END IF;
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0007_faster'),
    ]

    operations = [
        migrations.RunSQL([GUARD], migrations.RunSQL.noop),
    ]
