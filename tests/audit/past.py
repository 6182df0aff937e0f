"""Records of long ago, as only a superuser of the database can make them."""

import contextlib
import datetime as dt
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection, connections

from audit.retention import Month, listing
from console.core.actor import Actor, Role, system
from console.core.clock import now
from console.home.embedded import role_password
from console.home.processes import ROOT, environment
from console.home.provision import MIGRATOR, OWNER
from tests.audit.conftest import SignedLog
from tests.services import ORIGIN, services

TEAM = "team_ours"
AS_OWNER = f"-crole={OWNER}"  # a clone of the database has lost what the migrator is set to be there
MIGRATION = system("retention")


def person(name: str, *roles: Role, team: str = TEAM) -> Actor:
    return Actor("human", f"usr_{name}", team, "session", name.title(), frozenset(roles))


def months_ago(count: int) -> dt.date:
    """The first day of a month."""
    year, month = divmod(now().year * 12 + now().month - 1 - count, 12)
    return dt.date(year, month + 1, 1)


def month(first: dt.date) -> Month:
    return next(one for one in listing() if one.first == first)


@dataclass
class Past:
    """Of one signed log in one database."""

    database: str
    log: SignedLog

    def age(self, first: dt.date) -> None:
        """Whatever waits for the tree was written on the tenth of this month."""
        with services().superuser(self.database) as superuser:
            superuser.execute("CREATE TEMP TABLE old AS SELECT id FROM audit_waiting")
            superuser.execute("SELECT audit_make_partition(%s)", [first])  # and that is recorded now
            superuser.execute("SET session_replication_role = replica")
            moment = dt.datetime.combine(first.replace(day=10), dt.time(12), dt.UTC)
            superuser.execute("UPDATE audit_waiting SET at = %s WHERE id IN (SELECT id FROM old)", [moment])

    def write(self, count: int, first: dt.date) -> None:
        self.log.write(count, team=TEAM)
        self.age(first)
        self.log.sequence()


@contextlib.contextmanager
def as_migrator() -> Iterator[None]:
    """This thread's connection is the owner's."""
    known = connections["default"].settings_dict
    before = {name: known[name] for name in ("USER", "PASSWORD", "OPTIONS")}
    connection.close()
    known |= {"USER": MIGRATOR, "PASSWORD": role_password(services().postgres.passwords, MIGRATOR),
              "OPTIONS": {**known["OPTIONS"], "options": AS_OWNER}}  # fmt: skip
    try:
        yield
    finally:
        connection.close()
        known |= before


def run_retention(database: str, *arguments: str, months: int = 12) -> tuple[int, list[str]]:
    """The program itself, as the migrator."""
    running = services()
    ours = environment(running.state, running.postgres, running.valkey, origin=ORIGIN, database=database,
                       process="migrate")  # fmt: skip
    ours["COUNTERSIGN_DATABASE_URL"] += f"&options={AS_OWNER.replace('=', '%3D')}"
    ours["COUNTERSIGN_RETENTION_MONTHS"] = str(months)
    done = subprocess.run([sys.executable, str(ROOT / "manage.py"), "retention", *arguments], cwd=ROOT, check=False,
                          env={**os.environ, **ours}, capture_output=True, text=True)  # fmt: skip
    return done.returncode, (done.stdout + done.stderr).splitlines()
