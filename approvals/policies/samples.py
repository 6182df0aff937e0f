"""Of each field, one value of every kind that policies tell apart. Pure.

Between two limits of amounts all amounts are alike, and so are all operations that nobody names: whatever an action is,
some choice of samples is answered as it is. Conditions in the expression language are not looked into. Each is a field
of its own that may be true, false or not told, whatever the others are.

What a question cannot be by how it is made is left out in `terms`; it is never more than that.
"""

import datetime as dt
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from approvals.policies.conditions import fields_named
from approvals.policies.question import FIELDS, TOTAL
from integrations.description_schema import MODES
from integrations.models import CATEGORIES, EFFECTS, TRUSTS

YEAR = 2026  # any: its days are looked through for how zones stand to each other
NOT_TOLD = (None, False, True)
FURTHEST = 100  # of a distance
BELOW_ZERO = -1
_NUMBER = re.compile(r"(?<![\w.'\"])\d{1,15}(?![\w.])")
_TEXT = re.compile(r"'([^'\\]{1,200})'|\"([^\"\\]{1,200})\"")


class Window(NamedTuple):
    """A `time` of a policy, in its zone."""

    zone: str
    told: str  # canonical JSON

    @classmethod
    def of(cls, told: Mapping[str, Any], document: Mapping[str, Any]) -> "Window":
        return cls(document.get("zone", "UTC"), json.dumps(told, sort_keys=True))


def total_key(name: str, document: Mapping[str, Any]) -> str:
    """Two policies may count other things by the same name."""
    return f"{TOTAL}{name} {json.dumps(document['totals'][name], sort_keys=True)}"


def condition_key(source: str, document: Mapping[str, Any]) -> str:
    totals = sorted(name.removeprefix(TOTAL) for name in fields_named(source) if name.startswith(TOTAL))
    return " ".join(["condition", *(total_key(name, document) for name in totals), source])


