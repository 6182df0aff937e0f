"""The tree over the log, what is signed and taken outside, and the ends of what may end."""

import audit.models
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

PENDING = """
-- With its moment a record is found in its month, without asking every other partition.
ALTER TABLE audit_pending ADD COLUMN at timestamptz;
UPDATE audit_pending SET at = audit_record.at FROM audit_record WHERE audit_record.id = audit_pending.record_id;
ALTER TABLE audit_pending ALTER COLUMN at SET NOT NULL;
"""

TREE = """
-- Hashes do not compress.
ALTER TABLE audit_tile ALTER COLUMN hashes SET STORAGE EXTERNAL, ADD CHECK (octet_length(hashes) BETWEEN 32 AND 8192);
ALTER TABLE audit_leaf ALTER COLUMN leaf_hash SET STORAGE PLAIN, ADD CHECK (octet_length(leaf_hash) = 32);
ALTER TABLE audit_tree ADD CHECK (origin = log || '/' || number);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_leaf
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON audit_leaf
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_checkpoint
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON audit_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_cosignature
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_receipt
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON audit_tile
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

-- A tile only grows at its end; a tree only grows.
CREATE FUNCTION audit_guard_tile() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.tree_id <> OLD.tree_id OR NEW.level <> OLD.level OR NEW.n <> OLD.n
       OR substring(NEW.hashes FOR octet_length(OLD.hashes)) <> OLD.hashes THEN
        RAISE EXCEPTION 'a tile only grows at its end: % refused', TG_OP USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER grows BEFORE UPDATE OR DELETE ON audit_tile FOR EACH ROW EXECUTE FUNCTION audit_guard_tile();
CREATE FUNCTION audit_guard_tree() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.size < OLD.size OR NEW.origin <> OLD.origin
       OR (OLD.closed_at IS NOT NULL AND (NEW.closed_at IS NULL OR NEW.size <> OLD.size)) THEN
        RAISE EXCEPTION 'a tree only grows, until it is closed: % refused', TG_OP USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER grows BEFORE UPDATE OR DELETE ON audit_tree FOR EACH ROW EXECUTE FUNCTION audit_guard_tree();
"""

GUARDS = """
SELECT audit_guard('audit_export',
    'done>expired', 'initial>requested', 'requested>failed', 'requested>running', 'running>done', 'running>failed');
SELECT audit_guard('audit_hold', 'initial>placed', 'placed>released');

-- The only way a disclosed value goes: with the record that says so, in the same transaction.
CREATE FUNCTION audit_erase(record uuid, paths text[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    erased bigint;
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM audit_record
        WHERE subject = record::text AND kind = 'audit:disclosure:erased'
          AND at >= transaction_timestamp() AND txid = pg_current_xact_id()
    ) THEN
        RAISE EXCEPTION 'nothing is erased without a record of it' USING ERRCODE = '23514';
    END IF;
    DELETE FROM audit_disclosure WHERE record_id = record AND path = ANY (paths);
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END $$;

-- A month ends as a whole: recorded in the same transaction, in the tree as a whole, under no hold, older than the law
-- allows to drop. What remains are its hashes, with which everything else still verifies.
CREATE FUNCTION audit_drop_month(month date) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    first date := date_trunc('month', month);
    last date := first + interval '1 month';
    name text := 'audit_record_' || to_char(first, 'YYYYMM');
    loose bigint;
BEGIN
    IF last > now() - interval '6 months' THEN
        RAISE EXCEPTION 'records of % are younger than six months', to_char(first, 'YYYY-MM') USING ERRCODE = '23514';
    END IF;
    LOCK TABLE public.audit_hold IN SHARE MODE;
    IF EXISTS (SELECT 1 FROM public.audit_hold
               WHERE state = 'placed' AND since < last AND (until IS NULL OR until >= first)) THEN
        RAISE EXCEPTION 'a hold touches %', to_char(first, 'YYYY-MM') USING ERRCODE = '23514';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM public.audit_record
        WHERE subject = to_char(first, 'YYYY-MM') AND kind = 'audit:retention:pruned'
          AND at >= transaction_timestamp() AND txid = pg_current_xact_id()
    ) THEN
        RAISE EXCEPTION 'no month is dropped without a record of it' USING ERRCODE = '23514';
    END IF;
    EXECUTE format('SELECT count(*) FROM public.%I AS record WHERE NOT EXISTS
        (SELECT 1 FROM public.audit_leaf WHERE record_id = record.id)', name) INTO loose;
    IF loose > 0 THEN
        RAISE EXCEPTION '% records of % are in no tree', loose, to_char(first, 'YYYY-MM') USING ERRCODE = '23514';
    END IF;
    EXECUTE format('DELETE FROM public.audit_disclosure WHERE record_id IN (SELECT id FROM public.%I)', name);
    EXECUTE format('ALTER TABLE public.audit_record DETACH PARTITION public.%I', name);
    EXECUTE format('DROP TABLE public.%I', name);
END $$;
"""

