"""The database and its roles, as a superuser makes them once: the same for laptops and production.

The owner cannot log in, so nothing that runs the product owns a table. Migrations run as the migrator, which
becomes the owner on login; the other roles get rows and no more. Everything here is safe to repeat.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import Connection, sql

OWNER = "countersign_owner"
MIGRATOR = "countersign_migrator"
APP = "countersign_app"
DOOR = "countersign_door"
SEQUENCER = "countersign_sequencer"
LOGIN_ROLES = (MIGRATOR, APP, DOOR, SEQUENCER)

GRANTS = """
ALTER DATABASE {database} OWNER TO {owner};
ALTER SCHEMA public OWNER TO {owner};
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO {app}, {door}, {sequencer};
ALTER ROLE {migrator} IN DATABASE {database} SET role = {owner};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}, {door};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO {app}, {door};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public
    GRANT SELECT ON TABLES TO {sequencer};
"""

# Dropping or switching off what guards a table, or giving rights away, is itself in the log. The function belongs to
# the superuser who makes it: an owner of it could otherwise have the superuser run what they like. ALWAYS, because a
# session that sets session_replication_role switches off every other trigger.
SCHEMA_WATCH = """
CREATE OR REPLACE FUNCTION public.audit_note_schema() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    change record;
    instance text;
    identity uuid;
    leaf text;
BEGIN
    IF TG_EVENT = 'sql_drop' AND EXISTS (SELECT 1 FROM pg_event_trigger_dropped_objects()
                                         WHERE object_identity IN ('public.audit_record', 'public.audit_waiting')) THEN
        RAISE EXCEPTION 'the log itself is not dropped' USING ERRCODE = '42501';
    END IF;
    IF to_regclass('public.audit_waiting') IS NULL THEN RETURN; END IF;  -- there is no log yet
    instance := coalesce((SELECT log FROM public.audit_tree ORDER BY id DESC LIMIT 1),
                         (SELECT log FROM public.audit_waiting LIMIT 1));
    IF instance IS NULL THEN RETURN; END IF;  -- nothing has been recorded yet
    FOR change IN EXECUTE CASE TG_EVENT
        -- With a table go the triggers of its foreign keys, which guard nothing of ours.
        WHEN 'sql_drop' THEN $sql$SELECT object_identity AS object,
            object_type = 'trigger' AND object_identity !~ '^"RI_ConstraintTrigger_' AS guards
            FROM pg_event_trigger_dropped_objects()$sql$
        ELSE $sql$SELECT coalesce(object_identity, object_type) AS object,
            object_type IN ('trigger', 'rule')
            OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = objid AND NOT tgisinternal)
            OR EXISTS (SELECT FROM pg_proc WHERE oid = objid AND prorettype = 'trigger'::regtype) AS guards
            FROM pg_event_trigger_ddl_commands()$sql$ END
    LOOP
        CONTINUE WHEN NOT (change.guards OR change.object ~ 'audit_'
                           OR TG_TAG IN ('GRANT', 'REVOKE', 'ALTER DEFAULT PRIVILEGES'));
        identity := gen_random_uuid();
        leaf := format('{"action":"audit:schema:changed","actor":{"auth":"none","id":%s,"on_behalf_of":"",'
            '"type":"system"},"blobs":[],"c":{},"decision":{},"detail":{"command":%s,"object":%s},"id":"%s","log":%s,'
            '"object":"schema","outcome":"","run":"","state":"","team":"","trace":{"span_id":"","trace_id":""},'
            '"ts":"%s","v":1,"writer":{"id":"database-%s","seq":%s}}',
            to_json(session_user::text), to_json(TG_TAG), to_json(left(change.object, 1000)), identity,
            to_json(instance), to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            pg_current_xact_id(), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
        INSERT INTO public.audit_waiting (id, log, leaf, kind, subject, actor_kind, actor)
        VALUES (identity, instance, convert_to(leaf, 'UTF8'), 'audit:schema:changed', 'schema', 'system', session_user);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION public.audit_note_schema() FROM PUBLIC;
DROP EVENT TRIGGER IF EXISTS audit_schema_changed;
DROP EVENT TRIGGER IF EXISTS audit_schema_dropped;
CREATE EVENT TRIGGER audit_schema_changed ON ddl_command_end EXECUTE FUNCTION public.audit_note_schema();
CREATE EVENT TRIGGER audit_schema_dropped ON sql_drop EXECUTE FUNCTION public.audit_note_schema();
ALTER EVENT TRIGGER audit_schema_changed ENABLE ALWAYS;
ALTER EVENT TRIGGER audit_schema_dropped ENABLE ALWAYS;
"""


def watch_schema(superuser_url: str, database: str) -> None:
    """After the tables are there. Only a superuser may; where nobody is one (many hosted servers), this is not in
    force, and the page of protections says so. Raises psycopg.errors.InsufficientPrivilege there."""
    with psycopg.connect(superuser_url, dbname=database) as connection:
        connection.execute("SET LOCAL client_min_messages = warning")
        connection.execute(SCHEMA_WATCH)


def provision(superuser_url: str, database: str, passwords: Mapping[str, str]) -> None:
    """`passwords` are set for the roles they name; the others keep what they have, if they have any."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        make_roles(connection, passwords)
        make_database(connection, database)
    with psycopg.connect(superuser_url, dbname=database) as connection:
        grant(connection, database)
        migrated = connection.execute("SELECT to_regclass('public.audit_tree') IS NOT NULL").fetchone()
    if migrated and migrated[0]:
        watch_schema(superuser_url, database)


def make_roles(connection: Connection, passwords: Mapping[str, str]) -> None:
    make_role(connection, OWNER, login=False)
    for role in LOGIN_ROLES:
        make_role(connection, role, login=True)
    connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(OWNER), sql.Identifier(MIGRATOR)))
    for role, password in passwords.items():
        set_password(connection, role, password)


def make_role(connection: Connection, role: str, *, login: bool) -> None:
    if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
        kind = sql.SQL("LOGIN" if login else "NOLOGIN")
        statement = sql.SQL("CREATE ROLE {} {} NOSUPERUSER NOCREATEDB NOCREATEROLE")
        connection.execute(statement.format(sql.Identifier(role), kind))


def set_password(connection: Connection, role: str, password: str) -> None:
    """Hashed here, so that the server and its log never see the password itself."""
    hashed = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
    connection.execute(statement.format(sql.Identifier(role), sql.Literal(hashed.decode())))


def make_database(connection: Connection, database: str) -> None:
    if connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone() is None:
        # template0: nothing that somebody added to template1 comes along.
        statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'")
        connection.execute(statement.format(sql.Identifier(database), sql.Identifier(OWNER)))


def grant(connection: Connection, database: str) -> None:
    roles = {role.removeprefix("countersign_"): sql.Identifier(role) for role in (OWNER, *LOGIN_ROLES)}
    connection.execute(sql.SQL(GRANTS).format(database=sql.Identifier(database), **roles))


def role_url(superuser_url: str, role: str, password: str, database: str) -> str:
    """The same server, seen by another role."""
    parts = urlsplit(superuser_url)
    place = parts.netloc.rpartition("@")[2]
    options = [(key, value) for key, value in parse_qsl(parts.query) if key not in {"user", "password", "dbname"}]
    login = f"{role}:{quote(password, safe='')}@{place}"
    return urlunsplit((parts.scheme, login, f"/{quote(database)}", urlencode(options, safe="/"), ""))
