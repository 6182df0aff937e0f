"""A slot is filled in one of several ways, by groups of which some are asked later."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions
from django.db import migrations, models

# Rows that nobody may update are written anew by changing the column's type: no trigger is touched.
SPEC = """
ALTER TABLE approvals_slot ADD COLUMN position smallint NOT NULL DEFAULT 0 CHECK (position >= 0);
ALTER TABLE approvals_slot ALTER COLUMN position DROP DEFAULT;
ALTER TABLE approvals_slot ADD COLUMN spec jsonb NOT NULL DEFAULT '{}';
ALTER TABLE approvals_slot ALTER COLUMN spec DROP DEFAULT;
ALTER TABLE approvals_slot ALTER COLUMN spec TYPE jsonb USING jsonb_build_object(
    'ways', jsonb_build_array(jsonb_build_object('group', "group", 'count', count, 'after_minutes', 0)),
    'refusals', 1, 'blind', false, 'signature', signature, 'separation', '[]'::jsonb, 'where', '');
"""
ASKED = """
INSERT INTO approvals_slotgroup (review_id, slot_id, "group") SELECT review_id, id, "group" FROM approvals_slot;
ALTER TABLE approvals_slot DROP CONSTRAINT slot_signature_known;
ALTER TABLE approvals_slot DROP CONSTRAINT slot_counts;
ALTER TABLE approvals_slot DROP COLUMN "group", DROP COLUMN count, DROP COLUMN signature;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON approvals_slotgroup
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
REVOKE UPDATE, DELETE ON approvals_slotgroup FROM countersign_app, countersign_door;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('approvals', '0008_at_once'),
    ]

    operations = [
        migrations.RunSQL(SPEC, state_operations=[
            migrations.AddField('slot', 'position', models.PositiveSmallIntegerField(default=0), preserve_default=False),
            migrations.AddField('slot', 'spec', models.JSONField(default=dict), preserve_default=False),
        ]),
        migrations.CreateModel(
            name='SlotGroup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('group', models.TextField()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.Now())),
                ('review', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='asked', to='approvals.review')),
                ('slot', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='asked', to='approvals.slot')),
            ],
            options={'constraints': [models.UniqueConstraint(fields=('review', 'group', 'slot'), name='slot_group_once')]},
        ),
        migrations.RunSQL(ASKED, state_operations=[
            migrations.RemoveConstraint('slot', 'slot_signature_known'),
            migrations.RemoveConstraint('slot', 'slot_counts'),
            migrations.RemoveField('slot', 'group'),
            migrations.RemoveField('slot', 'count'),
            migrations.RemoveField('slot', 'signature'),
        ]),
        migrations.AlterModelOptions(name='slot', options={'ordering': ['review', 'position']}),
        migrations.AddConstraint('slot', models.UniqueConstraint(fields=('review', 'position'), name='slot_position')),
        migrations.AddConstraint('slot', models.CheckConstraint(condition=models.Q(('spec__signature__in', ['device', 'passkey', 'password'])), name='slot_signature_known')),
        migrations.AddField('review', 'escalates_at', models.DateTimeField(null=True)),
        migrations.AddField('review', 'filled', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None)),
        migrations.AddIndex('review', models.Index(condition=models.Q(('escalates_at__isnull', False), ('state', 'open')), fields=['escalates_at'], name='review_escalates')),
        migrations.AddField('decision', 'groups', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None)),
    ]
