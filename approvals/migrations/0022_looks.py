"""How people look at reviews before they decide."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

RIGHTS = """
-- A measure is written with its vote and never changed.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON approvals_votemeasure
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
REVOKE UPDATE, DELETE ON approvals_votemeasure FROM countersign_app;
REVOKE DELETE ON approvals_look FROM countersign_app;
REVOKE INSERT, UPDATE, DELETE ON approvals_look, approvals_votemeasure FROM countersign_door;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('approvals', '0021_together'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='VoteMeasure',
            fields=[
                ('decision', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='measure', serialize=False, to='approvals.decision')),
                ('dwell_ms', models.PositiveIntegerField(null=True)),
                ('facts', models.PositiveIntegerField()),
                ('characters', models.PositiveIntegerField()),
                ('missed', models.PositiveSmallIntegerField(default=0)),
                ('unfolded', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None)),
            ],
        ),
        migrations.CreateModel(
            name='Look',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('opened', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None)),
                ('stated', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None)),
                ('missed', models.PositiveSmallIntegerField(default=0)),
                ('pause_until', models.DateTimeField(null=True)),
                ('review', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='looks', to='approvals.review')),
                ('reviewer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('review', 'reviewer'), name='look_once')],
            },
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
