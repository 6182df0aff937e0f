"""Who people are at providers of OpenID Connect, and which memberships came from there."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

RIGHTS = """
-- Whom a subject names never changes: a link is made or taken away.
REVOKE UPDATE ON accounts_identity FROM countersign_app;
-- The others ask who signed, and not how somebody came in.
REVOKE ALL ON accounts_identity FROM countersign_door, countersign_sequencer;
-- Ed25519 signatures are 64 bytes; a row without one was not written by the console.
ALTER TABLE accounts_identity ADD CONSTRAINT accounts_identity_attested CHECK (octet_length(attestation) = 64);
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_guards")]
    operations = [
        migrations.AddField("membership", "source", models.TextField(default="")),
        migrations.CreateModel(
            name="Identity",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("issuer", models.TextField()),
                ("subject", models.TextField()),
                ("linked_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("attestation", models.BinaryField(max_length=64)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="identities",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("issuer", "subject"), name="accounts_identity_once"),
                    models.CheckConstraint(
                        condition=models.Q(("issuer", ""), _negated=True) & models.Q(("subject", ""), _negated=True),
                        name="accounts_identity_named",
                    ),
                ],
            },
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
