"""Agents that are observed: they show what they do, and ask for nothing."""

from django.db import migrations, models

# As in 0001, and one more column that may be written; once an agent is retired nothing begins.
GUARD = """
CREATE OR REPLACE FUNCTION agents_guard_end() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    free text[] := ARRAY['title', 'label', 'last_used_at', 'retired_at', 'revoked_at', 'observing_since'];
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
"""


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0002_proposals'),
    ]

    operations = [
        migrations.AddField(
            model_name='agent',
            name='observing_since',
            field=models.DateTimeField(null=True),
        ),
        migrations.RunSQL(GUARD, migrations.RunSQL.noop),
    ]