RIGHTS = """
REVOKE ALL ON audit_tree, audit_leaf, audit_tile, audit_checkpoint, audit_cosignature, audit_receipt, audit_outlet,
    audit_logkey, audit_export, audit_hold FROM PUBLIC, countersign_app, countersign_door, countersign_sequencer;
GRANT SELECT ON audit_tree, audit_leaf, audit_tile, audit_checkpoint, audit_cosignature, audit_receipt, audit_outlet,
    audit_logkey TO countersign_app, countersign_door, countersign_sequencer;
GRANT INSERT ON audit_cosignature, audit_receipt TO countersign_app;
GRANT INSERT, UPDATE ON audit_outlet TO countersign_app;
GRANT SELECT, INSERT, UPDATE ON audit_export, audit_hold TO countersign_app;
GRANT INSERT, UPDATE ON audit_tree, audit_tile, audit_logkey TO countersign_sequencer;
GRANT INSERT ON audit_leaf, audit_checkpoint TO countersign_sequencer;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO countersign_sequencer;
GRANT INSERT (id, log, leaf, kind, subject, state, actor_kind, actor, team, run, trace)
    ON audit_record TO countersign_sequencer;
GRANT INSERT ON audit_pending, audit_disclosure TO countersign_sequencer;
REVOKE ALL ON FUNCTION audit_erase(uuid, text[]), audit_drop_month(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_erase(uuid, text[]) TO countersign_app;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0001_log'),
    ]

    operations = [
        migrations.CreateModel(
            name='Hold',
            fields=[
                ('id', models.TextField(default=audit.models.hold_id, primary_key=True, serialize=False)),
                ('team', models.TextField()),
                ('state', models.TextField(default='placed')),
                ('since', models.DateField()),
                ('until', models.DateField(null=True)),
                ('reason', models.TextField()),
                ('placed_by', models.TextField()),
                ('placed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'indexes': [models.Index(fields=['team', '-placed_at', '-id'], name='audit_hold_of_team')],
            },
        ),
        migrations.CreateModel(
            name='Tree',
            fields=[
                ('id', models.SmallAutoField(primary_key=True, serialize=False)),
                ('log', models.TextField()),
                ('number', models.PositiveIntegerField()),
                ('origin', models.TextField(unique=True)),
                ('size', models.BigIntegerField(default=0)),
                ('root', models.BinaryField()),
                ('opened_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('closed_at', models.DateTimeField(null=True)),
                ('problem', models.TextField(default='')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('log', 'number'), name='audit_tree_number'), models.UniqueConstraint(condition=models.Q(('closed_at', None)), fields=('log',), name='audit_tree_open')],
            },
        ),
        migrations.CreateModel(
            name='Tile',
            fields=[
                ('pk', models.CompositePrimaryKey('tree_id', 'level', 'n', blank=True, editable=False, primary_key=True, serialize=False)),
                ('level', models.SmallIntegerField()),
                ('n', models.BigIntegerField()),
                ('hashes', models.BinaryField()),
                ('tree', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.tree')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Outlet',
            fields=[
                ('name', models.TextField(primary_key=True, serialize=False)),
                ('kind', models.TextField()),
                ('reached', models.BigIntegerField(default=0)),
                ('reached_at', models.DateTimeField(null=True)),
                ('tried_at', models.DateTimeField(null=True)),
                ('failing_since', models.DateTimeField(null=True)),
                ('error', models.TextField(default='')),
                ('tree', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.tree')),
            ],
        ),
        migrations.CreateModel(
            name='LogKey',
            fields=[
                ('vkey', models.TextField(primary_key=True, serialize=False)),
                ('since', models.BigIntegerField()),
                ('until', models.BigIntegerField(null=True)),
                ('tree', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.tree')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Cosignature',
            fields=[
                ('pk', models.CompositePrimaryKey('tree_id', 'size', 'witness', blank=True, editable=False, primary_key=True, serialize=False)),
                ('size', models.BigIntegerField()),
                ('witness', models.TextField()),
                ('line', models.TextField()),
                ('at', models.DateTimeField()),
                ('tree', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.tree')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Checkpoint',
            fields=[
                ('pk', models.CompositePrimaryKey('tree_id', 'size', blank=True, editable=False, primary_key=True, serialize=False)),
                ('size', models.BigIntegerField()),
                ('root', models.BinaryField()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('note', models.TextField()),
                ('tree', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.tree')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Receipt',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('size', models.BigIntegerField()),
                ('anchor', models.TextField()),
                ('kind', models.TextField()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('data', models.BinaryField()),
                ('place', models.TextField()),
                ('tree', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.tree')),
            ],
            options={
                'indexes': [models.Index(fields=['tree', '-size'], name='audit_receipt_newest')],
            },
        ),
        migrations.CreateModel(
            name='Leaf',
            fields=[
                ('pk', models.CompositePrimaryKey('tree_id', 'idx', blank=True, editable=False, primary_key=True, serialize=False)),
                ('idx', models.BigIntegerField()),
                ('record_id', models.UUIDField()),
                ('at', models.DateTimeField()),
                ('leaf_hash', models.BinaryField()),
                ('tree', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.tree')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('record_id', 'tree'), name='audit_leaf_record')],
            },
        ),
        migrations.CreateModel(
            name='Export',
            fields=[
                ('id', models.TextField(default=audit.models.export_id, primary_key=True, serialize=False)),
                ('team', models.TextField()),
                ('state', models.TextField(default='requested')),
                ('form', models.TextField()),
                ('filter', models.JSONField(default=dict)),
                ('previous', models.TextField(default='')),
                ('requested_by', models.TextField()),
                ('requested_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('begin', models.BigIntegerField(default=0)),
                ('end', models.BigIntegerField(default=0)),
                ('size', models.BigIntegerField(default=0)),
                ('done', models.BigIntegerField(default=0)),
                ('written', models.JSONField(default=dict)),
                ('records', models.BigIntegerField(default=0)),
                ('digest', models.TextField(default='')),
                ('length', models.BigIntegerField(default=0)),
                ('error', models.TextField(default='')),
                ('finished_at', models.DateTimeField(null=True)),
                ('tree', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.tree')),
            ],
            options={
                'indexes': [models.Index(fields=['team', '-requested_at', '-id'], name='audit_export_of_team')],
            },
        ),
        migrations.RunSQL(PENDING, migrations.RunSQL.noop),
        migrations.RunSQL(TREE, migrations.RunSQL.noop),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
