"""What was revoked once stays so, whoever writes SQL."""

from django.db import migrations

GUARDS = """
CREATE FUNCTION integrations_guard_end() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '%: a revocation is final', OLD.id USING ERRCODE = '42501';
END $$;
CREATE TRIGGER ended BEFORE UPDATE ON integrations_grant FOR EACH ROW
    WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
    EXECUTE FUNCTION integrations_guard_end();
CREATE TRIGGER ended BEFORE UPDATE ON integrations_credential FOR EACH ROW
    WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
    EXECUTE FUNCTION integrations_guard_end();
"""


class Migration(migrations.Migration):
    dependencies = [("integrations", "0005_credential_settings")]
    operations = [migrations.RunSQL(GUARDS, migrations.RunSQL.noop)]