def whens(documents: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each condition of each rule and promise, with the document that it is in."""
    for document in documents:
        for one in (*document["rules"], *document.get("never", ())):
            yield one["when"], document


def samples(documents: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """By the name of a field; None stands for what is not known. Fields that nobody asks about are left out, but for
    the few that say what an action is."""
    asked = _Asked(documents)
    found: dict[str, tuple[Any, ...]] = {
        "operation": _operations(asked.texts("operation"), asked.texts("integration")),
        "effect": EFFECTS,
        "trust": TRUSTS,
        "idempotency": MODES,
        "agent": ("", *_texts("any-agent", asked.texts("agent"))),
        "workflow": ("", *_texts("any-workflow", asked.texts("workflow"))),
    }
    found |= {f"categories {name}": (False, True) for name in CATEGORIES if name in asked.texts("categories")}
    if asked.about("amount", "currency") or any("sum" in total for total in asked.totals.values()):
        found["amount"] = _numbers(asked.numbers("amount"))
        found["currency"] = _currencies(asked.texts("currency"))
    if asked.about("counterparty", "new_counterparty"):
        found["counterparty"] = (None, *_texts("any-counterparty", asked.texts("counterparty")))
        found["new_counterparty"] = NOT_TOLD
    for name in ("environment", "on_behalf_of"):
        if asked.about(name):
            found[name] = (None, *_texts(f"any-{name}", asked.texts(name)))
    if asked.about("data"):
        found["data"] = (False, True)  # whether it is known
        found |= {f"data {name}": (False, True) for name in sorted(asked.texts("data"))}
    if asked.about("untrusted"):
        found["untrusted"] = NOT_TOLD
    if asked.about("prior_actions", "prior_operations"):  # 0 by itself: then there are no operations
        found["prior_actions"] = tuple(sorted({0, 1, *asked.numbers("prior_actions")} - {BELOW_ZERO}))
        found |= {f"prior_operations {name}": (False, True) for name in sorted(asked.texts("prior_operations"))}
    if asked.about("distance"):
        found["distance"] = (None, *sorted({0, *asked.numbers("distance")} & set(range(FURTHEST + 1))))
    found |= {key: _numbers(asked.numbers(key.partition(" ")[0])) for key in asked.totals}
    if asked.windows:
        found["at"] = tuple(_moments(asked.windows))
    return found | dict.fromkeys(asked.conditions, NOT_TOLD)


class _Asked:
    """What all the conditions name. Numbers and texts in an expression count for each field that it names: with them,
    an example that the expression really answers so is found more often."""

    def __init__(self, documents: Sequence[Mapping[str, Any]]) -> None:
        self._named: dict[str, set[Any]] = {}
        self.totals: dict[str, Mapping[str, Any]] = {}
        self.windows = set[Window]()
        self.conditions: dict[str, str] = {}
        for when, document in whens(documents):
            self._see(when, document)

    def about(self, *names: str) -> bool:
        return any(name in self._named for name in names)

    def texts(self, name: str) -> set[str]:
        return {one for one in self._named.get(name, ()) if isinstance(one, str)}

    def numbers(self, name: str) -> set[int]:
        return {one for one in self._named.get(name, ()) if isinstance(one, int)}

    def _add(self, name: str, named: Iterable[Any] = ()) -> None:
        self._named.setdefault(name, set()).update(named)

    def _see(self, when: Mapping[str, Any], document: Mapping[str, Any]) -> None:
        for name, value in when.items():
            self._add(name, value if isinstance(value, list) else ())
        if "amount" in when:
            self._add("amount", _edges(when["amount"]))
            self._add("currency", [when["amount"]["currency"]])
        for name in ("prior_actions", "distance"):
            if name in when:
                self._add(name, _edges(when[name]))
        for name, limits in when.get("total", {}).items():
            self._see_total(name, document, _edges(limits))
        if "time" in when:
            self.windows.add(Window.of(when["time"], document))
        if "condition" in when:
            self._see_condition(when["condition"], document)

    def _see_total(self, name: str, document: Mapping[str, Any], edges: Collection[int]) -> None:
        self.totals[total_key(name, document)] = document["totals"][name]
        self._add(TOTAL + name, edges)

    def _see_condition(self, source: str, document: Mapping[str, Any]) -> None:
        self.conditions[condition_key(source, document)] = source
        texts = {one or other for one, other in _TEXT.findall(source)}
        numbers = {number + step for number in map(int, _NUMBER.findall(source)) for step in (-1, 0, 1)}
        for name in fields_named(source):
            if name in FIELDS:
                self._add(name, numbers if FIELDS[name][0] == "number" else texts)
            else:
                self._see_total(name.removeprefix(TOTAL), document, numbers)


def _edges(limits: Mapping[str, Any]) -> list[int]:
    """Where the answer changes: at the least, and above the most."""
    return [limits.get("at_least", 0), *([limits["at_most"] + 1] if "at_most" in limits else [])]


def _numbers(edges: Collection[int]) -> tuple[int | None, ...]:
    """The least of each range, and what is below zero: an amount may be, where a description says so."""
    return (None, *sorted({BELOW_ZERO, 0, *edges}))


def _texts(another: str, named: Collection[str]) -> list[str]:
    """Those, and one that nobody names."""
    while another in named:
        another += "-"
    return [*sorted(set(named) - {""}), another]


def _operations(named: Collection[str], integrations: Collection[str]) -> tuple[str, ...]:
    """Names without an integration are left out: no operation has one."""
    found = {name for name in named if all(name.partition(".")[::2])}
    known = {*integrations, *(name.partition(".")[0] for name in named if name.endswith("."))} - {""}
    unnamed = _texts("any", {*known, *(name.partition(".")[0] for name in found)})[-1]
    others = [_texts(f"{integration}.operation", found)[-1] for integration in (*sorted(known), unnamed)]
    return (*sorted(found), *others)


def _currencies(named: Collection[str]) -> tuple[str, ...]:
    others = [name for name in ("eur", "usd", "gbp") if name not in named]
    return (*sorted(named), *(others[:1] or ["zzz"]))


def _moments(windows: Collection[Window]) -> list[dt.datetime]:
    """Each moment of a week at which some window opens or closes; more weeks where zones do not keep their distance."""
    zones = [ZoneInfo(name) for name in sorted({window.zone for window in windows})]
    told = [json.loads(window.told) for window in windows]
    edges = {
        dt.time(),
        *(dt.time.fromisoformat(one[edge]) for one in told for edge in ("from", "until") if edge in one),
    }
    return sorted({
        dt.datetime.combine(first + dt.timedelta(days=day), edge, zone).astimezone(dt.UTC)
        for first in _weeks(zones) for day in range(8) for zone in zones for edge in edges
    })  # fmt: skip


def _weeks(zones: Sequence[ZoneInfo]) -> Iterator[dt.date]:
    """The day after each on which the zones begin to stand otherwise to each other."""
    seen = set[tuple[Any, ...]]()
    for day in range(365):
        noon = dt.datetime(YEAR, 1, 1, 12, tzinfo=dt.UTC) + dt.timedelta(days=day)
        local = [noon.astimezone(zone).utcoffset() or dt.timedelta() for zone in zones]
        apart = tuple(offset - local[0] for offset in local)
        if apart not in seen:
            seen.add(apart)
            yield noon.date() + dt.timedelta(days=1)
