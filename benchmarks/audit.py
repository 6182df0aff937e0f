"""What does the log cost, and how fast is what it gives? Transitions with their records and without, and beside a naive
hash chain; from commit to signed checkpoint; exports beside COPY; verification offline; and how all of it grows. Two
packages that people would take instead record the same write on the same server.

What is compared is measured in turn, in one run. Sequencer and signer run as they do in an installation.
"""

import json
import random
import statistics
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import log2
from typing import NamedTuple

import psycopg
from django.db import connection, transaction

from audit.models import Checkpoint, Leaf, Tree, Waiting
from audit.record import record
from audit.trees import open_tree
from audit.vocabulary import Kind
from benchmarks import audit_exports, form
from benchmarks.audit_rows import ROWS, TEAM, fill, make_tables
from benchmarks.bench import PATIENCE, Bench, CouldNotMeasure, say
from benchmarks.crowd import Crowd
from benchmarks.form import Claim, Figure, Measured, at_least, at_most, figure
from benchmarks.peers import NotInstalled, python_of
from console.core.actor import system
from console.home.children import wait_until
from console.home.embedded import provision
from console.home.places import private_directory
from console.home.processes import DATABASE, ROOT, python
from console.home.provision import MIGRATOR

RUNS = 3
ROUNDS = 9  # of what is short: rates and growth
MOST = 16  # writers
WORK = 0.005  # seconds inside the transaction, after the record
LOOK = 0.005  # seconds between two looks for a newer checkpoint
Figures = dict[str, Figure]


class Extent(NamedTuple):
    """How much of everything. `probing` and `seconds` are seconds, `sizes` are of trees."""

    writers: Sequence[int]
    seconds: float
    acts: int
    probing: float
    records: int
    sizes: Sequence[int]


FULL = Extent((1, 4, 8, 16), 1.0, 800, 12.0, 300_000, (10_000, 100_000, 1_000_000))
QUICK = Extent((8,), 0.4, 100, 2.5, 20_000, (1_000, 10_000, 100_000))


def measure(bench: Bench, *, quick: bool) -> Measured:
    extent = QUICK if quick else FULL
    make_tables(bench.postgres.url(MIGRATOR, DATABASE), MOST)
    bench.start_signed()
    sockets = private_directory(bench.state / "crowds")
    bench.run("writers", python("-m", "benchmarks.audit_writers", str(sockets / "ours"), str(MOST)))
    ours = Crowd(str(sockets / "ours"), PATIENCE)
    figures = acts(ours, extent) | rates(ours, extent) | beside_chain(ours, extent)
    figures |= peers(bench, ours, str(sockets / "peers"), extent)
    figures |= signed("idle", extent) | signed("busy", extent, ours)
    figures |= filled(bench, extent.records) | audit_exports.measured(bench.state, RUNS)
    bench.stop("sequencer")
    figures |= growth(bench, extent.sizes)
    return Measured(RUNS, figures, claims(figures, extent.sizes))


def claims(figures: Mapping[str, Figure], sizes: Sequence[int]) -> list[Claim]:
    small, large = sizes[0], sizes[-1]
    return [
        at_least("8 writers: share of the transactions without a record", figures["share_8"], 0.6),
        at_least("16 writers, 5 ms of work: beside a hash chain", figures["beside_chain_16"], 8),
        at_most("one act, median: added by its record", figures["act_added"], 250),
        at_most("idle, p50 of commit to signed checkpoint", figures["idle_signed_p50"], 1_200),
        at_most("8 writers, p50 of commit to signed checkpoint", figures["busy_signed_p50"], 1_200),
        at_least("one core: leaf hashes and range proof", figures["range_checked"], 250_000),
        at_least("one core: bundle verified by verify.py", figures["bundle_verified"], 120_000),
        at_least("JSON lines: share of COPY in the order of the log", figures["jsonl_share"], 0.6),
        at_least("bundle: share of COPY in the order of the log", figures["bundle_share"], 0.6),
        at_most(f"one leaf more: {large:,} leaves beside {small:,}", figures["append_growth"], 1.5),
        at_most(f"inclusion proof: {large:,} leaves beside {small:,}", figures["proof_growth"],
                round(1.5 * log2(large) / log2(small), 2)),
        at_most(f"range check of one leaf: {large:,} leaves beside {small:,}", figures["range_growth"], 1.5),
    ]  # fmt: skip


