"""Credentials that were opened for a person. The door alone opens; the rest of the console only drops what is sealed."""

import django.db.models.deletion
import django.db.models.functions.datetime
import integrations.opening_models
from django.conf import settings
from django.db import migrations, models

RIGHTS = """
REVOKE INSERT, UPDATE, DELETE ON integrations_opening FROM countersign_app;
GRANT UPDATE (content) ON integrations_opening TO countersign_app;
REVOKE UPDATE, DELETE ON integrations_opening FROM countersign_door;
REVOKE ALL ON integrations_opening FROM countersign_sequencer;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0019_webhooks'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Opening',
            fields=[
                ('id', models.TextField(default=integrations.opening_models.opening_id, primary_key=True, serialize=False)),
                ('action', models.TextField(unique=True)),
                ('content', models.BinaryField()),
                ('opened_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('until', models.DateTimeField()),
                ('replace_by', models.DateTimeField()),
                ('asker', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('credential', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='openings', to='integrations.credential')),
            ],
            options={
                'ordering': ['-opened_at', '-id'],
                'indexes': [models.Index(condition=models.Q(('content', b''), _negated=True), fields=['until'], name='opening_held')],
            },
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
