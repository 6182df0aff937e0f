"""A document made ready to be asked: each rule as a list of tests that say yes, no, or that it cannot be told."""

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from approvals.policies.conditions import evaluate, fields_named
from approvals.policies.modify import Modification, read_modification
from approvals.policies.question import FIELDS, TOTAL, Question
from approvals.policies.schema import DAYS, OUTCOMES
from approvals.policies.slots import Requirement, SlotSpec, Way

Test = Callable[[Question], bool | None]
Read = Callable[[Question], Any]


@dataclass(frozen=True, slots=True)
class Deferral:
    """`missing` says what has to be known, or to be so, within the time that is given."""

    missing: str
    given: dt.timedelta


@dataclass(frozen=True, slots=True)
class Rule:
    """`tests` are named by what they ask about, for whoever is told what is missing."""

    id: str
    then: str
    tests: Sequence[tuple[str, Test]]
    reasons: tuple[str, ...] = ()
    requirement: Requirement | None = None
    modification: Modification | None = None
    deferral: Deferral | None = None

    def matches(self, asked: Question) -> tuple[bool, list[str]]:
        """Whether it does, and what is missing to tell. A test that says no settles it, whatever is missing."""
        missing = []
        for name, test in self.tests:
            told = test(asked)
            if told is False:
                return False, []
            if told is None:
                missing.append(name)
        return not missing, missing


def make_rules(document: Mapping[str, Any]) -> list[Rule]:
    """Raises KeyError, TypeError, ValueError or AttributeError for what `parse` would not have let through."""
    return [_rule(rule, document) for rule in document["rules"]]


def _rule(rule: Mapping[str, Any], document: Mapping[str, Any]) -> Rule:
    if rule["then"] not in OUTCOMES:
        raise ValueError("the rule has no known outcome")
    return Rule(
        str(rule["id"]),
        rule["then"],
        make_tests(rule["when"], document),
        (str(rule["reason"]),) if rule.get("reason") else (),
        requirement(rule["review"]) if rule["then"] == "review" else None,
        read_modification(rule["modify"]) if rule["then"] == "modify" else None,
        _deferral(rule["defer"]) if rule["then"] == "defer" else None,
    )


def _deferral(told: Mapping[str, Any]) -> Deferral:
    return Deferral(told["missing"], dt.timedelta(minutes=told.get("minutes", 60)))


def make_tests(when: Mapping[str, Any], document: Mapping[str, Any]) -> list[tuple[str, Test]]:
    """In the order of what they cost."""
    if unknown := sorted(when.keys() - CONDITIONS):
        raise ValueError(f"unknown condition {', '.join(unknown)}")
    tests = [(name, make(FIELDS[name][1], when[name])) for name, make in _OF_FIELDS.items() if name in when]
    if "amount" in when:
        tests.append(("the amount", _amount(when["amount"])))
    tests += [(f"the total {name}", _between(_counted(TOTAL + name), limits))
              for name, limits in when.get("total", {}).items()]  # fmt: skip
    if "time" in when:
        tests.append(("time", _time(when["time"], ZoneInfo(document.get("zone", "UTC")))))
    if "condition" in when:
        tests.append(("its condition", _condition(when["condition"])))
    return tests


def _one_of(read: Read, wanted: Collection[str]) -> Test:
    among = frozenset(wanted)

    def test(asked: Question) -> bool | None:
        value = read(asked)
        return None if value is None else value in among

    return test


def _some_of(read: Read, wanted: Collection[str]) -> Test:
    among = frozenset(wanted)

    def test(asked: Question) -> bool | None:
        values = read(asked)
        return None if values is None else not among.isdisjoint(values)

    return test


def _is(read: Read, wanted: bool) -> Test:
    if not isinstance(wanted, bool):
        raise TypeError("it is true or false")

    def test(asked: Question) -> bool | None:
        value = read(asked)
        return None if value is None else value is wanted

    return test


def _between(read: Read, limits: Mapping[str, Any]) -> Test:
    within = _within(limits)

    def test(asked: Question) -> bool | None:
        value = read(asked)
        return None if value is None else within(value)

    return test


def _within(limits: Mapping[str, Any]) -> Callable[[int], bool]:
    least, most = limits.get("at_least", 0), limits.get("at_most")
    if type(least) is not int or not (most is None or type(most) is int):
        raise TypeError("a limit is a whole number")
    return lambda value: least <= value and (most is None or value <= most)


_OF_FIELDS: Mapping[str, Callable[[Read, Any], Test]] = {
    **dict.fromkeys(("operation", "integration", "workflow", "agent", "effect", "trust", "idempotency"), _one_of),
    "categories": _some_of,
    "environment": _one_of,
    "on_behalf_of": _one_of,
    "counterparty": _one_of,
    "new_counterparty": _is,
    "data": _some_of,
    "untrusted": _is,
    "prior_actions": _between,
    "prior_operations": _some_of,
    "distance": _between,
}
CONDITIONS = frozenset({*_OF_FIELDS, "amount", "total", "time", "condition"})


def _amount(limits: Mapping[str, Any]) -> Test:
    currency, within = limits["currency"], _within(limits)

    def test(asked: Question) -> bool | None:
        if asked.amount_minor is None:
            return None
        return asked.currency == currency and within(asked.amount_minor)

    return test


def _counted(name: str) -> Read:
    return lambda asked: asked.counted.get(name)


def _time(told: Mapping[str, Any], zone: ZoneInfo) -> Test:
    """On these days, from a time until before another; one that is not later is on the next day, and the day is that
    on which it began."""
    days = {DAYS.index(day) for day in told.get("days", DAYS)}
    start, end = (dt.time.fromisoformat(told.get(edge, "00:00")) for edge in ("from", "until"))

    def test(asked: Question) -> bool | None:
        local = asked.at.astimezone(zone)
        day, time = local.weekday(), local.time()
        if start < end:
            return day in days and start <= time < end
        return (day in days and time >= start) or ((day - 1) % 7 in days and time < end)

    return test


def _condition(source: str) -> Test:
    names = fields_named(source)
    return lambda asked: evaluate(source, {name: _value(asked, name) for name in names})


def _value(asked: Question, name: str) -> Any:
    return FIELDS[name][1](asked) if name in FIELDS else asked.counted.get(name)


def requirement(review: Mapping[str, Any]) -> Requirement:
    """With what is not written out: each slot takes the review's signature, and each step of the escalation lets as
    many of another group fill it as it asks for."""
    ladder = [(dt.timedelta(minutes=step["after_minutes"]), step["group"]) for step in review.get("escalation", [])]
    signature = review.get("signature", "passkey")
    slots = tuple(_slot(slot, signature, ladder) for slot in review["slots"])
    expires = dt.timedelta(minutes=review.get("expires_minutes", 240))
    return Requirement(slots, expires, tuple(review.get("evidence", ())), tuple(review.get("states", ())))


def _slot(slot: Mapping[str, Any], signature: str, ladder: Sequence[tuple[dt.timedelta, str]]) -> SlotSpec:
    ways = [Way(one["group"], one.get("count", 1)) for one in (slot, *slot.get("or", ()))]
    later = [Way(group, ways[0].count, after) for after, group in ladder]
    return SlotSpec(
        tuple(ways + later), slot.get("refusals", 1), slot.get("blind", True), slot.get("signature", signature),
        tuple(slot.get("separation", ())), slot.get("where", ""), tuple(slot.get("authenticators", ())),
        slot.get("proofed", False),
    )  # fmt: skip
