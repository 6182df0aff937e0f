"""Reviews that are none, to see whether people look."""

import approvals.models.review
import console.core.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

GUARDS = """
SELECT audit_guard('approvals_drill', 'initial>open', 'open>lapsed', 'open>left', 'open>right', 'open>wrong');
REVOKE DELETE ON approvals_drill FROM countersign_app;
REVOKE INSERT, UPDATE, DELETE ON approvals_drill FROM countersign_door;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_identities'),
        ('approvals', '0023_post_reviews'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='caresetting',
            name='drill_every',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.CreateModel(
            name='Drill',
            fields=[
                ('id', models.TextField(default=approvals.models.review.review_id, primary_key=True, serialize=False)),
                ('state', models.TextField(default='open')),
                ('planted', models.TextField()),
                ('told', models.TextField()),
                ('shown', console.core.fields.OrderedJSONField()),
                ('training', models.BooleanField(default=False)),
                ('opened_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('expires_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
                ('like', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='approvals.action')),
                ('reviewer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.team')),
            ],
            options={
                'ordering': ['expires_at', 'id'],
                'indexes': [models.Index(fields=['reviewer', 'team', '-opened_at'], name='drill_of_reviewer')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'open'), ('training', False)), fields=('reviewer', 'team'), name='drill_one_open'), models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('state', 'open')), models.Q(models.Q(('state', 'open'), _negated=True), ('closed_at__isnull', False)), _connector='OR'), name='drill_closed_iff_final')],
            },
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
