"""Who signed that a restore from a backup was meant. The sequencer reads it, and checks each signature itself."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import console.home.models

GUARDS = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON home_restoresignature
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON home_restoresignature
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""

RIGHTS = """
REVOKE ALL ON home_restoresignature FROM countersign_app, countersign_door, countersign_sequencer;
GRANT SELECT, INSERT ON home_restoresignature TO countersign_app;
-- Public keys, and who is an administrator: what the console attested to.
GRANT SELECT ON home_restoresignature, accounts_passkey, accounts_membership TO countersign_sequencer;
GRANT SELECT (id, is_active) ON accounts_user TO countersign_sequencer;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_guards'),
        ('audit', '0004_remembered'),
        ('home', '0002_sequencer_heart'),
    ]

    operations = [
        migrations.CreateModel(
            name='RestoreSignature',
            fields=[
                ('id', models.TextField(default=console.home.models.signature_id, primary_key=True, serialize=False)),
                ('before', models.TextField()),
                ('payload', models.BinaryField()),
                ('nonce', models.TextField(unique=True)),
                ('client_data_json', models.BinaryField()),
                ('authenticator_data', models.BinaryField()),
                ('signature', models.BinaryField()),
                ('attestation', models.BinaryField(max_length=64)),
                ('signed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('passkey', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.passkey')),
                ('reviewer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['before', 'signed_at'], name='home_restore_before')],
            },
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
