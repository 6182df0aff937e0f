"""Runs and steps move only as their tables of moves say, and each move has its record."""

from django.db import migrations

GUARDS = """
SELECT audit_guard('runs_run',
    'initial>running', 'running>cancelled', 'running>failed', 'running>succeeded');
SELECT audit_guard('runs_step',
    'initial>planned', 'initial>ready', 'planned>cancelled', 'planned>ready', 'ready>cancelled', 'ready>running',
    'running>cancelled', 'running>failed', 'running>ready', 'running>succeeded', 'running>waiting',
    'waiting>cancelled', 'waiting>failed', 'waiting>ready', 'waiting>succeeded');
"""

RIGHTS = """
REVOKE DELETE ON runs_run, runs_step, runs_attempt FROM countersign_app;
-- The door knows actions, not runs.
REVOKE INSERT, UPDATE, DELETE ON runs_run, runs_step, runs_attempt FROM countersign_door;
"""


class Migration(migrations.Migration):
    dependencies = [("runs", "0002_initial"), ("audit", "0001_log")]
    operations = [
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
