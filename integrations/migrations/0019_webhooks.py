"""Where other systems tell of events. Web stores what arrives, and the door judges it."""

import django.db.models.deletion
import django.db.models.functions.datetime
import integrations.webhooks.models
from django.db import migrations, models


GUARDS = """
-- What has ended stays so, whoever writes SQL.
CREATE TRIGGER ended BEFORE UPDATE ON integrations_webhook FOR EACH ROW
    WHEN (OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at)
    EXECUTE FUNCTION integrations_guard_end();
CREATE TRIGGER ended BEFORE UPDATE ON integrations_webhooksecret FOR EACH ROW
    WHEN (OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at)
    EXECUTE FUNCTION integrations_guard_end();
-- Nothing arrives judged, nothing is judged twice, and of what was judged only the body may go.
CREATE FUNCTION integrations_guard_delivery() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    judged text[] := ARRAY['outcome', 'why', 'key', 'name', 'type', 'judged_at', 'headers', 'body'];
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN
            IF NEW.outcome = '' THEN RETURN NEW; END IF;
        WHEN 'DELETE' THEN
            IF OLD.outcome IN ('refused', 'duplicate') THEN RETURN OLD; END IF;
        ELSE
            IF (NEW.body IS NULL OR NEW.body = OLD.body)
                AND to_jsonb(NEW) - judged = to_jsonb(OLD) - judged
                AND (OLD.outcome = '' OR to_jsonb(NEW) - 'body' = to_jsonb(OLD) - 'body') THEN RETURN NEW; END IF;
    END CASE;
    RAISE EXCEPTION 'delivery %: what arrived, and what was judged of it, stays', coalesce(NEW.id, OLD.id)
        USING ERRCODE = '42501';
END $$;
CREATE TRIGGER stays BEFORE INSERT OR UPDATE OR DELETE ON integrations_delivery
    FOR EACH ROW EXECUTE FUNCTION integrations_guard_delivery();
"""

RIGHTS = """
-- Web opens and ends; it stores what arrives, and judges none of it.
REVOKE UPDATE, DELETE ON integrations_webhook, integrations_webhooksecret, integrations_delivery FROM countersign_app;
GRANT UPDATE (ended_at) ON integrations_webhook, integrations_webhooksecret TO countersign_app;
-- The door judges and counts, and wraps data keys anew.
REVOKE INSERT, UPDATE, DELETE ON integrations_webhook, integrations_webhooksecret FROM countersign_door;
REVOKE INSERT, UPDATE ON integrations_delivery FROM countersign_door;
GRANT UPDATE (refused, duplicates, told_at, alarmed_at) ON integrations_webhook TO countersign_door;
GRANT UPDATE (wrapped, door_key) ON integrations_webhooksecret TO countersign_door;
GRANT UPDATE (outcome, why, key, name, type, judged_at, headers, body) ON integrations_delivery TO countersign_door;
REVOKE ALL ON integrations_webhook, integrations_webhooksecret, integrations_delivery FROM countersign_sequencer;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0018_token_ends'),
    ]

    operations = [
        migrations.CreateModel(
            name='Webhook',
            fields=[
                ('id', models.TextField(default=integrations.webhooks.models.webhook_id, primary_key=True, serialize=False)),
                ('slug', models.TextField()),
                ('address', models.TextField(default=integrations.webhooks.models.new_address, unique=True)),
                ('scheme', models.TextField()),
                ('settings', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(null=True)),
                ('refused', models.BigIntegerField(default=0)),
                ('duplicates', models.BigIntegerField(default=0)),
                ('told_at', models.DateTimeField(null=True)),
                ('alarmed_at', models.DateTimeField(null=True)),
                ('attestation', models.BinaryField(max_length=64)),
                ('integration', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='webhooks', to='integrations.integration')),
            ],
            options={
                'ordering': ['slug'],
            },
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.TextField(default=integrations.webhooks.models.delivery_id, primary_key=True, serialize=False)),
                ('received_at', models.DateTimeField()),
                ('headers', models.BinaryField()),
                ('body', models.BinaryField(null=True)),
                ('size', models.PositiveIntegerField()),
                ('digest', models.BinaryField(max_length=32)),
                ('outcome', models.TextField(default='')),
                ('why', models.TextField(default='')),
                ('key', models.TextField(default='')),
                ('name', models.TextField(default='')),
                ('type', models.TextField(default='')),
                ('judged_at', models.DateTimeField(null=True)),
                ('webhook', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='integrations.webhook')),
            ],
            options={
                'ordering': ['-received_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='WebhookSecret',
            fields=[
                ('id', models.TextField(default=integrations.webhooks.models.secret_id, primary_key=True, serialize=False)),
                ('sealed', models.BinaryField()),
                ('wrapped', models.BinaryField(default=b'')),
                ('door_key', models.TextField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(null=True)),
                ('attestation', models.BinaryField(max_length=64)),
                ('webhook', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='secrets', to='integrations.webhook')),
            ],
            options={
                'ordering': ['created_at', 'id'],
            },
        ),
        migrations.AddConstraint(
            model_name='webhook',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('integration', 'slug'), name='webhook_slug_in_integration'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('outcome', '')), fields=['webhook', 'received_at'], name='delivery_waiting'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['webhook', '-received_at', '-id'], name='delivery_of_webhook'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('body__isnull', False)), fields=['received_at'], name='delivery_with_body'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ('', 'verified', 'refused', 'duplicate'))), name='delivery_outcome_known'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('judged_at__isnull', True), ('outcome', '')), models.Q(models.Q(('outcome', ''), _negated=True), ('judged_at__isnull', False)), _connector='OR'), name='delivery_judged_iff_outcome'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(condition=models.Q(('outcome', 'verified')), fields=('webhook', 'key'), name='delivery_once'),
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
