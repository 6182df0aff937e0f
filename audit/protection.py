"""What protects the log on this installation, asked of the database itself; what is not in force is said as plainly."""

from dataclasses import dataclass

from django.apps import apps
from django.db import connection

from audit.standing import Standing

_FACTS = """
WITH log AS (
    SELECT 'audit_record'::regclass::oid AS oid
    UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = 'audit_record'::regclass
    UNION ALL SELECT 'audit_waiting'::regclass
), firing AS (
    SELECT * FROM pg_trigger WHERE tgenabled IN ('A', CASE current_setting('session_replication_role')
                                                      WHEN 'replica' THEN 'R' ELSE 'O' END::"char")
), refusing AS (
    SELECT tgrelid, tgname FROM firing
    WHERE tgfoid IN ('audit_refuse_change'::regproc, 'audit_guard_taken'::regproc)
), guarded AS (
    SELECT tgrelid::regclass::text AS name FROM firing
    WHERE tgname IN ('guarded_insert', 'guarded_update') AND tgfoid = 'audit_guard_change'::regproc
    GROUP BY tgrelid HAVING count(*) = 2
)
SELECT
    current_user::text AS role,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
    (SELECT bool_or(pg_has_role(current_user, relowner, 'MEMBER')) FROM pg_class JOIN log USING (oid)) AS owner,
    (SELECT bool_or(has_any_column_privilege(oid, 'UPDATE') OR has_table_privilege(oid, 'TRUNCATE')
        OR oid <> 'audit_waiting'::regclass AND has_table_privilege(oid, 'DELETE'))  -- the trigger `taken` guards that
     FROM log) AS may_change,
    (SELECT count(*) FROM log WHERE (SELECT count(*) FROM refusing WHERE tgrelid = oid
        AND tgname IN ('append_only', 'append_only_all', 'taken'))
        < CASE oid WHEN 'audit_waiting'::regclass THEN 3 ELSE 2 END) AS open_tables,
    has_parameter_privilege(current_user, 'session_replication_role', 'SET') AS may_bypass,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('fsync') = 'on' AS fsync,
    (SELECT count(*) FROM guarded) AS guarded,
    (SELECT count(*) FROM unnest(%s::text[]) AS name WHERE name NOT IN (SELECT name FROM guarded)) AS unguarded,
    (SELECT count(*) FROM log JOIN pg_class USING (oid) WHERE relname ~ '^audit_record_[0-9]{6}$'
        AND relname > 'audit_record_' || to_char(now(), 'YYYYMM')) AS months_ahead,
    (SELECT count(*) FROM pg_event_trigger WHERE evtname IN ('audit_schema_changed', 'audit_schema_dropped')
        AND evtenabled = 'A') = 2 AND current_setting('event_triggers', true) IS DISTINCT FROM 'off' AS schema_watched
"""


@dataclass(frozen=True, slots=True)
class Facts:
    role: str
    superuser: bool
    owner: bool
    may_change: bool
    open_tables: int
    may_bypass: bool
    synchronous_commit: str
    fsync: bool
    guarded: int
    unguarded: int
    months_ahead: int
    schema_watched: bool


@dataclass(frozen=True, slots=True)
class Check:
    """`holds` as found now; `says` explains the state that was found. What is `optional` may be left away knowingly."""

    title: str
    holds: bool
    says: str
    optional: bool = False


def read_facts() -> Facts:
    """Of the role that serves this page, which is the one that writes the log."""
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [[model._meta.db_table for model in apps.get_models() if hasattr(model, "TRANSITIONS")]])
        return Facts(*cursor.fetchone())


def judge(facts: Facts, standing: Standing | None) -> list[Check]:
    """Pure. The order is that of an attack: who one is, what one may do, what stops one, what a crash could lose, what
    contradicts one afterwards."""
    inside = [_identity(facts), _rights(facts), _triggers(facts), _schema(facts), _fail_closed(facts), _durable(facts),
              _months(facts)]  # fmt: skip
    return [*inside, _signed(standing), _outside(standing)]


def _identity(facts: Facts) -> Check:
    title, role = "The console is not the owner", f"Its database role {facts.role}"
    if facts.superuser:
        return Check(title, False, f"{role} is a superuser.")
    if facts.owner:
        return Check(title, False, f"{role} is an owner of the log's tables.")
    return Check(title, True, f"{role} is neither a superuser nor an owner of the log's tables.")


def _rights(facts: Facts) -> Check:
    says = ("The role may change or delete records." if facts.may_change
            else "The role may add records and read them. It has no right to change, delete or empty.")  # fmt: skip
    return Check("Records can only be added", not facts.may_change, says)


def _triggers(facts: Facts) -> Check:
    title = "Triggers refuse every change"
    if facts.open_tables:
        return Check(title, False, f"{facts.open_tables} of the log's tables lack an enabled append-only trigger.")
    if facts.may_bypass:
        return Check(title, False, "They are in place, but the role may switch triggers off for its session.")
    return Check(title, True, "Also for roles that have the rights: they are enabled on every partition, and the "
                              "console's role cannot switch them off.")  # fmt: skip


def _schema(facts: Facts) -> Check:
    title = "Changes of these tables are records"
    if facts.schema_watched:
        return Check(title, True, "Dropping or switching off a guard is in the log, also when a superuser does it. "
                                  "This watch itself a superuser can switch off unseen.")  # fmt: skip
    return Check(title, False, "The event triggers for it are missing or switched off: only a superuser can make them, "
                               "and `manage.py provision` does so where it may.", optional=True)  # fmt: skip


def _fail_closed(facts: Facts) -> Check:
    title = "No change of state without its record"
    if facts.unguarded or not facts.guarded:
        return Check(title, False, f"{facts.unguarded} tables with states commit without a record.")
    return Check(title, True, f"The database refuses the commit otherwise, on all {facts.guarded} tables with states.")


def _durable(facts: Facts) -> Check:
    title = "A commit survives a power cut"
    if facts.synchronous_commit == "off" or not facts.fsync:
        lax = "fsync" if not facts.fsync else "synchronous_commit"
        return Check(title, False, f"{lax} is off: a crash could lose the last records.")
    return Check(title, True, f"synchronous_commit is {facts.synchronous_commit} and fsync is on.")


def _months(facts: Facts) -> Check:
    title = "Room for the months ahead"
    if not facts.months_ahead:
        return Check(title, False, "Next month has no partition yet: its records would go to the default one.")
    return Check(title, True, f"Partitions ready after this month: {facts.months_ahead}.")


def _signed(standing: Standing | None) -> Check:
    title = "Another process signs what the tree holds"
    if standing is None or not standing.signed:
        return Check(title, False, "Nothing has been signed yet.")
    if standing.tree.problem:
        return Check(title, False, standing.tree.problem)
    return Check(title, True, "The signer keeps its key and the last tree in files of its own, and refuses a tree that "
                              "does not continue it.")  # fmt: skip


def _outside(standing: Standing | None) -> Check:
    title = "Somebody outside knows the tree"
    if standing is None or not standing.known_outside:
        return Check(title, False, "No witness and no anchor has taken a checkpoint. Whoever holds the database and "
                                   "the signer's key could rewrite everything.", optional=True)  # fmt: skip
    return Check(title, True, f"Of {standing.signed:,} signed records, {standing.known_outside:,} are known to a "
                              "witness or an anchor.")  # fmt: skip
