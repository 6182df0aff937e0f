"""Schemas that operations of an import have in common: written once, never changed."""

import console.core.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import integrations.models
from django.db import migrations, models

KEPT = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON integrations_definitions
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON integrations_definitions
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
REVOKE UPDATE, DELETE ON integrations_definitions FROM countersign_app;
REVOKE INSERT, UPDATE, DELETE ON integrations_definitions FROM countersign_door;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0002_guards'),
    ]

    operations = [
        migrations.CreateModel(
            name='Definitions',
            fields=[
                ('id', models.TextField(default=integrations.models.definitions_id, primary_key=True, serialize=False)),
                ('content', console.core.fields.OrderedJSONField()),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('integration', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='integrations.integration')),
            ],
        ),
        migrations.AddField(
            model_name='operation',
            name='definitions',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='integrations.definitions'),
        ),
        migrations.RunSQL(KEPT, migrations.RunSQL.noop),
    ]
