"""Writers add one row to one small table; the sequencer takes it into the log, its months and its indexes."""

import django.db.models.functions.datetime
from django.db import migrations, models

WAITING = """
-- The columns of audit_record, and the transaction that wrote it. `at` and `txid` are filled in by the database alone.
CREATE TABLE audit_waiting (
    id uuid NOT NULL,
    log text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    leaf bytea NOT NULL CHECK (octet_length(leaf) <= 65535),
    kind text NOT NULL,
    subject text NOT NULL,
    state text NOT NULL DEFAULT '',
    actor_kind text NOT NULL,
    actor text NOT NULL,
    team text NOT NULL DEFAULT '',
    run text NOT NULL DEFAULT '',
    trace text NOT NULL DEFAULT ''
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_threshold = -1);
-- The guard of changes asks for this subject's records of this transaction; pages ask for a subject's history.
CREATE INDEX audit_waiting_subject ON audit_waiting (subject, at);

DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM audit_pending) THEN
        INSERT INTO audit_waiting (id, log, at, leaf, kind, subject, state, actor_kind, actor, team, run, trace)
            SELECT id, log, record.at, leaf, kind, subject, state, actor_kind, actor, team, run, trace
            FROM audit_record AS record JOIN audit_pending ON record_id = id AND audit_pending.at = record.at;
        ALTER TABLE audit_record DISABLE TRIGGER append_only;
        DELETE FROM audit_record USING audit_pending WHERE record_id = id AND audit_pending.at = audit_record.at;
        ALTER TABLE audit_record ENABLE TRIGGER append_only;
    END IF;
END $$;
DROP TABLE audit_pending;

ALTER TABLE audit_record ALTER COLUMN at DROP DEFAULT, DROP COLUMN txid;

-- All of it: what has its place in the tree, and what waits for one.
CREATE VIEW audit_log WITH (security_invoker = true) AS
    SELECT id, log, at, leaf, kind, subject, state, actor_kind, actor, team, run, trace FROM audit_record
    UNION ALL
    SELECT id, log, at, leaf, kind, subject, state, actor_kind, actor, team, run, trace FROM audit_waiting;
"""

