"""Agents and their tokens; an end is final."""

import console.agents.models
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

GUARDS = """
-- What was ended once must not come back by SQL; who an agent is never changes.
CREATE FUNCTION agents_guard_end() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    free text[] := ARRAY['title', 'label', 'last_used_at', 'retired_at', 'revoked_at'];
    ended text := CASE TG_TABLE_NAME WHEN 'agents_agent' THEN 'retired_at' ELSE 'revoked_at' END;
BEGIN
    IF to_jsonb(NEW) - free <> to_jsonb(OLD) - free THEN
        RAISE EXCEPTION '%: only its end may be written', OLD.id USING ERRCODE = '42501';
    END IF;
    IF to_jsonb(OLD) ->> ended IS NOT NULL AND to_jsonb(NEW) ->> ended IS DISTINCT FROM to_jsonb(OLD) ->> ended THEN
        RAISE EXCEPTION '%: its end is final', OLD.id USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ended BEFORE UPDATE ON agents_agent FOR EACH ROW EXECUTE FUNCTION agents_guard_end();
CREATE TRIGGER ended BEFORE UPDATE ON agents_agenttoken FOR EACH ROW EXECUTE FUNCTION agents_guard_end();
-- SHA-256; a shorter value would be a secret in clear, stored by mistake.
ALTER TABLE agents_agenttoken ADD CONSTRAINT agents_token_digest CHECK (octet_length(sha256) = 32);
REVOKE DELETE ON agents_agent, agents_agenttoken FROM countersign_app;
REVOKE ALL ON agents_agent, agents_agenttoken FROM countersign_door, countersign_sequencer;
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0002_guards'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Agent',
            fields=[
                ('id', models.TextField(default=console.agents.models.agent_id, primary_key=True, serialize=False)),
                ('slug', models.TextField()),
                ('title', models.TextField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('retired_at', models.DateTimeField(null=True)),
                ('attestation', models.BinaryField(max_length=64)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.team')),
            ],
            options={
                'ordering': ['slug'],
            },
        ),
        migrations.CreateModel(
            name='AgentToken',
            fields=[
                ('id', models.TextField(default=console.agents.models.token_id, primary_key=True, serialize=False)),
                ('sha256', models.BinaryField(unique=True)),
                ('label', models.TextField(default='')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('expires_at', models.DateTimeField()),
                ('last_used_at', models.DateTimeField(null=True)),
                ('revoked_at', models.DateTimeField(null=True)),
                ('attestation', models.BinaryField(max_length=64)),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tokens', to='agents.agent')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.AddConstraint(
            model_name='agent',
            constraint=models.UniqueConstraint(fields=('team', 'slug'), name='agent_slug_in_team'),
        ),
        migrations.AddConstraint(
            model_name='agenttoken',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('created_at'))), name='agent_token_expires'),
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
