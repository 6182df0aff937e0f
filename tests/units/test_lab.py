"""The lab: by a table, and against asking about everything there is, over a few fields at a time."""
# ruff: noqa: E501  (a row of a table is one line)

import dataclasses
import datetime as dt
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.policies.decide import decide
from approvals.policies.document import parse
from approvals.policies.findings import Findings
from approvals.policies.lab import analyse, compare
from approvals.policies.question import Question
from approvals.policies.rules import Rule, make_rules, make_tests
from approvals.policies.strength import Strength, strength
from integrations.models import EFFECTS

Document = Mapping[str, Any]
TOTALS = {"calls": {"count": "actions", "hours": 1}}
LAST = "  - {id: last, when: {}, then: review, review: {slots: [{group: g}]}}\n"
ONE, TWO = Strength("review", (1, 1, 0)), Strength("review", (2, 2, 0))
ALLOW, DENY = Strength("allow"), Strength("deny")


def policy(*rules: str, before: str = "") -> Document:
    return parse(before + "policy: p\nrules:\n" + "".join(f"  - {rule}\n" for rule in rules) + LAST)


def found(findings: Findings) -> dict[str, list[tuple[Any, ...]]]:
    """All of it but the examples; it is said which are not confirmed."""
    told = {}
    for part in dataclasses.fields(findings):
        told[part.name] = [_without_example(one) for one in getattr(findings, part.name)]
    return {name: rows for name, rows in told.items() if rows}


def _without_example(finding: Any) -> tuple[Any, ...]:
    may_be = hasattr(finding, "instance") and not finding.instance.confirmed
    told = (getattr(finding, field.name) for field in dataclasses.fields(finding) if field.name != "instance")
    return (*told, *(["may be"] if may_be else []))


