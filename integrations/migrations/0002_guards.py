"""The effect ledger moves only as its table of moves says, and each move has its record."""

from django.db import migrations

GUARDS = """
SELECT audit_guard('integrations_call',
    'in_doubt>failed', 'in_doubt>sending', 'in_doubt>succeeded', 'initial>sending', 'sending>failed',
    'sending>in_doubt', 'sending>succeeded');
"""

SENDING = """
-- A call that is being sent belongs to the door. Whoever could end it from outside could have it sent a second time.
CREATE FUNCTION integrations_guard_sending() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF NOT pg_has_role(current_user, 'countersign_door', 'USAGE') THEN
        RAISE EXCEPTION 'call %: only the door ends what it sends', OLD.id USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sending_update BEFORE UPDATE ON integrations_call FOR EACH ROW
    WHEN (OLD.state = 'sending' AND NEW.state IS DISTINCT FROM OLD.state)
    EXECUTE FUNCTION integrations_guard_sending();
"""

RIGHTS = """
-- Grants, credentials and calls are history that signatures refer to.
REVOKE DELETE ON integrations_integration, integrations_operation, integrations_credential, integrations_grant,
    integrations_call FROM countersign_app;
-- Only the door begins calls; people settle doubtful ones, and nobody rewrites what was sent.
REVOKE INSERT, UPDATE ON integrations_call FROM countersign_app;
GRANT UPDATE (state, finished_at, receipt) ON integrations_call TO countersign_app;
-- The door uses what admins have connected and changes none of it.
REVOKE INSERT, UPDATE, DELETE ON integrations_integration, integrations_operation, integrations_credential,
    integrations_grant FROM countersign_door;
REVOKE DELETE ON integrations_call FROM countersign_door;
REVOKE ALL ON integrations_credential FROM countersign_sequencer;
"""


class Migration(migrations.Migration):
    dependencies = [("integrations", "0001_initial"), ("audit", "0001_log")]
    operations = [
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
        migrations.RunSQL(SENDING, migrations.RunSQL.noop),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
