"""What the database itself holds about authority: moves, records, permits, and votes that never change."""

from django.db import migrations

GUARDS = """
SELECT audit_guard('approvals_action',
    'executing>failed', 'executing>in_doubt', 'executing>succeeded', 'held>expired', 'held>permitted',
    'held>refused', 'held>stale', 'held>withdrawn', 'in_doubt>executing', 'in_doubt>failed', 'in_doubt>succeeded',
    'initial>proposed', 'permitted>executing', 'permitted>refused', 'permitted>stale', 'permitted>withdrawn',
    'proposed>failed', 'proposed>held', 'proposed>permitted', 'proposed>refused', 'proposed>succeeded',
    'proposed>withdrawn');
SELECT audit_guard('approvals_review',
    'initial>open', 'open>approved', 'open>expired', 'open>refused', 'open>withdrawn');
"""

APPEND_ONLY = """
-- What somebody signed, ruled or published is never changed afterwards.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON approvals_decision
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON approvals_decision
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON approvals_policyversion
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON approvals_ruling
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON approvals_slot
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
"""

PERMITS = """
-- Nothing but a read begins to be sent unless a permit for the same request is consumed in this very transaction, by
-- the door. The effect is that of the operation, whatever the row says.
CREATE FUNCTION approvals_require_permit() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.effect IS DISTINCT FROM (SELECT effect FROM integrations_operation WHERE id = NEW.operation_id) THEN
        RAISE EXCEPTION 'call %: its effect is not that of its operation', NEW.id USING ERRCODE = '42501';
    END IF;
    IF NEW.effect = 'read' THEN RETURN NEW; END IF;
    IF NOT pg_has_role(current_user, 'countersign_door', 'USAGE') THEN
        RAISE EXCEPTION 'call %: only the door sends', NEW.id USING ERRCODE = '42501';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM approvals_permit
        WHERE action_id = NEW.action AND request_digest = NEW.request_digest
          AND consumed_txid = pg_current_xact_id()::text
    ) THEN
        RAISE EXCEPTION 'call %: no permit for this request was consumed here', NEW.id USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER permit_insert BEFORE INSERT ON integrations_call
    FOR EACH ROW EXECUTE FUNCTION approvals_require_permit();
CREATE TRIGGER permit_update BEFORE UPDATE ON integrations_call FOR EACH ROW
    WHEN (NEW.state = 'sending' AND OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION approvals_require_permit();

-- A permit is used once and never points elsewhere.
CREATE FUNCTION approvals_guard_permit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR OLD.consumed_at IS NOT NULL
       OR (NEW.action_id, NEW.action_digest, NEW.request_digest) IS DISTINCT FROM
          (OLD.action_id, OLD.action_digest, OLD.request_digest) THEN
        RAISE EXCEPTION 'permit %: % refused', OLD.id, TG_OP USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER used_once BEFORE UPDATE OR DELETE ON approvals_permit
    FOR EACH ROW EXECUTE FUNCTION approvals_guard_permit();
"""

RIGHTS = """
REVOKE DELETE ON approvals_action, approvals_policy, approvals_review FROM countersign_app, countersign_door;
REVOKE UPDATE, DELETE ON approvals_policyversion, approvals_ruling, approvals_slot, approvals_decision
    FROM countersign_app, countersign_door;
-- People's processes mint permits; only the door uses them.
REVOKE UPDATE, DELETE ON approvals_permit FROM countersign_app;
REVOKE DELETE ON approvals_permit FROM countersign_door;
-- The door neither votes nor publishes.
REVOKE INSERT ON approvals_decision, approvals_policy, approvals_policyversion FROM countersign_door;
REVOKE UPDATE ON approvals_policy FROM countersign_door;
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0002_initial"), ("integrations", "0002_guards"), ("audit", "0001_log")]
    operations = [
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
        migrations.RunSQL(APPEND_ONLY, migrations.RunSQL.noop),
        migrations.RunSQL(PERMITS, migrations.RunSQL.noop),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
