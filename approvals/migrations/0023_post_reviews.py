"""Looking again at what was done without anybody, or in an emergency."""

import approvals.models.post_review
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models



GUARDS = """
SELECT audit_guard('approvals_postreview', 'initial>open', 'open>agreed', 'open>disagreed');
-- What is owed does not vanish, and the door owes nobody a judgement.
REVOKE DELETE ON approvals_postreview FROM countersign_app;
REVOKE INSERT, UPDATE, DELETE ON approvals_postreview, approvals_caresetting FROM countersign_door;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_identities'),
        ('approvals', '0022_looks'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='CareSetting',
            fields=[
                ('team', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='+', serialize=False, to='accounts.team')),
                ('samples', models.PositiveSmallIntegerField(default=0)),
                ('most_an_hour', models.PositiveSmallIntegerField(default=0)),
                ('sampled_until', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name='PostReview',
            fields=[
                ('id', models.TextField(default=approvals.models.post_review.post_review_id, primary_key=True, serialize=False)),
                ('cause', models.TextField()),
                ('state', models.TextField(default='open')),
                ('groups', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('not_by', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('why', models.TextField(default='')),
                ('opened_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('closed_at', models.DateTimeField(null=True)),
                ('action', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='post_review', to='approvals.action')),
                ('reviewer', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.team')),
            ],
            options={
                'ordering': ['opened_at', 'id'],
                'indexes': [models.Index(condition=models.Q(('state', 'open')), fields=['team', 'opened_at'], name='post_review_owed'), models.Index(condition=models.Q(('state', 'open'), _negated=True), fields=['team', '-closed_at'], name='post_review_judged')],
                'constraints': [models.CheckConstraint(condition=models.Q(('cause__in', ['opening', 'sample'])), name='post_review_cause_known'), models.CheckConstraint(condition=models.Q(models.Q(('closed_at', None), ('reviewer', None), ('state', 'open')), models.Q(models.Q(('state', 'open'), _negated=True), ('closed_at__isnull', False), ('reviewer__isnull', False)), _connector='OR'), name='post_review_judged_by_somebody')],
            },
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
