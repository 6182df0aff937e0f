"""What a month leaves behind when it is dropped, who released a hold, and that a hold also stops erasing."""

from django.db import migrations, models

KEPT = """
-- What is in force now rests on these, however old they are: whose passkey, whose name, which tree and key, what was
-- dropped or erased, and why something was not. `audit/retention.py` has the same list.
CREATE FUNCTION audit_kept_kinds() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
SELECT ARRAY[
    'accounts:passkey:enrolled', 'accounts:passkey:revoked', 'accounts:user:created',
    'audit:disclosure:erased', 'audit:hold:placed', 'audit:hold:released', 'audit:key:added', 'audit:key:retired',
    'audit:log:opened', 'audit:log:restored', 'audit:retention:pruned', 'audit:retention:set'
]
$$;
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
        SELECT 1 FROM public.audit_record
        WHERE subject = said AND kind = 'audit:retention:pruned'
          AND at >= transaction_timestamp() AND txid = pg_current_xact_id()
    ) THEN
        RAISE EXCEPTION 'no month is dropped without a record of it' USING ERRCODE = '23514';
    END IF;
    EXECUTE format('SELECT count(*) FROM public.%I AS record WHERE NOT EXISTS
        (SELECT 1 FROM public.audit_leaf WHERE record_id = record.id)', name) INTO loose;
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
            (id, log, at, txid, leaf, kind, subject, state, actor_kind, actor, team, run, trace)
            SELECT id, log, at, txid, leaf, kind, subject, state, actor_kind, actor, team, run, trace
            FROM public.%I WHERE kind = ANY (public.audit_kept_kinds())', rest, name);
    END IF;
    -- Everybody who writes waits from here on, so that the long part lies behind.
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
    day date := (SELECT (audit_record.at AT TIME ZONE 'UTC')::date FROM public.audit_record
                 WHERE audit_record.id = record LIMIT 1);
    erased bigint;
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM public.audit_record
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
        ('audit', '0002_tree'),
    ]

    operations = [
        # Why a hold was placed is a personal value: it lies beside its record, where it can be erased.
        migrations.RemoveField(model_name='hold', name='reason'),
        migrations.AddField(model_name='hold', name='released_by', field=models.TextField(default='')),
        migrations.AddField(model_name='hold', name='released_at', field=models.DateTimeField(null=True)),
        migrations.AddConstraint(
            model_name='hold',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('released_at', None), ('released_by', ''), ('state', 'placed')), models.Q(('released_at__isnull', False), ('state', 'released'), models.Q(('released_by', ''), _negated=True)), _connector='OR'), name='audit_hold_released_iff_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='hold',
            constraint=models.CheckConstraint(condition=models.Q(('until', None), ('until__gte', models.F('since')), _connector='OR'), name='audit_hold_days'),
        ),
        migrations.RunSQL(KEPT, migrations.RunSQL.noop),
        migrations.RunSQL(DROP_MONTH, migrations.RunSQL.noop),
        migrations.RunSQL(ERASE, migrations.RunSQL.noop),
    ]
