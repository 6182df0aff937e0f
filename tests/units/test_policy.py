"""The policy: first match, and above it what no document can allow."""
# ruff: noqa: E501  (a row of a table is one line)

import dataclasses
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.facts import decode
from approvals.policies.decide import FALLBACK, GATED, decide
from approvals.policies.document import parse
from approvals.policies.question import Question
from approvals.policies.rules import CONDITIONS
from approvals.policies.schema import WHEN
from console.core.errors import Invalid
from integrations.description import Description
from integrations.description_schema import MODES
from integrations.models import CATEGORIES, EFFECTS, TRUSTS

TOTALS = "totals: {spent: {sum: eur, by: [agent], hours: 24}}\n"
LAST = "  - {id: last, when: {}, then: review, review: {slots: [{group: g}]}}\n"


def policy(*rules: str) -> str:
    return "policy: p\nrules:\n" + "".join(f"  - {rule}\n" for rule in rules) + LAST


SAFE = Question("crm", "crm.note", "w", "write", frozenset({"other"}), "reviewed", "native_key", 5_000, "eur")


def ask(text: str, **changed: Any) -> tuple[str, str]:
    answer = decide(parse(text), dataclasses.replace(SAFE, **changed))
    return answer.outcome, answer.rule


REFUSED = {
    "a rule twice": ("policy: p\nrules:\n" + LAST * 2, r"^rules.1.id: 'last' is given twice"),
    "a last rule that allows": ("policy: p\nrules: [{id: a, when: {}, then: allow}]", "^rules.0: the last rule must"),
    "a last rule that asks": (
        "policy: p\nrules: [{id: a, when: {effect: [read]}, then: deny}]", "^rules.0: the last rule must"),
    "a review without a group": (policy("{id: a, when: {}, then: review}"), r"^rules.0 \(line 3\): 'review' is a required"),
    "a misspelt condition": (policy("{id: a, when: {efect: [read]}, then: allow}"), r"^rules.0.when \(line 3\)"),
    "a misspelt outcome": (policy("{id: a, when: {}, then: alow}"), r"^rules.0.then \(line 3\): 'alow'"),
    "an unknown effect": (policy("{id: a, when: {effect: [write, look]}, then: allow}"), r"^rules.0.when.effect.1"),
    "an empty list": (policy("{id: a, when: {effect: []}, then: allow}"), r"^rules.0.when.effect"),
    "an amount without currency": (policy("{id: a, when: {amount: {at_most: 5}}, then: allow}"), r"^rules.0.when.amount"),
    "a fraction of a cent": (policy("{id: a, when: {amount: {currency: eur, at_most: 0.5}}, then: allow}"), "at_most"),
    "a rule that asks for nobody": (policy("{id: a, when: {}, then: review, review: {slots: []}}"), r"^rules.0.review.slots"),
    "a review that is none": (policy("{id: a, when: {}, then: deny, review: {slots: [{group: g}]}}"), r"^rules.0"),
    "an unknown zone": ("zone: Mars/Olympus\n" + policy(), "^zone: 'Mars/Olympus' is no time zone"),
    "a zone with a path": ("zone: ../etc/passwd\n" + policy(), "^zone: "),
    "a total that is not there": (policy("{id: a, when: {total: {t: {at_most: 5}}}, then: allow}"), r"^rules.0.when.total.t: there is no such"),
    "a total of two kinds": (TOTALS.replace("hours", "count: actions, hours") + policy(), r"^totals.spent"),
    "four totals": ("totals:" + "".join(f"\n  t{n}: {{count: actions, hours: 1}}" for n in range(4)) + "\n" + policy(), "^totals"),
    "an empty range": (policy("{id: a, when: {amount: {currency: eur, at_least: 6, at_most: 5}}, then: allow}"), r"^rules.0.when.amount: nothing is in"),
    "half a time": (policy("{id: a, when: {time: {from: '08:00'}}, then: allow}"), r"^rules.0.when.time"),
    "no time at all": (policy("{id: a, when: {time: {from: '24:00', until: '08:00'}}, then: allow}"), r"^rules.0.when.time.from"),
    "a condition that is none": (policy("{id: a, when: {condition: 'amount >'}, then: allow}"), r"^rules.0.when.condition: not an expression"),
    "a misspelt field": (policy("{id: a, when: {condition: 'amout > 5'}, then: allow}"), r"^rules.0.when.condition: unknown field amout"),
    "a function that is not there": (policy("{id: a, when: {condition: 'dyn(1) == 1'}, then: allow}"), r"^rules.0.when.condition: unknown function dyn"),
    "a loop": (policy("{id: a, when: {condition: '[1, 2].all(one, one > 0)'}, then: allow}"), r"^rules.0.when.condition: unknown"),
    "a total misspelt in a condition": (TOTALS + policy("{id: a, when: {condition: 'total_spend > 5'}, then: allow}"), "unknown field total_spend"),
    "a condition on who signs": (policy("{id: a, when: {}, then: review, review: {slots: [{group: g, where: 'amount > signer'}]}}"), r"^rules.0.review.slots.0.where: unknown field signer"),
    "a range of nothing": (
        policy("{id: a, when: {prior_actions: {at_least: 3, at_most: 2}}, then: deny}"),
        "^rules.0.when.prior_actions: nothing is in this range",
    ),
    "further than there is": (policy("{id: a, when: {distance: {at_least: 101}}, then: deny}"), r"^rules.0.when.distance.at_least"),
    "a fraction of a distance": (policy("{id: a, when: {distance: {at_least: 0.7}}, then: deny}"), r"^rules.0.when.distance.at_least"),
    "a distance of nothing": (policy("{id: a, when: {distance: {at_least: 3, at_most: 2}}, then: deny}"), "^rules.0.when.distance: nothing is in this range"),
    "a hint that allows": (policy("{id: a, when: {distance: {at_most: 20}}, then: allow}"), "^rules.0: how far it is from what was asked for is a hint"),
    "a hint that allows, as an expression": (
        policy("{id: a, when: {distance: {}, condition: distance < 20}, then: allow}"), "^rules.0: how far it is from what was asked for is a hint"),
    "no name of an environment": (policy("{id: a, when: {environment: [Live]}, then: deny}"), "environment"),
    "a promise twice": ("never: [{id: a, when: {}}, {id: a, when: {}}]\n" + policy(), "^never.1.id"),
    "no rule": ("policy: p\nrules: []", r"^rules \(line 2\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_place(name: str) -> None:
    text, says = REFUSED[name]
    with pytest.raises(Invalid, match=says):
        parse(text)


AMOUNT = "{id: a, when: {amount: {currency: eur, at_least: 10, at_most: 20}}, then: allow}"
TABLE: list[tuple[str, dict[str, Any], tuple[str, str]]] = [
    (policy("{id: a, when: {effect: [write]}, then: allow}", "{id: b, when: {}, then: deny}"), {}, ("allow", "a")),
    (policy("{id: b, when: {}, then: deny}", "{id: a, when: {effect: [write]}, then: allow}"), {}, ("deny", "b")),
    (policy("{id: a, when: {effect: [read]}, then: allow}"), {}, ("review", "last")),
    (policy("{id: a, when: {effect: [write], workflow: [x]}, then: allow}"), {}, ("review", "last")),
    (policy("{id: a, when: {operation: [crm.note]}, then: allow}"), {}, ("allow", "a")),
    (policy("{id: a, when: {integration: [other]}, then: allow}"), {}, ("review", "last")),
    (policy("{id: a, when: {categories: [other, code_change]}, then: allow}"), {}, ("allow", "a")),
    (policy("{id: a, when: {categories: [other]}, then: allow}"), {"categories": frozenset()}, ("review", "last")),
    (policy(AMOUNT), {"amount_minor": 10}, ("allow", "a")),
    (policy(AMOUNT), {"amount_minor": 20}, ("allow", "a")),
    (policy(AMOUNT), {"amount_minor": 21}, ("review", "last")),
    (policy(AMOUNT), {"amount_minor": 9}, ("review", "last")),
    (policy(AMOUNT), {"amount_minor": 10, "currency": "usd"}, ("review", "last")),
    (policy(AMOUNT), {"amount_minor": None}, ("review", "evaluator-error")),
    (
        policy("{id: d, when: {amount: {currency: eur}}, then: deny}"),
        {"amount_minor": None},
        ("review", "evaluator-error"),
    ),
]


@pytest.mark.parametrize(("text", "changed", "expected"), TABLE)
def test_decided(text: str, changed: dict[str, Any], expected: tuple[str, str]) -> None:
    assert ask(text, **changed) == expected


NIGHT = dt.datetime(2026, 11, 20, 23, 30, tzinfo=dt.UTC)  # Friday in UTC, Saturday 00:30 in Berlin
KNOWN: dict[str, Any] = {
    "new_counterparty": True,
    "data": frozenset({"personal"}),
    "untrusted": False,
    "distance": 83,
    "prior_actions": 3,
    "prior_operations": {"crm.look": 2, "crm.note": 1},
    "total_spent": 500,
}
CONDITIONS_TABLE: list[tuple[str, dict[str, Any], bool | None]] = [
    ("agent: [bot]", {"agent": "bot"}, True),
    ("agent: [bot]", {}, False),
    ("trust: [proven]", {}, False),
    ("idempotency: [native_key, conditional]", {}, True),
    ("counterparty: [cus_1]", {"counterparty": "cus_1"}, True),
    ("counterparty: [cus_1]", {"counterparty": "cus_2"}, False),
    ("counterparty: [cus_1]", {}, None),
    ("new_counterparty: true", {}, True),
    ("new_counterparty: false", {}, False),
    ("new_counterparty: false", {"counted": {}}, None),
    ("data: [personal, payment]", {}, True),
    ("data: [payment]", {}, False),
    ("data: [payment]", {"counted": {}}, None),
    ("untrusted: false", {}, True),
    ("untrusted: true", {"counted": {"untrusted": None}}, None),
    ("environment: [production, staging]", {"environment": "production"}, True),
    ("environment: [production]", {"environment": "test"}, False),
    ("environment: [production]", {}, None),
    ("on_behalf_of: [usr_1]", {"on_behalf_of": "usr_1"}, True),
    ("on_behalf_of: [usr_1]", {"on_behalf_of": "usr_2"}, False),
    ("on_behalf_of: [usr_1]", {}, None),
    ("distance: {at_least: 83}", {}, True),
    ("distance: {at_least: 84}", {}, False),
    ("distance: {at_most: 82}", {}, False),
    ("distance: {at_least: 70}", {"counted": {}}, None),
    ("distance: {at_least: 70}", {"counted": {"distance": None}}, None),
    ("condition: distance > 70 && !untrusted", {}, True),
    ("condition: distance > 70", {"counted": {"distance": None}}, None),
    ("prior_actions: {at_least: 3}", {}, True),
    ("prior_actions: {at_least: 4}", {}, False),
    ("prior_actions: {at_most: 2}", {}, False),
    ("prior_actions: {at_most: 3}", {"counted": {}}, None),
    ("prior_operations: [crm.note, crm.drop]", {}, True),
    ("prior_operations: [crm.drop]", {}, False),
    ("prior_operations: [crm.drop]", {"counted": {}}, None),
    ("total: {spent: {at_least: 500}}", {}, True),
    ("total: {spent: {at_least: 501}}", {}, False),
    ("total: {spent: {at_most: 499}}", {}, False),
    ("total: {spent: {at_most: 500}}", {"counted": {}}, None),
    ("time: {days: [fri]}", {}, False),
    ("time: {days: [sat]}", {}, True),
    ("time: {from: '00:00', until: '00:31'}", {}, True),
    ("time: {from: '00:00', until: '00:30'}", {}, False),
    ("time: {from: '22:00', until: '06:00'}", {}, True),
    ("time: {days: [fri], from: '22:00', until: '06:00'}", {}, True),  # the night that began on Friday
    ("time: {days: [sat], from: '22:00', until: '06:00'}", {}, False),
    ("condition: amount > 4999 && currency == 'eur'", {}, True),
    ("condition: amount > 5000", {}, False),
    ("condition: amount > 5000", {"amount_minor": None}, None),
    ("condition: effect == 'write' || amount > 5", {"amount_minor": None}, True),  # whatever the amount is
    ("condition: amount / 0 > 1", {}, None),
    ("condition: amount + 1", {}, None),
    ("condition: operation > 5", {}, None),
    ("condition: total_spent * 2 == 1000 && 'other' in categories && !untrusted", {}, True),
    ("condition: 'payment' in data", {"counted": {}}, None),
    ("condition: 'crm.note' in prior_operations && prior_actions < 4", {}, True),
    ("condition: environment != 'production'", {"environment": "test"}, True),
    ("condition: environment != 'production'", {}, None),
]  # fmt: skip


@pytest.mark.parametrize(("when", "changed", "expected"), CONDITIONS_TABLE)
def test_a_condition_holds_or_does_not_or_cannot_be_told(
    when: str, changed: dict[str, Any], expected: bool | None
) -> None:
    text = TOTALS + "zone: Europe/Berlin\n" + policy(f"{{id: a, when: {{{when}}}, then: deny}}")
    if when.startswith("condition: "):
        text = text.replace(when, f'condition: "{when.removeprefix("condition: ")}"')
    outcome, rule = ask(text, **{"counted": KNOWN, "at": NIGHT, **changed})
    assert rule == {True: "a", False: "last", None: "evaluator-error"}[expected]
    assert outcome == ("deny" if expected else "review")


def test_what_is_missing_is_named_and_matters_only_where_the_rule_could_match() -> None:
    rule = "{id: a, when: {new_counterparty: true, amount: {currency: eur}, effect: [write]}, then: allow}"
    answer = decide(parse(policy(rule)), dataclasses.replace(SAFE, amount_minor=None))
    assert answer.reasons == ("The rule a asks for new_counterparty and the amount, which is not known.",)
    assert ask(policy(rule), amount_minor=None, effect="read") == ("review", "last")


def test_what_the_console_does_itself_is_signed_by_its_admins_or_more() -> None:
    many = "{slots: [{group: board, count: 2}, {group: admins}], signature: passkey}"
    weak = "{slots: [{group: admins}], signature: password}"
    asked = dataclasses.replace(SAFE, here=True)
    for review, expected in (
        (many, "2 of board; and 1 of admins"),
        (weak, "1 of admins"),
        ("{slots: [{group: g}]}", "1 of admins"),
    ):
        answer = decide(parse(policy(f"{{id: a, when: {{}}, then: review, review: {review}}}")), asked)
        assert (str(answer.requirement), answer.requirement and answer.requirement.slots[0].signature) == (
            expected,
            "passkey",
        )


ALLOW_ALL = policy("{id: a, when: {}, then: allow}")
RISKY: list[dict[str, Any]] = [
    {"idempotency": "none"}, {"idempotency": "unknown"}, {"trust": "imported"}, {"trust": "anything"},
    *({"categories": frozenset({gated})} for gated in sorted(GATED)),
]  # fmt: skip


@pytest.mark.parametrize("risky", RISKY)
@pytest.mark.parametrize("effect", ["write", "destructive"])
def test_no_policy_allows_what_a_person_must_see(risky: dict[str, Any], effect: str) -> None:
    assert ask(ALLOW_ALL, effect=effect) == ("allow", "a")
    answer = decide(parse(ALLOW_ALL), dataclasses.replace(SAFE, effect=effect, **risky))
    assert (answer.outcome, answer.requirement, len(answer.reasons)) == ("review", FALLBACK, 1)
    assert ask(ALLOW_ALL, effect="read", **risky) == ("allow", "a")


def test_without_a_policy_everything_is_denied() -> None:
    assert decide(None, SAFE).outcome == decide(None, dataclasses.replace(SAFE, effect="read")).outcome == "deny"


KEYS = [
    "rules",
    "when",
    "then",
    "id",
    "effect",
    "categories",
    "amount",
    "currency",
    "at_most",
    "review",
    "group",
    "operation",
]
junk: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["allow", "deny", "review", "permit", "write", "eur", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4), max_leaves=10)  # fmt: skip
rules: st.SearchStrategy[Any] = st.fixed_dictionaries({"id": st.just("r"), "then": st.sampled_from(["allow", "deny", "review", "permit"]) | junk,
                               "when": st.just({}) | junk}, optional={"review": junk, "reason": junk})  # fmt: skip
documents = st.fixed_dictionaries({"rules": st.lists(rules, max_size=3) | junk}) | junk
questions = st.builds(
    Question, st.text(max_size=3), st.text(max_size=3), st.text(max_size=3), st.sampled_from(EFFECTS),
    st.frozensets(st.sampled_from(CATEGORIES)), st.sampled_from(TRUSTS), st.sampled_from(MODES),
    st.none() | st.integers(), st.sampled_from(["", "eur"]),
)  # fmt: skip


@given(documents, questions)
def test_whatever_the_document_nothing_risky_is_allowed_and_nothing_raises(document: Any, question: Question) -> None:
    """Not only documents that `parse` lets through: any at all, as if its checks were gone."""
    answer = decide(document, question)
    assert answer.outcome in {"allow", "deny", "review"}
    if question.effect == "read":
        return
    risky = question.idempotency in {"none", "unknown"} or question.trust == "imported" or question.categories & GATED
    assert not (risky and answer.outcome == "allow")


def test_every_condition_of_the_schema_is_one_that_the_code_knows() -> None:
    """A condition that is only in the schema would be accepted and never looked at."""
    assert WHEN["properties"].keys() == CONDITIONS


DESCRIBED = {
    "title": "Pay", "effect": "write", "method": "POST", "path": "/pay",
    "arguments": {"amount": {"in": "body", "schema": {}}, "to": {"in": "body", "schema": {}}},
    "facts": [{"label": "Sum", "shows": "amount", "format": "money", "becomes": "${{ arguments.amount }}", "currency": "EUR"}],
    "amount": {"minor": "${{ arguments.amount }}", "currency": "EUR"}, "sentence": "Pay ${{ money }} to ${{ reads.who.name }}",
}  # fmt: skip


def test_an_argument_that_no_line_explains_is_shown_undecoded() -> None:
    facts = decode(Description("pay", DESCRIBED), {"amount": 480, "to": {"x": 1}}, {"who": {"name": "Zoë"}}, "key")
    assert (facts.sentence, facts.amount_minor, facts.currency, facts.undecoded) == (
        "Pay €4.80 to Zoë",
        480,
        "eur",
        ("to",),
    )
    assert facts.lines == [
        {"label": "Sum", "was": None, "becomes": 480, "format": "money", "currency": "EUR"},
        {"label": "to", "was": None, "becomes": {"x": 1}, "format": "undecoded"},
    ]


@pytest.mark.parametrize("amount", [None, "480", 4.8, True, [480]])
def test_an_amount_that_is_no_whole_number_cannot_be_decoded(amount: Any) -> None:
    with pytest.raises(Invalid) as refusal:
        decode(Description("pay", DESCRIBED), {"amount": amount}, {}, "key")
    assert refusal.value.code == "undecodable"


ONE_OF_FINANCE = "{id: a, when: {}, then: review, review: {slots: [{group: finance}]}}"
DENIED = "{id: a, when: {}, then: deny}"
WHY = ("The argument x could not be decoded.",)


def test_what_could_not_be_decoded_asks_one_more() -> None:
    asked = dataclasses.replace(SAFE, undecoded=("x",))
    held, allowed = decide(parse(policy(ONE_OF_FINANCE)), asked), decide(parse(ALLOW_ALL), asked)
    assert (held.outcome, held.rule, str(held.requirement)) == ("review", "a", "2 of finance")
    assert held.reasons == (*WHY, "So one more has to sign than otherwise: 2 of finance.")
    assert (allowed.outcome, allowed.rule, allowed.requirement, allowed.reasons) == ("review", "a", FALLBACK, WHY)


def test_what_could_not_be_decoded_adds_to_what_stands_above_the_policy() -> None:
    asked = dataclasses.replace(SAFE, undecoded=("x",), idempotency="none")
    assert str(decide(parse(ALLOW_ALL), asked).requirement) == "2 of admins"
    many = decide(parse(ALLOW_ALL), dataclasses.replace(SAFE, undecoded=tuple("abcdefg")))
    assert (len(many.reasons), many.reasons[-1]) == (6, "Nor could 2 more.")


def test_what_could_not_be_decoded_changes_no_read_and_no_denial() -> None:
    asked = dataclasses.replace(SAFE, undecoded=("x",))
    assert decide(parse(ALLOW_ALL), dataclasses.replace(asked, effect="read")).outcome == "allow"
    assert decide(parse(policy(DENIED)), asked).outcome == "deny"