# Writing


def acts(ours: Crowd, extent: Extent) -> Figures:
    say("one act, with its record and without")
    runs = [ours.durations("unaudited", "audited", "django", times=extent.acts) for _ in range(RUNS)]
    medians = [{name: statistics.median(taken) for name, taken in run.items()} for run in runs]
    found = {f"act_{name}": figure([one[name] for one in medians], "µs") for name in medians[0]}
    found["act_added"] = figure([one["audited"] - one["unaudited"] for one in medians], "µs")
    return found | {"act_beside_django": figure([one["audited"] / one["django"] for one in medians], "times")}


def rates(ours: Crowd, extent: Extent) -> Figures:
    found: Figures = {}
    for writers in extent.writers:
        ways = ("unaudited", "audited", "django") if writers == 8 else ("unaudited", "audited")
        say(f"{writers} writers: {', '.join(ways)}")
        runs = in_turn(dict.fromkeys(ways, ours), writers, extent.seconds)
        found |= {f"{way}_{writers}": figure(runs[way], "transactions/s") for way in ways}
        found[f"share_{writers}"] = quotient(runs["audited"], runs["unaudited"])
        if "django" in runs:
            found[f"share_of_django_{writers}"] = quotient(runs["audited"], runs["django"])
    return found


def beside_chain(ours: Crowd, extent: Extent) -> Figures:
    """How many times as many transactions as with a hash chain, when something else is done in each."""
    found: Figures = {}
    for writers in (8, 16):
        say(f"{writers} writers, {WORK * 1e3:g} ms of work in the transaction: audited, chain")
        runs = in_turn({"audited": ours, "chain": ours}, writers, extent.seconds, WORK)
        found |= {f"{way}_with_work_{writers}": figure(runs[way], "transactions/s") for way in runs}
        found[f"beside_chain_{writers}"] = quotient(runs["audited"], runs["chain"])
    return found


def peers(bench: Bench, ours: Crowd, socket: str, extent: Extent) -> Figures:
    """The same write as django-pghistory and django-auditlog record it, in a database of their own."""
    try:
        program = str(python_of("audit_peers", bench.state))
    except NotInstalled as problem:
        say(f"django-pghistory and django-auditlog are not measured: {problem}")
        return {}
    provision(bench.postgres, "peers")
    address = {"PEERS_DATABASE_URL": bench.postgres.url(MIGRATOR, "peers"), "PYTHONPATH": str(ROOT)}
    bench.run("peers", [program, "-m", "benchmarks.audit_peers.program", socket, str(MOST), str(ROWS)], address)
    theirs = Crowd(socket, PATIENCE)
    say("8 writers: audited, pghistory, auditlog")
    crowds = {"audited": ours, "pghistory": theirs, "auditlog": theirs}
    runs = in_turn(crowds, 8, extent.seconds)
    found = {f"peers_{way}_8": figure(rate, "transactions/s") for way, rate in runs.items()}
    times = [{**theirs.durations("pghistory", "auditlog", times=extent.acts),
              **ours.durations("audited", times=extent.acts)} for _ in range(RUNS)]  # fmt: skip
    for way in crowds:
        found[f"peers_{way}_act"] = figure([statistics.median(one[way]) for one in times], "µs")
    theirs.connection.close()
    return found


def in_turn(ways: Mapping[str, Crowd], writers: int, seconds: float, work: float = 0.0) -> dict[str, list[float]]:
    """Rates by way. Each begins when nothing is left to be put into the tree."""
    runs: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, crowd in ways.items():
            wait_until_signed()
            runs[way].append(crowd.rate(way, writers, seconds, work))
    return runs


def quotient(above: Sequence[float], below: Sequence[float]) -> Figure:
    return figure([one / other for one, other in zip(above, below, strict=True)], "times")


