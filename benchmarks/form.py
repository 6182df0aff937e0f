"""The form in which every benchmark reports: figures with their spread, and claims that hold or do not."""

import datetime as dt
import itertools
import json
import math
import os
import platform
import statistics
import sysconfig
import timeit
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("django", "celery", "redis", "psycopg", "httpx", "webauthn")


@dataclass(frozen=True, slots=True)
class Figure:
    """Over the runs: the smallest, the middle and the largest value."""

    min: float
    median: float
    max: float
    unit: str


@dataclass(frozen=True, slots=True)
class Claim:
    """`value` and `goal` are in the unit that the words name. `value` is the median over the runs."""

    claim: str
    value: float
    goal: float
    holds: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """What a benchmark gives back: each figure is taken over so many `runs`."""

    runs: int
    figures: Mapping[str, Figure]
    claims: Sequence[Claim]


@dataclass(frozen=True, slots=True)
class Report:
    name: str
    machine: Mapping[str, object]
    date: str
    versions: Mapping[str, str]
    runs: int
    figures: Mapping[str, Figure]
    claims: Sequence[Claim]


def report(name: str, measured: Measured, machine: Mapping[str, object], versions: Mapping[str, str]) -> Report:
    date = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return Report(name, machine, date, versions, measured.runs, measured.figures, measured.claims)


def as_json(report: Report) -> str:
    return json.dumps(asdict(report), indent=2, ensure_ascii=False)


def figure(values: Sequence[float], unit: str) -> Figure:
    """One value of each run."""
    low, middle, high = (round(value, 3) for value in (min(values), statistics.median(values), max(values)))
    return Figure(low, middle, high, unit)


def at_most(words: str, found: Figure, goal: float) -> Claim:
    return Claim(f"{words} ≤ {goal:g} {found.unit}", found.median, goal, found.median <= goal)


def at_least(words: str, found: Figure, goal: float) -> Claim:
    return Claim(f"{words} ≥ {goal:g} {found.unit}", found.median, goal, found.median >= goal)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank: the smallest value that at least `share` (0 to 1) of all values do not exceed."""
    if not values:
        raise ValueError("There is nothing to take a percentile of.")
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def chunks(values: Sequence[float], runs: int) -> list[Sequence[float]]:
    """As many runs of (nearly) equal length, in order. Raises ValueError when there are fewer values than runs."""
    if len(values) < runs:
        raise ValueError(f"{len(values)} values do not make {runs} runs.")
    edges = [round(len(values) * n / runs) for n in range(runs + 1)]
    return [values[begin:end] for begin, end in itertools.pairwise(edges)]


def spread(name: str, milliseconds: Sequence[float], runs: int) -> dict[str, Figure]:
    """`NAME_p50` and `NAME_p99`."""
    parts = chunks(milliseconds, runs)
    return {
        f"{name}_p50": figure([percentile(part, 0.5) for part in parts], "ms"),
        f"{name}_p99": figure([percentile(part, 0.99) for part in parts], "ms"),
    }


def load_average() -> list[float]:
    """Over 1, 5 and 15 minutes, as the kernel says it."""
    return [round(value, 2) for value in os.getloadavg()]


class Times(NamedTuple):
    """Of all processors since the machine began, in ticks: what its programs wanted, and what of it the host gave to
    others."""

    wanted: int
    stolen: int


def times() -> Times | None:
    """As Linux counts them (proc(5), /proc/stat); None elsewhere."""
    try:
        first = Path("/proc/stat").read_text().splitlines()[0]
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, stolen = map(int, first.split()[1:9])
    return Times(user + nice + system + irq + softirq + stolen, stolen)


def stolen_percent(before: Times | None, after: Times | None) -> float | None:
    """On a virtual machine whose host is busy each figure is worse, and no load average tells it."""
    if before is None or after is None or after.wanted == before.wanted:
        return None
    return round(100 * (after.stolen - before.stolen) / (after.wanted - before.wanted), 1)


def machine(load_before: Sequence[float], times_before: Times | None) -> dict[str, object]:
    """Call it at the end: the load is said from before and after."""
    return {
        "cores": os.cpu_count(),
        "processor": processor(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.system(),
        "kernel": platform.release(),
        "python_build": "optimised" if "--enable-optimizations" in build_options() else "plain",
        "loop_ns": round(loop_ns(), 1),
        "load_before": list(load_before),
        "load_after": load_average(),
        "stolen_percent": stolen_percent(times_before, times()),
    }


def build_options() -> str:
    """A Python built without profile-guided optimisation is a third slower, and all figures with it."""
    return str(sysconfig.get_config_var("CONFIG_ARGS"))


def loop_ns(times: int = 200_000) -> float:
    """One turn of a loop that calls a function, the best of five: how fast this Python is here, to compare machines."""
    return min(timeit.repeat("f(1)", "def f(a): return a + 1", number=times, repeat=5)) / times * 1e9


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def versions(**services: str) -> dict[str, str]:
    """Of Python, of the packages on the measured path, and of the `services` as they told."""
    return {"python": platform.python_version(), **services, **{name: version(name) for name in PACKAGES}}
