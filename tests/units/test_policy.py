"""The policy: first match, and above it what no document can allow."""
# ruff: noqa: E501  (a row of a table is one line)

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.facts import decode
from approvals.policy import FALLBACK, GATED, SCHEMA, Question, decide, parse
from console.core.errors import Invalid
from integrations.description import Description
from integrations.description_schema import MODES
from integrations.models import CATEGORIES, EFFECTS, TRUSTS

LAST = "  - {id: last, when: {}, then: review, review: {group: g}}\n"


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
    known = SCHEMA["properties"]["rules"]["items"]["properties"]["when"]["properties"].keys()
    assert known == {"integration", "operation", "workflow", "effect", "categories", "amount"}


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
