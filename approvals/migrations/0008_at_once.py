"""What nobody is asked about goes from proposed to executing in one statement, with its permit and its call. In which
order PostgreSQL does the parts of a statement is not said, so that a permit was used is looked at when all are done."""

from django.db import migrations

GUARDS = """
SELECT audit_guard('approvals_action',
    'executing>failed', 'executing>in_doubt', 'executing>permitted', 'executing>succeeded', 'held>expired',
    'held>permitted', 'held>refused', 'held>stale', 'held>withdrawn', 'in_doubt>executing', 'in_doubt>failed',
    'in_doubt>succeeded', 'initial>proposed', 'permitted>executing', 'permitted>refused', 'permitted>stale',
    'permitted>withdrawn', 'proposed>executing', 'proposed>failed', 'proposed>held', 'proposed>permitted',
    'proposed>refused', 'proposed>succeeded', 'proposed>withdrawn');
DROP TRIGGER permit_insert ON integrations_call;
CREATE CONSTRAINT TRIGGER permit_insert AFTER INSERT ON integrations_call
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION approvals_require_permit();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('approvals', '0007_put_off'),
    ]

    operations = [
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