GUARDS = """
CREATE TRIGGER append_only BEFORE UPDATE ON audit_waiting
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON audit_waiting
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

-- What no longer waits is in the log, as it was. One by one and by the key: however long the log is.
CREATE FUNCTION audit_guard_taken() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    lost uuid := (SELECT id FROM taken WHERE leaf IS DISTINCT FROM
                  (SELECT leaf FROM audit_record AS record WHERE record.id = taken.id AND record.at = taken.at) LIMIT 1);
BEGIN
    IF lost IS NOT NULL THEN
        RAISE EXCEPTION 'record % would be lost: audit_waiting is append-only', lost USING ERRCODE = '42501';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER taken AFTER DELETE ON audit_waiting REFERENCING OLD TABLE AS taken
    FOR EACH STATEMENT EXECUTE FUNCTION audit_guard_taken();

-- A change of state commits only as one of the allowed moves, which are the arguments ('initial>planned', …: the same
-- table the code holds), and only together with its record. The bound on the moment keeps a transaction id that repeats
-- after a restore from matching an old record. Never by a scan: a plan that was made while the table was empty stays.
CREATE FUNCTION audit_guard_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    move text := CASE TG_OP WHEN 'INSERT' THEN 'initial' ELSE OLD.state END || '>' || NEW.state;
BEGIN
    IF NOT move = ANY (TG_ARGV) THEN
        RAISE EXCEPTION '% %: % is not an allowed move', TG_TABLE_NAME, NEW.id, move USING ERRCODE = '23514';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        RAISE EXCEPTION 'synchronous_commit is off: a crash could lose the record of this change'
            USING ERRCODE = '23514';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM audit_waiting
        WHERE subject = NEW.id AND at >= transaction_timestamp() AND state = NEW.state AND txid = pg_current_xact_id()
    ) THEN
        RAISE EXCEPTION '% % became % without a record', TG_TABLE_NAME, NEW.id, NEW.state USING ERRCODE = '23514';
    END IF;
    RETURN NULL;
END $$;

-- Puts the guard on a table with a state column. Called by the migrations of every room.
CREATE OR REPLACE FUNCTION audit_guard(target regclass, VARIADIC moves text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    arguments text := (SELECT string_agg(quote_literal(move), ', ' ORDER BY move) FROM unnest(moves) AS move);
BEGIN
    EXECUTE format('DROP TRIGGER IF EXISTS guarded_insert ON %s', target);
    EXECUTE format('DROP TRIGGER IF EXISTS guarded_update ON %s', target);
    EXECUTE format('CREATE CONSTRAINT TRIGGER guarded_insert AFTER INSERT ON %s
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_guard_change(%s)', target, arguments);
    EXECUTE format('CREATE CONSTRAINT TRIGGER guarded_update AFTER UPDATE ON %s
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
        EXECUTE FUNCTION audit_guard_change(%s)', target, arguments);
END $$;

DO $$
DECLARE
    guarded record;
BEGIN
    FOR guarded IN
        SELECT tgrelid::regclass AS target, array_remove(string_to_array(encode(tgargs, 'escape'), '\\000'), '') AS moves
        FROM pg_trigger WHERE tgname = 'transition_insert' AND tgfoid = 'audit_guard_transition'::regproc
    LOOP
        PERFORM audit_guard(guarded.target, VARIADIC guarded.moves);
        EXECUTE format('DROP TRIGGER transition_insert ON %s', guarded.target);
        EXECUTE format('DROP TRIGGER transition_update ON %s', guarded.target);
        EXECUTE format('DROP TRIGGER recorded_insert ON %s', guarded.target);
        EXECUTE format('DROP TRIGGER recorded_update ON %s', guarded.target);
    END LOOP;
END $$;
DROP FUNCTION audit_guard_transition();
DROP FUNCTION audit_require_record();
"""

RIGHTS = """
REVOKE ALL ON audit_waiting, audit_log, audit_record
    FROM PUBLIC, countersign_app, countersign_door, countersign_sequencer;
GRANT SELECT ON audit_record, audit_waiting, audit_log TO countersign_app, countersign_door, countersign_sequencer;
GRANT INSERT (id, log, leaf, kind, subject, state, actor_kind, actor, team, run, trace)
    ON audit_waiting TO countersign_app, countersign_door, countersign_sequencer;
GRANT DELETE ON audit_waiting TO countersign_sequencer;
GRANT INSERT ON audit_record TO countersign_sequencer;
"""

