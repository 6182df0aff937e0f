"""Who is on a review, and what those who sign say of it."""

import approvals.models
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

FROZEN = """
-- What somebody said is never changed afterwards.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON approvals_comment
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON approvals_commentresolution
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
REVOKE UPDATE, DELETE ON approvals_comment, approvals_commentresolution FROM countersign_app, countersign_door;
REVOKE INSERT ON approvals_comment, approvals_commentresolution, approvals_claim FROM countersign_door;
REVOKE DELETE ON approvals_claim FROM countersign_app, countersign_door;
REVOKE UPDATE ON approvals_claim FROM countersign_app, countersign_door;
GRANT UPDATE (released_at) ON approvals_claim TO countersign_app;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('approvals', '0020_delegations'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Comment',
            fields=[
                ('id', models.TextField(default=approvals.models.comment_id, primary_key=True, serialize=False)),
                ('text', models.TextField()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('author', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('review', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='comments', to='approvals.review')),
            ],
            options={
                'ordering': ['at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='CommentResolution',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('resolved', models.BooleanField()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('by', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('comment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='resolutions', to='approvals.comment')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Claim',
            fields=[
                ('id', models.TextField(default=approvals.models.claim_id, primary_key=True, serialize=False)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('released_at', models.DateTimeField(null=True)),
                ('person', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('review', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='claims', to='approvals.review')),
            ],
            options={
                'ordering': ['at', 'id'],
                'indexes': [models.Index(condition=models.Q(('released_at', None)), fields=['review', 'at'], name='claim_of_review')],
                'constraints': [models.CheckConstraint(condition=models.Q(('released_at', None), ('released_at__gte', models.F('at')), _connector='OR'), name='claim_released')],
            },
        ),
        migrations.AddIndex(
            model_name='comment',
            index=models.Index(fields=['review', 'at'], name='comment_of_review'),
        ),
        migrations.RunSQL(FROZEN, migrations.RunSQL.noop),
    ]
