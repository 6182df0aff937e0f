"""Who saw that a person is who they say."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

RIGHTS = """
-- What was seen was seen: a row is never changed.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON accounts_proofing
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON accounts_proofing
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
REVOKE UPDATE, DELETE ON accounts_proofing FROM countersign_app;
-- The door asks, and records nobody.
REVOKE INSERT, UPDATE, DELETE ON accounts_proofing FROM countersign_door;
REVOKE ALL ON accounts_proofing FROM countersign_sequencer;
-- Ed25519 signatures are 64 bytes; a row without one was not written by the console.
ALTER TABLE accounts_proofing ADD CONSTRAINT accounts_proofing_attested CHECK (octet_length(attestation) = 64);
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_identities"), ("audit", "0001_log")]
    operations = [
        migrations.CreateModel(
            name="Proofing",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("legal_name", models.TextField()),
                ("how", models.TextField()),
                ("on", models.DateField()),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("attestation", models.BinaryField(max_length=64)),
                (
                    "by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.team",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="proofings",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("legal_name", ""), _negated=True) & models.Q(("how", ""), _negated=True),
                        name="accounts_proofing_told",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("user", models.F("by")), _negated=True),
                        name="accounts_proofing_by_another",
                    ),
                ],
            },
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