DROP_MONTH = """
-- A month ends as a whole: recorded in the same transaction, in the tree as a whole, under no hold, older than the law
-- allows to drop. What remains are its hashes, with which everything else still verifies, and in a partition of its own
-- the few records that the present rests on.
CREATE OR REPLACE FUNCTION audit_drop_month(month date) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    first date := date_trunc('month', month);
    last date := first + interval '1 month';
    said text := to_char(first, 'YYYY-MM');
    name text := 'audit_record_' || to_char(first, 'YYYYMM');
    rest text := 'audit_kept_' || to_char(first, 'YYYYMM');
    loose bigint;
    kept bigint;
BEGIN
    IF to_regclass('public.' || name) IS NULL THEN
        RAISE EXCEPTION 'there is no month % to drop', said USING ERRCODE = '23514';
    END IF;
    IF last > now() - interval '6 months' THEN
        RAISE EXCEPTION 'records of % are younger than six months', said USING ERRCODE = '23514';
    END IF;
    LOCK TABLE public.audit_hold IN SHARE MODE;
    IF EXISTS (SELECT 1 FROM public.audit_hold
               WHERE state = 'placed' AND since < last AND (until IS NULL OR until >= first)) THEN
        RAISE EXCEPTION 'a hold touches %', said USING ERRCODE = '23514';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM public.audit_waiting
        WHERE subject = said AND kind = 'audit:retention:pruned'
          AND at >= transaction_timestamp() AND txid = pg_current_xact_id()
    ) THEN
        RAISE EXCEPTION 'no month is dropped without a record of it' USING ERRCODE = '23514';
    END IF;
    SELECT count(*) INTO loose FROM public.audit_log AS record
    WHERE at >= first AND at < last
      AND NOT EXISTS (SELECT 1 FROM public.audit_leaf WHERE record_id = record.id);
    IF loose > 0 THEN
        RAISE EXCEPTION '% records of % are in no tree', loose, said USING ERRCODE = '23514';
    END IF;
    EXECUTE format('DELETE FROM public.audit_disclosure WHERE record_id IN
        (SELECT id FROM public.%I WHERE kind <> ALL (public.audit_kept_kinds()))', name);
    EXECUTE format('SELECT count(*) FROM public.%I WHERE kind = ANY (public.audit_kept_kinds())', name) INTO kept;
    IF kept > 0 THEN
        EXECUTE format('CREATE TABLE public.%I (LIKE public.audit_record INCLUDING ALL)', rest);
        EXECUTE format('CREATE TRIGGER append_only_all BEFORE TRUNCATE ON public.%I
            FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse_change()', rest);
        EXECUTE format('REVOKE ALL ON public.%I FROM countersign_app, countersign_door', rest);
        EXECUTE format('INSERT INTO public.%I
            (id, log, at, leaf, kind, subject, state, actor_kind, actor, team, run, trace)
            SELECT id, log, at, leaf, kind, subject, state, actor_kind, actor, team, run, trace
            FROM public.%I WHERE kind = ANY (public.audit_kept_kinds())', rest, name);
    END IF;
    -- The sequencer and everybody who reads wait from here on, so that the long part lies behind.
    EXECUTE format('ALTER TABLE public.audit_record DETACH PARTITION public.%I', name);
    IF kept > 0 THEN
        EXECUTE format('ALTER TABLE public.audit_record ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                       rest, first, last);
    END IF;
    EXECUTE format('DROP TABLE public.%I', name);
END $$;
"""

ERASE = """
-- The only way a disclosed value goes: with the record that says so, in the same transaction, and under no hold.
CREATE OR REPLACE FUNCTION audit_erase(record uuid, paths text[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    day date := (SELECT (audit_log.at AT TIME ZONE 'UTC')::date FROM public.audit_log
                 WHERE audit_log.id = record LIMIT 1);
    erased bigint;
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM public.audit_waiting
        WHERE subject = record::text AND kind = 'audit:disclosure:erased'
          AND at >= transaction_timestamp() AND txid = pg_current_xact_id()
    ) THEN
        RAISE EXCEPTION 'nothing is erased without a record of it' USING ERRCODE = '23514';
    END IF;
    LOCK TABLE public.audit_hold IN SHARE MODE;
    IF EXISTS (SELECT 1 FROM public.audit_hold
               WHERE state = 'placed' AND since <= day AND (until IS NULL OR until >= day)) THEN
        RAISE EXCEPTION 'a hold touches %', day USING ERRCODE = '23514';
    END IF;
    DELETE FROM public.audit_disclosure WHERE record_id = record AND path = ANY (paths);
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END $$;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0005_cheaper'),
    ]

    operations = [
        migrations.RunSQL(
            [WAITING, GUARDS, RIGHTS, DROP_MONTH, ERASE],
            migrations.RunSQL.noop,
            state_operations=[
                migrations.DeleteModel('Pending'),
                migrations.CreateModel(
                    name='Waiting',
                    fields=[
                        ('id', models.UUIDField(primary_key=True, serialize=False)),
                        ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                    ],
                    options={'managed': False},
                ),
                migrations.AlterModelTable('Record', 'audit_log'),
            ],
        ),
    ]
