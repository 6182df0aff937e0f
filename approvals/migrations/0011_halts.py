"""The kill switch. The database itself lets nothing begin that is halted."""

import approvals.models
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


GUARDS = """
SELECT audit_guard('approvals_halt', 'initial>on', 'on>lifted');
REVOKE DELETE ON approvals_halt FROM countersign_app, countersign_door;
REVOKE INSERT, UPDATE ON approvals_halt FROM countersign_door;
"""
BEGUN = """
CREATE FUNCTION approvals_refuse_halted() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM approvals_halt h, approvals_action a JOIN integrations_operation o ON o.id = a.operation_id
        WHERE a.id = NEW.action AND h.state = 'on' AND (h.team_id IS NULL OR (h.team_id = a.team_id
          AND (h.scope = 'team' OR h.target = a.grantee OR h.target = o.integration_id)))
    ) THEN
        RAISE EXCEPTION 'call %: it is halted', NEW.id USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER halted_insert BEFORE INSERT ON integrations_call
    FOR EACH ROW EXECUTE FUNCTION approvals_refuse_halted();
CREATE TRIGGER halted_update BEFORE UPDATE ON integrations_call FOR EACH ROW
    WHEN (NEW.state = 'sending' AND OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION approvals_refuse_halted();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_guards'),
        ('approvals', '0010_counted'),
    ]

    operations = [
        migrations.CreateModel(
            name='Halt',
            fields=[
                ('id', models.TextField(default=approvals.models.halt_id, primary_key=True, serialize=False)),
                ('scope', models.TextField()),
                ('target', models.TextField(default='')),
                ('name', models.TextField()),
                ('state', models.TextField(default='on')),
                ('reason', models.TextField()),
                ('by', models.TextField()),
                ('since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('lifted_at', models.DateTimeField(null=True)),
                ('team', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.team')),
            ],
            options={
                'ordering': ['-since', '-id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('scope__in', ('instance', 'team', 'workflow', 'agent', 'integration'))), name='halt_scope_known'), models.CheckConstraint(condition=models.Q(models.Q(('scope', 'instance'), ('team', None)), models.Q(models.Q(('scope', 'instance'), _negated=True), models.Q(('team', None), _negated=True)), _connector='OR'), name='halt_of_a_team'), models.UniqueConstraint(condition=models.Q(('state', 'on')), fields=('team', 'scope', 'target'), name='halt_once', nulls_distinct=False)],
            },
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
        migrations.RunSQL(BEGUN, migrations.RunSQL.noop),
    ]
