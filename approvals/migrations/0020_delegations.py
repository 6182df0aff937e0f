"""In whose place somebody signs. The database itself keeps a person to one vote, by themself or by another."""

import approvals.models
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

GUARDS = """
SELECT audit_guard('approvals_delegation', 'given>ended', 'initial>given');
REVOKE DELETE ON approvals_delegation FROM countersign_app, countersign_door;
REVOKE INSERT, UPDATE ON approvals_delegation FROM countersign_door;
-- What somebody gave is never changed afterwards; it ends.
REVOKE UPDATE ON approvals_delegation FROM countersign_app;
GRANT UPDATE (state, ended_at) ON approvals_delegation TO countersign_app;
"""
ONCE = """
-- Whoever votes holds the lock on the review, so two of them are never here at once.
CREATE FUNCTION approvals_refuse_second_vote() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM approvals_decision d WHERE d.review_id = NEW.review_id
          AND ARRAY[d.reviewer_id, d.on_behalf_of_id] && ARRAY[NEW.reviewer_id, NEW.on_behalf_of_id]
    ) THEN
        RAISE EXCEPTION 'decision %: somebody has a vote in this review already', NEW.id USING ERRCODE = '23505';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER once_a_person BEFORE INSERT ON approvals_decision
    FOR EACH ROW EXECUTE FUNCTION approvals_refuse_second_vote();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_identities'),
        ('approvals', '0019_context'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='decision',
            name='on_behalf_of',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.CreateModel(
            name='Delegation',
            fields=[
                ('id', models.TextField(default=approvals.models.delegation_id, primary_key=True, serialize=False)),
                ('state', models.TextField(default='given')),
                ('begins_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('at_most', models.BigIntegerField(null=True)),
                ('currency', models.TextField(default='')),
                ('categories', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None)),
                ('away', models.BooleanField(default=False)),
                ('given_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(null=True)),
                ('attestation', models.BinaryField(max_length=64)),
                ('delegate', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('delegator', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.team')),
            ],
            options={
                'ordering': ['-given_at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='decision',
            name='delegation',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='approvals.delegation'),
        ),
        migrations.AddConstraint(
            model_name='decision',
            constraint=models.UniqueConstraint(fields=('review', 'on_behalf_of'), name='decision_once_for'),
        ),
        migrations.AddConstraint(
            model_name='decision',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('delegation', None), ('on_behalf_of', None)), models.Q(('delegation__isnull', False), ('on_behalf_of__isnull', False), ('verdict__in', ['approve', 'refuse'])), _connector='OR'), name='decision_on_behalf_by_delegation'),
        ),
        migrations.AddIndex(
            model_name='delegation',
            index=models.Index(condition=models.Q(('state', 'given')), fields=['delegate', 'team'], name='delegation_received'),
        ),
        migrations.AddIndex(
            model_name='delegation',
            index=models.Index(fields=['team', '-given_at'], name='delegation_of_team'),
        ),
        migrations.AddConstraint(
            model_name='delegation',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'given')), fields=('delegator', 'team'), name='delegation_one'),
        ),
        migrations.AddConstraint(
            model_name='delegation',
            constraint=models.CheckConstraint(condition=models.Q(('delegate', models.F('delegator')), _negated=True), name='delegation_to_another'),
        ),
        migrations.AddConstraint(
            model_name='delegation',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('begins_at'))), name='delegation_lasts'),
        ),
        migrations.AddConstraint(
            model_name='delegation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('at_most', None), ('currency', '')), models.Q(('at_most__gt', 0), models.Q(('currency', ''), _negated=True)), _connector='OR'), name='delegation_cap'),
        ),
        migrations.AddConstraint(
            model_name='delegation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('ended_at', None), ('state', 'given')), models.Q(('ended_at__isnull', False), ('state', 'ended')), _connector='OR'), name='delegation_ended_iff_final'),
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
        migrations.RunSQL(ONCE, migrations.RunSQL.noop),
    ]
