"""A version is never changed: a run can always be read beside what it ran."""

from django.db import migrations

GUARDS = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON workflows_workflowversion
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
REVOKE UPDATE, DELETE ON workflows_workflowversion FROM countersign_app;
REVOKE INSERT, UPDATE, DELETE ON workflows_workflow, workflows_workflowversion FROM countersign_door;
"""


class Migration(migrations.Migration):
    dependencies = [("workflows", "0001_initial"), ("audit", "0001_log")]
    operations = [
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
