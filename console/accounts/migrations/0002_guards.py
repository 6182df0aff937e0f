"""What the database itself holds: passkeys stay as they were enrolled, and each role gets the rows it needs."""

from django.db import migrations

PASSKEYS = """
-- A signature made years ago is checked against this row, so it is never deleted, and what was enrolled never changes.
-- The list names what may change; a column added later is frozen unless it is added here.
CREATE FUNCTION accounts_guard_passkey() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    free text[] := ARRAY['label', 'sign_count', 'backed_up', 'last_used_at', 'revoked_at', 'revoked_by', 'revoked_why'];
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'passkeys are never deleted: % refused', TG_OP USING ERRCODE = '42501';
    END IF;
    IF to_jsonb(NEW) - free <> to_jsonb(OLD) - free THEN
        RAISE EXCEPTION 'passkey %: what was enrolled never changes', OLD.id USING ERRCODE = '42501';
    END IF;
    -- A key that its holder lost must not come back.
    IF OLD.revoked_at IS NOT NULL AND (NEW.revoked_at, NEW.revoked_by, NEW.revoked_why)
            IS DISTINCT FROM (OLD.revoked_at, OLD.revoked_by, OLD.revoked_why) THEN
        RAISE EXCEPTION 'passkey %: a revocation is final', OLD.id USING ERRCODE = '42501';
    END IF;
    -- Turning the counter back would let a copied signature pass again.
    IF NEW.sign_count < OLD.sign_count THEN
        RAISE EXCEPTION 'passkey %: the counter only rises', OLD.id USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER enrolled BEFORE UPDATE OR DELETE ON accounts_passkey
    FOR EACH ROW EXECUTE FUNCTION accounts_guard_passkey();
CREATE TRIGGER enrolled_all BEFORE TRUNCATE ON accounts_passkey
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_guard_passkey();
-- Ed25519 signatures are 64 bytes; a row without one was not written by the console.
ALTER TABLE accounts_passkey ADD CONSTRAINT accounts_passkey_attested CHECK (octet_length(attestation) = 64);
-- SHA-256; a shorter value would be a secret in clear, stored by mistake.
ALTER TABLE accounts_apitoken ADD CONSTRAINT accounts_token_digest CHECK (octet_length(sha256) = 32);
ALTER TABLE accounts_setuplink ADD CONSTRAINT accounts_setup_digest CHECK (octet_length(sha256) = 32);
"""

RIGHTS = """
-- People and what they proved themselves with are never deleted; only a membership is.
REVOKE DELETE ON accounts_user, accounts_team, accounts_passkey, accounts_apitoken, accounts_setuplink
    FROM countersign_app;
REVOKE UPDATE ON accounts_passkey FROM countersign_app;
GRANT UPDATE (label, sign_count, backed_up, last_used_at, revoked_at, revoked_by, revoked_why)
    ON accounts_passkey TO countersign_app;
-- The door checks who signed and writes nothing here; it has no use for tokens and links.
REVOKE INSERT, UPDATE, DELETE ON accounts_user, accounts_team, accounts_membership, accounts_passkey
    FROM countersign_door;
REVOKE ALL ON accounts_apitoken, accounts_setuplink FROM countersign_door;
REVOKE ALL ON accounts_user, accounts_team, accounts_membership, accounts_passkey, accounts_apitoken,
    accounts_setuplink FROM countersign_sequencer;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_tables"), ("audit", "0001_log")]
    operations = [
        migrations.RunSQL(PASSKEYS, migrations.RunSQL.noop),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
