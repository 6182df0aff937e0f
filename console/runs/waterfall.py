"""The waterfall's layout and where a run's time went. Pure: spans in, rows in percent of the shown time out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# What a moment is called when several things go on at once: work before waiting, waiting before nothing.
CAUSES = ("model", "browser", "desktop", "api", "human", "process")


@dataclass(frozen=True, slots=True)
class Bar:
    """One span, times in Unix nanoseconds; `ended_ns` is None while it runs."""

    span_id: str
    parent_id: str
    name: str
    surface: str
    started_ns: int
    ended_ns: int | None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """`x` and `width` are percent. A `mark` is a moment, drawn as a tick; an `open` bar reaches the right edge."""

    bar: Bar
    depth: int
    x: float
    width: float
    open: bool
    mark: bool
    took_ns: int


@dataclass(frozen=True, slots=True)
class Share:
    cause: str
    ns: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Picture:
    rows: Sequence[Row]
    shares: Sequence[Share]
    ruler: Sequence[int]  # nanoseconds from the start, evenly apart
    took_ns: int
    open: bool


def draw(bars: Sequence[Bar], now_ns: int) -> Picture:
    """Children under their parents in order of start. Times that lie outside the shown range are clamped to it."""
    if not bars:
        return Picture((), (), (), 0, False)
    start = min(bar.started_ns for bar in bars)
    open_ = any(bar.ended_ns is None for bar in bars)
    ends = [bar.ended_ns for bar in bars if bar.ended_ns is not None]
    end = max([start, *ends, *([now_ns] if open_ else []), *(bar.started_ns for bar in bars)])
    took = max(1, end - start)
    rows = [_row(bar, depth, start, end) for bar, depth in _in_order(bars)]
    ruler = [took * tick // 5 for tick in range(6)]
    return Picture(rows, shares(bars, start, end), ruler, end - start, open_)


def _row(bar: Bar, depth: int, start: int, end: int) -> Row:
    took = max(1, end - start)
    until = end if bar.ended_ns is None else min(max(bar.ended_ns, bar.started_ns), end)
    x = round((bar.started_ns - start) * 100 / took, 3)
    width = round(min((until - bar.started_ns) * 100 / took, 100 - x), 3)
    mark = bar.ended_ns is not None and bar.ended_ns <= bar.started_ns
    return Row(bar, depth, x, max(0.0, width), bar.ended_ns is None, mark, until - bar.started_ns)


def _in_order(bars: Sequence[Bar]) -> Iterable[tuple[Bar, int]]:
    """Depth first. A span whose parent is not here is a root, and so is the first of spans that name each other."""
    children: Mapping[str, list[Bar]] = defaultdict(list)
    known = {bar.span_id for bar in bars}
    ordered = sorted(bars, key=lambda bar: (bar.started_ns, bar.span_id))
    for bar in ordered:
        children[bar.parent_id if bar.parent_id in known else ""].append(bar)
    seen: set[str] = set()
    for root in [*children[""], *ordered]:
        stack = [(root, 0)]
        while stack:
            bar, depth = stack.pop()
            if bar.span_id in seen:
                continue
            seen.add(bar.span_id)
            yield bar, depth
            stack += [(child, depth + 1) for child in reversed(children[bar.span_id])]


def shares(bars: Sequence[Bar], start: int, end: int) -> list[Share]:
    """Each moment once: named after what is innermost then, by the order of CAUSES. The shares add up to the whole."""
    parents = {bar.span_id: bar.parent_id for bar in bars}
    surfaces = {bar.span_id: bar.surface for bar in bars}
    events: list[tuple[int, int, str]] = []
    for bar in bars:
        until = end if bar.ended_ns is None else bar.ended_ns
        if until > bar.started_ns:
            events += [(bar.started_ns, 1, bar.span_id), (until, -1, bar.span_id)]
    totals = _sweep(sorted(events), parents, surfaces)
    idle = (end - start) - sum(totals.values())
    if idle > 0:
        totals["process"] = totals.get("process", 0) + idle
    return _side_by_side(totals, end - start)


def _sweep(
    events: Sequence[tuple[int, int, str]], parents: Mapping[str, str], surfaces: Mapping[str, str]
) -> dict[str, int]:
    """Keeps the number of innermost open spans by surface, so that each event costs the same however many are open."""
    totals: dict[str, int] = {}
    running: set[str] = set()
    inside: dict[str, int] = defaultdict(int)  # open children
    innermost: dict[str, int] = defaultdict(int)  # by surface
    before = events[0][0] if events else 0
    for at, change, span in events:
        if cause := next((name for name in CAUSES if innermost[name]), ""):
            totals[cause] = totals.get(cause, 0) + at - before
        before = at
        touched = {span, parents[span]} & surfaces.keys()
        for one in touched:
            innermost[surfaces[one]] -= one in running and not inside[one]
        inside[parents[span]] += change
        running.symmetric_difference_update({span})
        for one in touched:
            innermost[surfaces[one]] += one in running and not inside[one]
    return totals


def _side_by_side(totals: Mapping[str, int], whole: int) -> list[Share]:
    made: list[Share] = []
    x = 0
    for cause in [name for name in CAUSES if totals.get(name)]:
        ns = totals[cause]
        made.append(Share(cause, ns, round(x * 100 / whole, 3), round(ns * 100 / whole, 3)))
        x += ns
    return made


def innermost_failure(picture: Picture) -> Bar | None:
    """The failed span without a failed one inside it that began first: where to look."""
    failed = [row.bar for row in picture.rows if row.bar.failed]
    outer = {bar.parent_id for bar in failed}
    return min((bar for bar in failed if bar.span_id not in outer), key=lambda bar: bar.started_ns, default=None)
