"""Policies as formulas over samples of each field: when a rule matches, and when it passes an action on.

Every situation that can be is a choice of samples; a few choices can never be. So what cannot be here cannot be at all.
"""

import itertools
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import z3

from approvals.policies.question import TOTAL, Question
from approvals.policies.rules import make_tests
from approvals.policies.samples import Window, condition_key, samples, total_key, whens
from approvals.policies.search import Search

Situation = Mapping[str, Any]  # a sample of each field
# For examples that say little else, what matters first: such as most actions are, and nothing above the policy asks
# a person about.
USUAL: Sequence[tuple[str, Callable[[Any], bool]]] = (
    ("amount", lambda value: value is not None and value >= 0),
    ("currency", lambda value: value in {"eur", "usd", "gbp"}),
    ("counterparty", lambda value: value is not None),
    ("environment", lambda value: value is not None),
    ("on_behalf_of", lambda value: value is not None),
    ("untrusted", lambda value: value is not None),
    ("distance", lambda value: value is not None),
    ("data", bool),
    ("idempotency", lambda value: value not in {"none", "unknown"}),
    ("trust", lambda value: value != "imported"),
    ("effect", lambda value: value == "write"),
    ("idempotency", lambda value: value == "native_key"),
    ("trust", lambda value: value == "reviewed"),
    ("agent", bool),
    ("untrusted", lambda value: value is False),
)


class Term:
    """A field that is one of its samples, by the sample's place in them."""

    def __init__(self, name: str, values: Sequence[Any], search: Search) -> None:
        self.values, self._search = values, search
        self._bits = z3.BitVec(name, max(1, (len(values) - 1).bit_length()), search.context)
        self._known: dict[Hashable, Any] = {}
        search.always(z3.ULE(self._bits, len(values) - 1))

    def where(self, holds: Callable[[Any], bool]) -> Any:
        return self._at(tuple(place for place, value in enumerate(self.values) if holds(value)))

    def is_(self, value: Any) -> Any:
        return self._at((self.values.index(value),))

    def among(self, values: Collection[Any]) -> Any:
        return self.where(values.__contains__)

    def read(self, model: Any) -> Any:
        return self.values[model.eval(self._bits, model_completion=True).as_long()]

    def _at(self, places: tuple[int, ...]) -> Any:
        if places not in self._known:
            self._known[places] = self._search.any_of([self._between(*run) for run in _runs(places)])
        return self._known[places]

    def _between(self, first: int, last: int) -> Any:
        if first == last:
            return self._bits == first
        return z3.And(z3.UGE(self._bits, first), z3.ULE(self._bits, last))


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and runs[-1][1] == place - 1:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs


@dataclass(frozen=True, slots=True)
class Told:
    """One test of a rule. `asks` names it as the rule itself does, `of` the field that it needs."""

    asks: str
    of: str
    no: Any
    missing: Any = None  # z3, where it may be