# From commit to signed checkpoint


def signed(name: str, extent: Extent, crowd: Crowd | None = None) -> Figures:
    say(f"{name}: from commit to signed checkpoint")
    wait_until_signed()
    with Watch() as watch, ThreadPoolExecutor(1) as beside:
        if crowd:
            beside.submit(crowd.rate, "audited", 8, extent.probing)
        committed = probe(extent.probing)
        wait_until_signed()
    places = dict(Leaf.objects.filter(record_id__in=committed).values_list("record_id", "idx"))
    taken = [(watch.first_over(places[identity]) - at) * 1e3 for identity, at in committed.items()]
    return form.spread(f"{name}_signed", taken, RUNS)


def probe(seconds: float) -> dict[uuid.UUID, float]:
    """Records at moments that no clock of the sequencer knows, and when each was committed."""
    committed: dict[uuid.UUID, float] = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with transaction.atomic():
            identity = record(Kind.PAGE_READ, subject="benchmark", actor=system("web"), team=TEAM)
        committed[uuid.UUID(identity)] = time.monotonic()
        time.sleep(random.uniform(0.02, 0.12))
    return committed


class Watch:
    """When each checkpoint was there to be seen."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []
        self.ended = threading.Event()

    def first_over(self, index: int) -> float:
        return next(at for size, at in self.seen if size > index)

    def _look(self) -> None:
        newest = Checkpoint.objects.order_by("-tree_id", "-size").values_list("size", flat=True)
        over = False
        while not over:
            over = self.ended.wait(LOOK)  # and once more when it is: the last checkpoint may have come meanwhile
            size = newest.first() or 0
            if not self.seen or self.seen[-1][0] < size:
                self.seen.append((size, time.monotonic()))
        connection.close()

    def __enter__(self) -> "Watch":
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()


def wait_until_signed() -> None:
    def all_signed() -> bool:
        waiting = Waiting.objects.exists()  # asked first: what is taken off the queue is in the tree that is read then
        tree = open_tree()
        return not waiting and tree is not None and is_signed(tree)

    if not wait_until(all_signed, patience=2 * PATIENCE):
        raise CouldNotMeasure("The sequencer does not come to an end.")


def is_signed(tree: Tree) -> bool:
    return Checkpoint.objects.filter(tree=tree, size=tree.size).exists()


# A large log


def filled(bench: Bench, count: int) -> Figures:
    """Many records at once, and how fast the sequencer takes them into the tree."""
    say(f"{count:,} records into the tree")
    with psycopg.connect(bench.postgres.url(MIGRATOR, DATABASE)) as database:
        fill(database, count, f"localhost:{bench.port}")
    began = time.monotonic()
    wait_until_signed()
    rate = count / (time.monotonic() - began)
    with psycopg.connect(bench.postgres.url(MIGRATOR, DATABASE), autocommit=True) as database:
        database.execute("VACUUM ANALYZE audit_record, audit_leaf")
    return {"integrated": figure([rate], "records/s")}


def growth(bench: Bench, sizes: Sequence[int]) -> Figures:
    """Trees of each size, measured in turn by a process that is the sequencer meanwhile."""
    say(f"trees of {', '.join(f'{size:,}' for size in sizes)} leaves")
    program = python("-m", "benchmarks.audit_trees", str(ROUNDS), *map(str, sizes))
    done = subprocess.run(program, env=bench.environment("sequencer"), cwd=ROOT, capture_output=True, text=True,
                          check=False)  # fmt: skip
    if done.returncode:
        raise CouldNotMeasure(f"The trees could not be grown: {done.stderr[-2000:]}")
    found: dict[str, dict[str, list[float]]] = json.loads(done.stdout)
    figures = {f"{name}_{size}": figure(values, "µs") for size in found for name, values in found[size].items()}
    # The quickest of each: what else this machine does can only add.
    small, large = ({name: min(values) for name, values in found[str(size)].items()} for size in (sizes[0], sizes[-1]))
    return figures | {f"{name}_growth": figure([large[name] / small[name]], "times") for name in small}
