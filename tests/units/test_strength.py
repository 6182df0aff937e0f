"""How strict a review is: what counts as less, and how it is said."""

import datetime as dt

import pytest

from approvals.policies.slots import Requirement, SlotSpec, Way
from approvals.policies.strength import Strength, strength

ONE = (SlotSpec((Way("finance"),)),)


def asks(*slots: SlotSpec, evidence: tuple[str, ...] = (), states: tuple[str, ...] = ()) -> Strength:
    return strength("review", Requirement(slots or ONE, dt.timedelta(hours=1), evidence, states))


@pytest.mark.parametrize(
    ("before", "after", "laxer"),
    [
        (asks(evidence=("Invoice",)), asks(), True),
        (asks(evidence=("Invoice",)), asks(evidence=("Contract",)), True),
        (asks(states=("amount", "counterparty")), asks(states=("amount",)), True),
        (asks(states=("amount",)), asks(states=("amount",), evidence=("Invoice",)), False),
        (asks(), asks(states=("amount",)), False),
        (asks(states=("amount",)), strength("deny"), False),
        (asks(), strength("allow"), True),
    ],
)
def test_what_need_not_be_opened_or_stated_any_more_is_less(before: Strength, after: Strength, laxer: bool) -> None:
    assert after.is_laxer_than(before) is laxer


def test_it_is_said_in_words() -> None:
    said = str(asks(evidence=("Invoice",), states=("amount",)))
    assert said == "reviewed, by 1 signature (passkey), once the amount is stated and “Invoice” is opened"
    assert str(asks()) == "reviewed, by 1 signature (passkey)"
