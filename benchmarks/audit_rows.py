"""What the benchmark of the log writes: rows of one shape under the guards of the log and without them, a log as most
would begin one, where each row holds the hash of the one before, and records by the hundred thousand."""

import uuid
from collections.abc import Mapping
from typing import ClassVar, TypeVar

import psycopg
from django.db import models

from audit.leaf import Entry, build
from audit.vocabulary import Kind
from console.core.actor import system
from console.core.clock import stamp
from console.core.states import Transitions, transitions, trigger_arguments

TEAM = "team_of_the_benchmark"
ROWS = 32  # of each writer: nobody waits for a row that somebody else holds
TRACE = {"trace": "4bf92f3577b34da6a3ce929d0e0e4736", "span": "00f067aa0ba902b7"}


class Row(models.Model):
    """Indexed as a step is: by its key, and partly by its state."""

    KIND: ClassVar = "runs:step"
    TRANSITIONS: ClassVar[Transitions] = transitions(initial="running", running="waiting", waiting="running")

    id = models.TextField(primary_key=True)
    team = models.TextField()
    state = models.TextField(default="running")
    run = models.TextField()
    name = models.TextField()
    count = models.IntegerField(default=0)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.pk)

    def audit_context(self) -> Mapping[str, str]:
        return {"team": self.team, "run": self.run, **TRACE}


class Guarded(Row):
    class Meta:
        app_label = "benchmarks"
        db_table = "bench_guarded"
        managed = False


class Plain(Row):
    class Meta:
        app_label = "benchmarks"
        db_table = "bench_plain"
        managed = False


R = TypeVar("R", bound=Row)

TABLE = """
CREATE TABLE {name} (
    id text PRIMARY KEY, team text NOT NULL, state text NOT NULL, run text NOT NULL, name text NOT NULL,
    count integer NOT NULL
);
CREATE INDEX {name}_waiting ON {name} (name) WHERE state = 'waiting';
INSERT INTO {name}
SELECT format('step_%s_%s', writer, number), '{team}', 'running', 'run_' || writer, 'look', 0
FROM generate_series(0, {writers} - 1) AS writer, generate_series(1, {rows}) AS number;
"""

# The columns and the indexes of audit_record.
CHAIN = """
CREATE TABLE bench_chain (
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    id uuid NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(), leaf bytea NOT NULL,
    previous bytea NOT NULL, hash bytea NOT NULL,
    kind text NOT NULL, subject text NOT NULL, state text NOT NULL, actor_kind text NOT NULL, actor text NOT NULL,
    team text NOT NULL, run text NOT NULL, trace text NOT NULL,
    PRIMARY KEY (id, at)
);
CREATE INDEX ON bench_chain (subject, at);
CREATE INDEX ON bench_chain (team, at DESC, id DESC);
CREATE INDEX ON bench_chain (run, at) WHERE run <> '';
"""

# Each with an identity, a moment and a number of its own, and otherwise as the product writes them.
RECORDS = """
WITH numbered AS (
    SELECT clock_timestamp() AS at, number, md5(number::text || random()) AS chance
    FROM generate_series(1, %(count)s) AS number
), identified AS (
    SELECT *, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(chance, 1, 3)
               || '8' || substr(chance, 4, 15))::uuid AS id
    FROM numbered
)
INSERT INTO audit_waiting (id, log, leaf, kind, subject, state, actor_kind, actor, team, run, trace)
SELECT id, %(log)s, convert_to(replace(replace(replace(%(leaf)s, %(id)s, id::text), %(ts)s,
           to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')), '"seq":0', '"seq":' || number),
       'UTF8'),
       'runs:step:waiting', 'step_0_1', 'waiting', 'system', 'worker', %(team)s, 'run_0', %(trace)s
FROM identified
"""


def rows_of(model: type[R], writer: int) -> list[R]:
    return list(model._default_manager.filter(run=f"run_{writer}"))


def make_tables(url: str, writers: int) -> None:
    """By the role that makes the product's tables."""
    with psycopg.connect(url) as database:
        for name in ("bench_plain", "bench_guarded"):
            database.execute(TABLE.format(name=name, team=TEAM, writers=writers, rows=ROWS).encode())
        database.execute(CHAIN)
        moves = trigger_arguments(Row.TRANSITIONS)
        database.execute("SELECT audit_guard('bench_guarded', VARIADIC %s::text[])", [moves])


def fill(database: psycopg.Connection, count: int, log: str) -> None:
    """So many records, all in the queue for the tree too."""
    identity, moment = str(uuid.UUID(int=0)), stamp()
    entry = Entry(kind=Kind.STEP_WAITING, subject="step_0_1", actor=system("worker"), team=TEAM, state="waiting",
                  run="run_0", trace=TRACE["trace"], span=TRACE["span"])  # fmt: skip
    leaf = build(entry, log=log, identity=identity, at=moment, writer=("0" * 16, 0), commitments=[]).decode()
    values = {"count": count, "log": log, "leaf": leaf, "id": identity, "ts": moment, "team": TEAM, **TRACE}
    database.execute(RECORDS, values)
