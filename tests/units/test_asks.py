"""What a policy asks to be looked at first: what fulfils it, how it is said, and where it is not asked."""

from dataclasses import replace
from typing import Any

import pytest

from approvals.care.asks import NOTHING, Asks, asks
from approvals.policies.decide import decide
from approvals.policies.document import parse
from approvals.policies.sentence import then_in_words
from console.core.errors import Invalid
from tests.units.test_policy import SAFE

REVIEW: dict[str, Any] = {
    "slots": [{"group": "admins"}], "evidence": ["Invoice"], "states": ["amount", "counterparty"],
}  # fmt: skip
DOCUMENT = {"policy": "p", "rules": [{"id": "all", "when": {}, "then": "review", "review": REVIEW}]}


@pytest.mark.parametrize(
    ("payload", "met"),
    [
        ({"seen": {"evidence": ["Invoice", "Mail"], "states": ["amount"]}}, True),
        ({"seen": {"evidence": ["Invoice"], "states": []}}, False),
        ({"seen": {"states": ["amount"]}}, False),
        ({}, False),
    ],
)
def test_all_that_is_asked_has_to_be_in_what_was_signed(payload: dict[str, Any], met: bool) -> None:
    assert Asks(("Invoice",), ("amount",)).are_met_by(payload) is met
    assert NOTHING.are_met_by(payload)


def test_a_rule_says_what_it_asks_for_first() -> None:
    assert then_in_words(DOCUMENT["rules"][0]).endswith(  # type: ignore[arg-type]
        "within 4 h, having opened “Invoice” and stated the amount and counterparty"
    )


def test_nothing_else_can_be_asked_to_be_stated() -> None:
    with pytest.raises(Invalid, match="states"):
        parse("policy: p\nrules: [{id: a, when: {}, then: review, review: {slots: [{group: a}], states: [weather]}}]")


def test_the_consoles_own_acts_are_signed_without_as_no_policy_could_be_replaced_otherwise() -> None:
    asked = [decide(DOCUMENT, replace(SAFE, here=here)).requirement for here in (False, True)]
    assert [bool(asks(one)) for one in asked] == [True, False]
