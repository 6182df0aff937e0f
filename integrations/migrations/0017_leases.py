"""Of each call, under which lease the door opens a credential for it, and that this was revoked: for good."""

import django.db.models.deletion
from django.db import migrations, models


GUARDS = """
CREATE TRIGGER ended BEFORE UPDATE ON integrations_call FOR EACH ROW
    WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
    EXECUTE FUNCTION integrations_guard_end();
-- Whoever stops a run or an agent stops what the door sends for it.
GRANT UPDATE (revoked_at) ON integrations_call TO countersign_app;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0016_health_tests'),
    ]

    operations = [
        migrations.AddField(
            model_name='call',
            name='credential',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='integrations.credential'),
        ),
        migrations.AddField(
            model_name='call',
            name='grant',
            field=models.TextField(default=''),
        ),
        migrations.AddField(
            model_name='call',
            name='revoked_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='call',
            name='step',
            field=models.TextField(default=''),
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