class World:
    """All that an action may be, as far as these documents tell it apart."""

    def __init__(self, documents: Sequence[Mapping[str, Any]], search: Search) -> None:
        self.search = search
        self.terms = {name: Term(name, values, search) for name, values in samples(documents).items()}
        self.conditions = {condition_key(when["condition"], document): (when["condition"], document)
                           for when, document in whens(documents) if "condition" in when}  # fmt: skip
        self._windows: dict[Window, Any] = {}
        search.always(*self._certain(documents))
        self.usual = [search.literal(one) for one in self._usual()]

    def _certain(self, documents: Sequence[Mapping[str, Any]]) -> list[Any]:
        """By how a question is made, in `authority` and `counted`."""
        term = self.terms
        found = [z3.Or(term["agent"].is_(""), term["workflow"].is_(""))]
        if "counterparty" in term:
            found.append(term["counterparty"].is_(None) == term["new_counterparty"].is_(None))
        if "distance" in term:  # only a run has a person's words
            found.append(z3.Or(term["distance"].is_(None), term["agent"].is_("")))
        found += self._of_so_far()
        for document in documents:
            for name, total in document.get("totals", {}).items():
                if (key := total_key(name, document)) in term:
                    found += [z3.Or(term[key].is_(None), needed) for needed in self._needed(total)]
        return found

    def _of_so_far(self) -> Iterator[Any]:
        """What nothing was done in has read nothing by itself, and each of the operations done is of another action."""
        if "prior_actions" not in (term := self.terms):
            return
        nothing, numbers = term["prior_actions"].is_(0), term["prior_actions"].values
        if "data" in term:  # it may be unknown for what came in by an event
            read = [term[name].is_(True) for name in term if name.startswith("data ")]
            yield z3.Not(z3.And(nothing, term["data"].is_(True), self.search.any_of(read)))
        if "untrusted" in term:
            yield z3.Not(z3.And(nothing, term["untrusted"].is_(True)))
        done = [term[name].is_(True) for name in term if name.startswith("prior_operations ")]
        for number, next_one in itertools.pairwise(numbers) if done else ():
            yield z3.Implies(term["prior_actions"].is_(number), z3.AtMost(*done, next_one - 1))

    def _usual(self) -> Iterator[Any]:
        yield self.search.all_of(z3.Not(self.terms[key].is_(None)) for key in self.conditions)
        for name, term in self.terms.items():
            if name.startswith(TOTAL):
                yield term.where(lambda value: value is not None and value >= 0)
        yield from (self.terms[name].where(holds) for name, holds in USUAL if name in self.terms)
        yield self.search.all_of(term.is_(False) for name, term in self.terms.items() if name.startswith("categories "))

    def _needed(self, total: Mapping[str, Any]) -> list[Any]:
        """What is there whenever the total is known."""
        by, term = total.get("by", ()), self.terms
        needed = [term[name].where(bool) for name in ("agent", "workflow") if name in by]
        if "counterparty" in by and "counterparty" in term:
            needed.append(term["counterparty"].where(_is_known))
        if "sum" in total:
            needed.append(term["amount"].where(_is_known))
        return needed

    def situation(self) -> dict[str, Any]:
        model = self.search.model()
        return {name: term.read(model) for name, term in self.terms.items()}

    def tests(self, when: Mapping[str, Any], document: Mapping[str, Any]) -> list[Told]:
        """What `rules.make_tests` makes, as formulas."""
        made = [
            self._test(name, wanted, document) for name, wanted in when.items() if name not in ("total", "condition")
        ]
        made += [self._total(name, limits, document) for name, limits in when.get("total", {}).items()]
        if "condition" in when:
            term = self.terms[condition_key(when["condition"], document)]
            made.append(Told("its condition", "condition", term.is_(False), term.is_(None)))
        return made

    def _test(self, name: str, wanted: Any, document: Mapping[str, Any]) -> Told:
        match name:
            case "integration":
                named = set(wanted)
                return self._no(name, self.terms["operation"].where(lambda value: value.partition(".")[0] in named))
            case "categories" | "prior_operations":
                return self._no(name, self._some(name, wanted))
            case "prior_actions":
                return self._no(name, self.terms[name].where(_within(wanted)))
            case "distance":
                return self._ternary(name, name, self.terms[name], self.terms[name].where(_within(wanted)))
            case "data":
                known = self.terms["data"].is_(True)
                return Told(name, name, z3.And(known, z3.Not(self._some("data", wanted))), z3.Not(known))
            case "amount":
                return self._amount(wanted)
            case "time":
                return self._no(name, self._time(Window.of(wanted, document), wanted, document))
        term, among = self.terms[name], {wanted} if isinstance(wanted, bool) else set(wanted)
        return self._ternary(name, name, term, term.where(lambda value: value in among))

    def _no(self, name: str, holds: Any) -> Told:
        return Told(name, name, z3.Not(holds))

    def _ternary(self, asks: str, of: str, term: Term, holds: Any) -> Told:
        if None not in term.values:
            return self._no(asks, holds)
        missing = term.is_(None)
        return Told(asks, of, z3.Not(z3.Or(holds, missing)), missing)

    def _some(self, kind: str, names: Sequence[str]) -> Any:
        return self.search.any_of([self.terms[f"{kind} {name}"].is_(True) for name in names])

    def _amount(self, limits: Mapping[str, Any]) -> Told:
        amount = self.terms["amount"]
        holds = z3.And(self.terms["currency"].is_(limits["currency"]), amount.where(_within(limits)))
        return self._ternary("the amount", "amount", amount, holds)

    def _total(self, name: str, limits: Mapping[str, Any], document: Mapping[str, Any]) -> Told:
        term = self.terms[total_key(name, document)]
        return self._ternary(f"the total {name}", TOTAL + name, term, term.where(_within(limits)))

    def _time(self, window: Window, told: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
        if window not in self._windows:
            [(_, test)] = make_tests({"time": told}, document)
            self._windows[window] = self.terms["at"].where(lambda moment: test(_at(moment)) is True)
        return self._windows[window]


def _is_known(value: Any) -> bool:
    return value is not None


def _within(limits: Mapping[str, Any]) -> Callable[[Any], bool]:
    least, most = limits.get("at_least", 0), limits.get("at_most")
    return lambda value: value is not None and least <= value and (most is None or value <= most)


def _at(moment: Any) -> Question:
    return Question("", "", "", "", frozenset(), "", "", at=moment)


class Read:
    """A document, read as formulas: of each rule literals that it matches, passes on what it is asked about, is come
    to, and answers."""

    def __init__(self, world: World, document: Mapping[str, Any]) -> None:
        self._search = search = world.search
        self.tests = [world.tests(rule["when"], document) for rule in document["rules"]]
        self._passes = [search.any_of(told.no for told in tests) for tests in self.tests]
        self._matching = [matches(search, tests) for tests in self.tests]
        self.passes = [search.literal(one) for one in self._passes]
        self.matches = [search.literal(one) for one in self._matching]
        before = [search.literal(search.true)]
        for passed in self.passes[:-1]:
            before.append(search.literal(z3.And(before[-1], passed)))
        self.before = before
        self.reached = [search.literal(z3.And(*pair)) for pair in zip(before, self.matches, strict=True)]
        self._misses: list[Any] = [None] * len(self.tests)

    def misses(self, index: int) -> Any:
        """That this rule does not match, or cannot be told."""
        if self._misses[index] is None:
            self._misses[index] = self._search.literal(z3.Not(self._matching[index]))
        return self._misses[index]

    def stops(self, index: int, *, missing: Sequence[Any] = ()) -> Any:
        """That this rule cannot be told; where `missing` is given, for want of one of these. No literal."""
        tests = self.tests[index]
        missing = missing or [told.missing for told in tests if told.missing is not None]
        return z3.And(self.before[index], z3.Not(self._passes[index]), z3.Or(*missing))


def matches(search: Search, tests: Sequence[Told]) -> Any:
    return search.all_of(z3.Not(told.no if told.missing is None else z3.Or(told.no, told.missing)) for told in tests)