SPENT = "totals: {spent: {sum: eur, by: [agent], hours: 24}}\n"
FOUND: dict[str, tuple[Document, dict[str, list[tuple[Any, ...]]]]] = {
    "nothing": (policy("{id: a, when: {effect: [read]}, then: allow}"), {}),
    "a rule after one that matches more": (
        policy("{id: a, when: {effect: [read, write]}, then: allow}", "{id: b, when: {effect: [write]}, then: allow}"),
        {"unreachable": [("b", ("a",))]}),
    "a rule after two that together match more": (
        policy("{id: other, when: {agent: [bot]}, then: allow}", "{id: a, when: {effect: [read]}, then: allow}",
               "{id: b, when: {effect: [write]}, then: allow}", "{id: c, when: {effect: [read, write]}, then: allow}"),
        {"unreachable": [("c", ("a", "b"))]}),
    "how far it is from what was asked for": (
        policy("{id: far, when: {distance: {at_least: 75}}, then: deny}", "{id: further, when: {distance: {at_least: 90}}, then: deny}",
               "{id: near, when: {distance: {at_most: 30}, effect: [read]}, then: allow}"),
        {"unreachable": [("further", ("far",))], "unknown": [("distance", "far")]}),
    "an expression on how far it is": (
        policy("{id: a, when: {condition: distance > 75}, then: deny}"), {"unknown": [("distance", "a")]}),
    "what asks for the same fact is shadowed by those that stop where it is missing": (
        policy("{id: a, when: {untrusted: true}, then: deny}", "{id: b, when: {untrusted: false}, then: deny}",
               "{id: c, when: {effect: [write]}, then: deny}"),
        {"unreachable": [("c", ("a", "b")), ("last", ("a", "b"))], "unknown": [("untrusted", "a")]}),
    "amounts that meet": (
        policy("{id: a, when: {amount: {currency: eur, at_most: 10}}, then: deny}",
               "{id: b, when: {amount: {currency: eur, at_least: 11}}, then: deny}",
               "{id: c, when: {amount: {currency: eur}}, then: deny}", "{id: d, when: {amount: {currency: usd}}, then: deny}"),
        {"unreachable": [("c", ("a", "b"))], "unknown": [("amount", "a")]}),
    "amounts that do not meet": (
        policy("{id: a, when: {amount: {currency: eur, at_most: 10}}, then: deny}",
               "{id: b, when: {amount: {currency: eur, at_least: 12}}, then: deny}",
               "{id: c, when: {amount: {currency: eur}}, then: deny}"),
        {"unknown": [("amount", "a")]}),
    "a night and the days": (
        policy("{id: a, when: {time: {from: '22:00', until: '06:00'}}, then: deny}",
               "{id: b, when: {time: {from: '06:00', until: '22:00'}}, then: deny}", before="zone: Europe/Berlin\n"),
        {"unreachable": [("last", ("a", "b"))]}),
    "a night that began on a Friday": (
        policy("{id: a, when: {time: {days: [fri], from: '22:00', until: '06:00'}}, then: deny}",
               "{id: b, when: {time: {days: [sat], from: '00:00', until: '06:00'}}, then: deny}"),
        {"unreachable": [("b", ("a",))]}),
    "an integration and its operations": (
        policy("{id: a, when: {integration: [crm]}, then: deny}", "{id: b, when: {operation: [crm.note]}, then: deny}",
               "{id: c, when: {operation: [crm.note], integration: [stripe]}, then: deny}",
               "{id: d, when: {operation: [note]}, then: deny}", "{id: e, when: {agent: [bot], workflow: [w]}, then: deny}"),
        {"unreachable": [("b", ("a",))],
         "contradictory": [("c", ("operation", "integration"), False), ("d", ("operation",), False),
                           ("e", ("agent", "workflow"), False)]}),
    "a total that only agents have": (
        policy("{id: a, when: {total: {spent: {at_least: 5}}, workflow: [w]}, then: deny}", before=SPENT),
        {"contradictory": [("a", ("workflow", "the total spent"), False)], "unknown": [("total_spent", "a")]}),
    "the same expression twice": (
        policy("{id: a, when: {condition: untrusted}, then: deny}",
               "{id: b, when: {condition: untrusted, effect: [read]}, then: deny}"),
        {"unreachable": [("b", ("a",))], "unknown": [("untrusted", "a")]}),
    "an expression that is never told": (
        policy("{id: a, when: {condition: operation > 5}, then: deny}"), {"unknown": [("condition", "a")]}),
    "an expression that is told without what is missing": (
        policy("{id: a, when: {condition: \"effect != 'read' || amount > 5\"}, then: deny}"),
        {"unknown": [("amount", "a", "may be")]}),
    "laxer before stricter": (
        policy("{id: a, when: {agent: [bot]}, then: allow}",
               "{id: b, when: {effect: [write]}, then: review, review: {slots: [{group: g}]}}",
               "{id: c, when: {categories: [legal]}, then: review, review: {slots: [{group: g, count: 2}]}}",
               "{id: d, when: {agent: [bot], effect: [read]}, then: deny}"),
        {"conflicts": [("a", "b", ALLOW, ONE, False), ("a", "c", ALLOW, TWO, False), ("a", "d", ALLOW, DENY, False),
                       ("b", "c", ONE, TWO, False)],
         "unreachable": [("d", ("a",))]}),
    "an exception": (
        policy("{id: a, when: {agent: [bot], effect: [read]}, then: allow}", "{id: b, when: {agent: [bot]}, then: deny}"),
        {"conflicts": [("a", "b", ALLOW, DENY, True)]}),
    "stricter before laxer": (
        policy("{id: a, when: {agent: [bot]}, then: deny}", "{id: b, when: {effect: [read]}, then: allow}"), {}),
    "a broken promise": (
        policy("{id: a, when: {agent: [bot]}, then: allow}", before="never: [{id: n, label: No deleting, when: {effect: [destructive]}}]\n"),
        {"broken": [("n", "No deleting", "a", False)]}),
    "a promise that only stands because of what is above": (
        policy("{id: a, when: {agent: [bot]}, then: allow}", before="never: [{id: n, when: {trust: [imported], effect: [write]}}]\n"),
        {"broken": [("n", "", "a", True)]}),
    "a kept promise": (
        policy("{id: a, when: {agent: [bot], amount: {currency: eur, at_most: 10}}, then: allow}",
               before="never: [{id: n, when: {amount: {currency: eur, at_least: 11}}}, {id: m, when: {workflow: [w]}}]\n"),
        {"unknown": [("amount", "a")]}),
    "a promise of nothing": (
        policy(before="never: [{id: n, when: {agent: [bot], workflow: [w]}}]\n"),
        {"contradictory": [("n", ("agent", "workflow"), True)]}),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_found(name: str) -> None:
    document, expected = FOUND[name]
    assert found(analyse(document)) == expected


# Fields, each with conditions on it and with all that an action may be there as far as these tell it apart. Whoever asks
# about some of these fields asks about everything.
BERLIN = dt.timezone(dt.timedelta(hours=1))
HOURS = [
    dt.datetime(2026, 1, 5, hour, tzinfo=BERLIN) + dt.timedelta(days=day) for day in range(7) for hour in (0, 6, 12, 22)
]
NUMBERS = [-1, 0, 1, 2, 3, 4]
COUNTERPARTIES = [("", None), *itertools.product(("c", "d"), (True, False))]
some = st.sampled_from


def listed(*names: str) -> st.SearchStrategy[list[str]]:
    return st.lists(some(names), min_size=1, max_size=2, unique=True)


limits = st.tuples(st.integers(0, 3), st.integers(0, 3)).flatmap(
    lambda pair: some(
        [{}, {"at_least": min(pair)}, {"at_most": max(pair)}, {"at_least": min(pair), "at_most": max(pair)}]
    )
)
windows = some(
    [
        {"days": ["fri"]},
        {"days": ["sat", "sun"]},
        {"from": "22:00", "until": "06:00"},
        {"from": "06:00", "until": "22:00"},
        {"days": ["fri"], "from": "22:00", "until": "06:00"},
        {"days": ["sat"], "from": "00:00", "until": "06:00"},
    ]
)
FIELDS: dict[str, tuple[dict[str, st.SearchStrategy[Any]], list[dict[str, Any]]]] = {
    "operation": ({"operation": listed("a.x", "a.y", "b.x", "x"), "integration": listed("a", "b")},
                  [{"operation": name, "integration": name[0]} for name in ("a.x", "a.y", "a.z", "b.x", "b.z", "c.z")]),
    "who": ({"agent": listed("bot", "ant"), "workflow": listed("w")},
            [{"agent": agent, "workflow": workflow} for agent, workflow in
             [("bot", ""), ("ant", ""), ("other", ""), ("", "w"), ("", "v"), ("", "")]]),
    "categories": ({"categories": listed("legal", "other")},
                   [{"categories": frozenset(found)} for found in ([], ["legal"], ["other"], ["legal", "other"])]),
    "amount": ({"amount": st.builds(lambda code, within: {"currency": code, **within}, some(["eur", "usd"]), limits)},
               [{"amount_minor": None}, {"amount_minor": 1, "currency": "gbp"},
                *({"amount_minor": minor, "currency": code} for minor in NUMBERS for code in ("eur", "usd"))]),
    "counterparty": ({"counterparty": listed("c", "d"), "new_counterparty": st.booleans()},
                     [{"counterparty": name, "new_counterparty": new}
                      for name, new in [*COUNTERPARTIES, ("e", True), ("e", False)]]),
    "data": ({"data": listed("p", "q")}, [{"data": None if found is None else frozenset(found)} for found in (None, "", "p", "q", "pq")]),
    "prior": ({"prior_actions": limits, "prior_operations": listed("a.x", "b.x")},
              [{"prior_actions": count, "prior_operations": frozenset(done)} for count in NUMBERS[1:]
               for done in ((), ("a.x",), ("b.x",), ("a.x", "b.x")) if len(done) <= count]),
    "environment": ({"environment": listed("production", "test")},
                    [{"environment": name} for name in ("", "production", "test", "other")]),
    "for whom": ({"on_behalf_of": listed("usr_1")}, [{"on_behalf_of": name} for name in ("", "usr_1", "usr_2")]),
    "untrusted": ({"untrusted": st.booleans()}, [{"untrusted": value} for value in (None, True, False)]),
    "distance": ({"distance": limits}, [{"distance": value} for value in (None, *NUMBERS[1:])]),
    "calls": ({"total": st.builds(lambda within: {"calls": within}, limits)}, [{"total_calls": value} for value in (None, *NUMBERS)]),
    "time": ({"time": windows}, [{"at": moment} for moment in HOURS]),
}  # fmt: skip
EXPRESSIONS = {"amount": ["amount > 1", "amount > 1 && currency == 'eur'", "effect == 'write' || amount > 1"],
               "untrusted": ["untrusted", "!untrusted || effect == 'read'"], "data": ["'p' in data", "size(data) > 1"],
               "prior": ["prior_actions > 1", "'a.x' in prior_operations", "size(prior_operations) > 0"],
               "environment": ["environment == 'production'", "environment.startsWith('prod') || effect == 'read'"],
               "distance": ["distance > 1", "distance == 2 || effect == 'read'"],
               "calls": ["total_calls == 2", "total_calls / 0 > 1"], "who": ["agent == 'bot'"]}  # fmt: skip
REVIEWS = [
    {"slots": [{"group": "g", "count": count}], "signature": level}
    for count in (1, 2)
    for level in ("password", "passkey")
] + [{"slots": [{"group": "g"}], "signature": "passkey", "states": ["amount"], "evidence": ["Invoice"]}]
SURE = [("native_key", "reviewed"), ("none", "reviewed"), ("native_key", "imported")]  # idempotency and trust
COUNTED = ("new_counterparty", "data", "untrusted", "prior_actions", "prior_operations", "distance", "total_calls")


@st.composite
def documents(draw: st.DrawFn, fields: Sequence[str], *, expressions: bool = False) -> Document:
    conditions = {name: strategy for field in fields for name, strategy in FIELDS[field][0].items()}
    conditions |= {"effect": listed(*EFFECTS), "idempotency": st.just(["none"])}
    if expressions and (known := [one for field in fields for one in EXPRESSIONS.get(field, [])]):
        conditions["condition"] = some(known)
    whens = st.lists(some(sorted(conditions)), max_size=2, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: conditions[name] for name in names}))  # fmt: skip
    rules = [_rule(f"r{number}", when, draw(some(_outcomes(when))), draw(some(REVIEWS)))
             for number, when in enumerate(draw(st.lists(whens, max_size=4)))]  # fmt: skip
    last = _rule("last", {}, draw(some(["deny", "review"])), draw(some(REVIEWS)))
    never = [{"id": f"n{number}", "when": when} for number, when in enumerate(draw(st.lists(whens, max_size=1)))]
    document = {"policy": "p", "zone": "Europe/Berlin", "totals": TOTALS, "rules": [*rules, last]}
    return parse(json.dumps(document | ({"never": never} if never else {})))


