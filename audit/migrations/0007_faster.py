"""The same guards, without what PostgreSQL reads anew from its catalog for each statement: a CHECK constraint and a
trigger's WHEN are kept as text and parsed again each time, a domain's check is kept ready."""

from django.db import migrations

LEAF = """
CREATE DOMAIN audit_leaf_bytes AS bytea CHECK (octet_length(VALUE) <= 65535);
DROP VIEW audit_log;
ALTER TABLE audit_waiting DROP CONSTRAINT audit_waiting_leaf_check, ALTER COLUMN leaf TYPE audit_leaf_bytes;
CREATE VIEW audit_log WITH (security_invoker = true) AS
    SELECT id, log, at, leaf, kind, subject, state, actor_kind, actor, team, run, trace FROM audit_record
    UNION ALL
    SELECT id, log, at, leaf, kind, subject, state, actor_kind, actor, team, run, trace FROM audit_waiting;
REVOKE ALL ON audit_log FROM PUBLIC, countersign_app, countersign_door, countersign_sequencer;
GRANT SELECT ON audit_log TO countersign_app, countersign_door, countersign_sequencer;
"""

GUARD = """
CREATE OR REPLACE FUNCTION audit_guard_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    move text := CASE TG_OP WHEN 'INSERT' THEN 'initial' ELSE OLD.state END || '>' || NEW.state;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.state = NEW.state THEN
        RETURN NULL;
    END IF;
    IF NOT move = ANY (TG_ARGV) THEN
        RAISE EXCEPTION '% %: % is not an allowed move', TG_TABLE_NAME, NEW.id, move USING ERRCODE = '23514';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        RAISE EXCEPTION 'synchronous_commit is off: a crash could lose the record of this change'
            USING ERRCODE = '23514';
    END IF;
    IF NOT EXISTS (
        SELECT FROM audit_waiting
        WHERE subject = NEW.id AND at >= transaction_timestamp() AND state = NEW.state AND txid = pg_current_xact_id()
    ) THEN
        RAISE EXCEPTION '% % became % without a record', TG_TABLE_NAME, NEW.id, NEW.state USING ERRCODE = '23514';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION audit_guard(target regclass, VARIADIC moves text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    arguments text := (SELECT string_agg(quote_literal(move), ', ' ORDER BY move) FROM unnest(moves) AS move);
BEGIN
    EXECUTE format('DROP TRIGGER IF EXISTS guarded_insert ON %s', target);
    EXECUTE format('DROP TRIGGER IF EXISTS guarded_update ON %s', target);
    EXECUTE format('CREATE CONSTRAINT TRIGGER guarded_insert AFTER INSERT ON %s
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_guard_change(%s)', target, arguments);
    EXECUTE format('CREATE CONSTRAINT TRIGGER guarded_update AFTER UPDATE OF state ON %s
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_guard_change(%s)', target, arguments);
END $$;

DO $$
DECLARE
    guarded record;
BEGIN
    FOR guarded IN
        SELECT tgrelid::regclass AS target, array_remove(string_to_array(encode(tgargs, 'escape'), '\\000'), '') AS moves
        FROM pg_trigger WHERE tgname = 'guarded_insert' AND tgfoid = 'audit_guard_change'::regproc
    LOOP
        PERFORM audit_guard(guarded.target, VARIADIC guarded.moves);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0006_waiting'),
    ]

    operations = [
        migrations.RunSQL([LEAF, GUARD], migrations.RunSQL.noop),
    ]
