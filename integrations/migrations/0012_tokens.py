"""Tokens of authorization servers, and the consents that lead to them."""

import django.db.models.deletion
import django.db.models.functions.datetime
import integrations.token_models
from django.db import migrations, models


GUARDS = """
SELECT audit_guard('integrations_authorization',
    'exchanging>connected', 'exchanging>failed', 'initial>started', 'received>exchanging', 'received>failed',
    'started>failed', 'started>received');
-- Web begins and receives, and the door exchanges.
REVOKE UPDATE, DELETE ON integrations_authorization FROM countersign_app;
GRANT UPDATE (state, code, attestation, moved_at, problem) ON integrations_authorization TO countersign_app;
REVOKE INSERT, UPDATE, DELETE ON integrations_authorization FROM countersign_door;
GRANT UPDATE (state, moved_at, problem) ON integrations_authorization TO countersign_door;
-- The door alone writes tokens.
REVOKE INSERT, UPDATE, DELETE ON integrations_accesstoken FROM countersign_app;
REVOKE DELETE ON integrations_accesstoken FROM countersign_door;
REVOKE ALL ON integrations_authorization, integrations_accesstoken FROM countersign_sequencer;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0011_data_keys'),
    ]

    operations = [
        migrations.CreateModel(
            name='AccessToken',
            fields=[
                ('credential', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='token', serialize=False, to='integrations.credential')),
                ('version', models.PositiveIntegerField()),
                ('content', models.BinaryField()),
                ('expires_at', models.DateTimeField(null=True)),
                ('refreshed_at', models.DateTimeField()),
                ('problem', models.TextField(default='')),
                ('died_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='Authorization',
            fields=[
                ('id', models.TextField(default=integrations.token_models.authorization_id, primary_key=True, serialize=False)),
                ('state', models.TextField(default='started')),
                ('person', models.TextField()),
                ('session', models.BinaryField(max_length=32)),
                ('asked', models.BinaryField(max_length=32, unique=True)),
                ('redirect_uri', models.TextField()),
                ('verifier', models.BinaryField()),
                ('code', models.BinaryField(default=b'')),
                ('attestation', models.BinaryField(default=b'', max_length=64)),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('moved_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('problem', models.TextField(default='')),
                ('credential', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='authorizations', to='integrations.credential')),
            ],
            options={
                'ordering': ['-started_at', '-id'],
                'indexes': [models.Index(condition=models.Q(('state__in', ['received', 'exchanging'])), fields=['moved_at'], name='authorization_open')],
            },
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