def _outcomes(when: Mapping[str, Any]) -> list[str]:
    """A distance by itself allows nothing."""
    alone = "distance" in when and all(name == "distance" or wanted == "distance > 1" for name, wanted in when.items())
    alone = alone or when == {"condition": "distance > 1"}
    return ["deny", "review"] if alone else ["allow", "deny", "review"]


def _rule(name: str, when: Mapping[str, Any], then: str, review: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": name, "when": when, "then": then, **({"review": review} if then == "review" else {})}


some_fields = st.lists(some(sorted(FIELDS)), min_size=1, max_size=2, unique=True)
cases = some_fields.flatmap(lambda fields: st.tuples(st.just(fields), documents(fields)))
unsure = some_fields.flatmap(lambda fields: st.tuples(st.just(fields), documents(fields, expressions=True)))
changes = some_fields.flatmap(lambda fields: st.tuples(st.just(fields), documents(fields), documents(fields)))


def everything(fields: Sequence[str]) -> Iterator[Question]:
    for effect, (idempotency, trust), *rest in itertools.product(
        EFFECTS, SURE, *(FIELDS[field][1] for field in fields)
    ):
        told = {name: value for one in rest for name, value in one.items()}
        counted = {name: told.pop(name) for name in COUNTED if name in told}
        if counted.get("prior_actions") == 0 and (counted.get("data") or counted.get("untrusted")):
            continue  # where nothing was done, nothing was read; it may be unknown what came in otherwise
        if told.get("agent") and counted.get("distance") is not None:
            continue  # what an agent says that somebody asked of it is no person's word
        base = {"integration": "a", "operation": "a.z", "workflow": "", "categories": frozenset(), "at": HOURS[0]}
        yield Question(
            **{**base, "effect": effect, "idempotency": idempotency, "trust": trust, "counted": counted, **told}
        )


class Asked:
    """A document that is asked about all that there is."""

    def __init__(self, document: Document, questions: Sequence[Question]) -> None:
        self.document, self.rules, self.questions = document, make_rules(document), questions
        self.answers = [decide(document, one, covered=True) for one in questions]
        self.strengths = [strength(rule.then, rule.requirement) for rule in self.rules]
        self.answered = {answer.rule for answer in self.answers}
        self.ids = [rule.id for rule in self.rules]

    def contradictory(self) -> set[str]:
        return {rule.id for rule in self.rules if not any(rule.matches(one)[0] for one in self.questions)}

    def unknown(self) -> set[str]:
        acts = [asked for asked in self.questions if asked.effect != "read"]
        return {name for asked in acts for name in _missing(self.rules, asked)}

    def conflicts(self) -> set[tuple[str, str]]:
        pairs = set()
        for asked, answer in zip(self.questions, self.answers, strict=True):
            if answer.rule in self.ids:
                first = self.ids.index(answer.rule)
                pairs |= {(answer.rule, self.ids[later]) for later in range(first + 1, len(self.rules) - 1)
                          if self.strengths[first].is_laxer_than(self.strengths[later]) and self.rules[later].matches(asked)[0]}  # fmt: skip
        return pairs

    def broken(self) -> set[str]:
        allowing = {rule.id for rule in self.rules if rule.then == "allow"}
        return {promise["id"] for promise in self.document.get("never", ()) for asked, answer in zip(self.questions, self.answers, strict=True)
                if answer.rule in allowing and _matches(promise["when"], self.document, asked)}  # fmt: skip


def _matches(when: Mapping[str, Any], document: Document, asked: Question) -> bool:
    return all(test(asked) is True for _, test in make_tests(when, document))


def _missing(rules: Sequence[Rule], asked: Question) -> set[str]:
    """The fields for want of which it stops."""
    for rule in rules:
        matches, missing = rule.matches(asked)
        if matches or missing:
            return {name.removeprefix("the ").replace("total ", "total_") for name in missing}
    raise AssertionError


@given(cases)
def test_it_says_just_what_asking_about_everything_says(case: tuple[Sequence[str], Document]) -> None:
    fields, document = case
    asked, findings = Asked(document, list(everything(fields))), analyse(document)
    contradictory = {one.rule for one in findings.contradictory if not one.promise}
    assert contradictory == asked.contradictory()
    assert {one.rule for one in findings.unreachable} == set(asked.ids) - asked.answered - contradictory
    assert {one.field for one in findings.unknown} == asked.unknown()
    assert {(one.earlier, one.later) for one in findings.conflicts} == asked.conflicts()
    assert {one.promise for one in findings.broken} == asked.broken()
    assert findings.unfinished == ()
    given: list[Any] = [findings.broken, findings.unknown, findings.conflicts]
    assert all(one.instance.confirmed for kind in given for one in kind)
    for broken in findings.broken:
        answer = decide(document, broken.instance.question, covered=True)
        assert (answer.rule, answer.outcome != "allow") == (broken.rule, broken.asks_anyway)


@given(cases)
def test_the_rules_that_shadow_another_do_it_and_none_of_them_is_too_many(case: tuple[Sequence[str], Document]) -> None:
    fields, document = case
    questions = list(everything(fields))
    for found in analyse(document).unreachable:
        for left_out in (None, *found.shadowed_by):
            kept = {*found.shadowed_by, found.rule} - {left_out}
            only = {**document, "rules": [rule for rule in document["rules"] if rule["id"] in kept]}
            assert (found.rule in Asked(only, questions).answered) == (left_out is not None)


@given(unsure)
def test_with_expressions_it_says_never_too_little(case: tuple[Sequence[str], Document]) -> None:
    fields, document = case
    asked, findings = Asked(document, list(everything(fields))), analyse(document)
    never = {one.rule for one in findings.unreachable} | {one.rule for one in findings.contradictory}
    assert never & asked.answered == set()
    assert {one.promise for one in findings.broken} >= asked.broken()
    for broken in findings.broken:
        if broken.instance.confirmed:
            assert decide(document, broken.instance.question, covered=True).rule == broken.rule
    assert {(one.earlier, one.later) for one in findings.conflicts} >= asked.conflicts()


@given(changes)
def test_what_becomes_laxer_is_found_and_confirmed(case: tuple[Sequence[str], Document, Document]) -> None:
    fields, old, new = case
    questions = list(everything(fields))
    pairs = zip(Asked(old, questions).answers, Asked(new, questions).answers, strict=True)
    expected = {after.rule for before, after in pairs if _of(after).is_laxer_than(_of(before))}
    found = compare(old, new).laxer
    assert {one.rule for one in found} == expected
    for one in found:
        before, after = (decide(document, one.instance.question, covered=True) for document in (old, new))
        assert one.instance.confirmed
        assert (after.rule, _of(before), _of(after)) == (one.rule, one.before, one.after)
        assert one.after.is_laxer_than(one.before)


def _of(answer: Any) -> Strength:
    return strength(answer.outcome, answer.requirement)
