"""What is planted into a drill."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.care.drills import judged
from approvals.care.planting import FAULTS, plant

SHOWN: dict[str, Any] = {
    "sentence": "Refund €480.00 to cus_8Z41", "amount_minor": 48_000, "currency": "eur", "counterparty": "cus_8Z41",
    "says": "It is theirs.", "evidence": [{"title": "Invoice", "value": {"total": 48_000, "customer": "cus_8Z41"}}],
    "arguments": {"amount": 48_000, "customer": "cus_8Z41", "partial": True},
    "facts": [
        {"label": "Refund", "was": None, "becomes": 48_000, "format": "money", "currency": "eur"},
        {"label": "Charged", "was": 48_000, "becomes": 48_000, "format": "money", "currency": "eur"},
        {"label": "To", "was": None, "becomes": "cus_8Z41", "format": "identity"},
    ],
}  # fmt: skip


def planted(fault: str) -> tuple[str, dict[str, Any]]:
    for seed in range(200):
        found, told, made = plant(SHOWN, random.Random(seed))
        if found == fault:
            return told, made
    raise AssertionError(fault)


def test_ten_times_the_amount_contradicts_what_stays() -> None:
    told, made = planted("amount")
    assert told == "The amount was 10 times what had been asked for: €4,800.00, not €480.00."
    assert (made["sentence"], made["amount_minor"]) == ("Refund €4,800.00 to cus_8Z41", 480_000)
    assert made["arguments"] == {"amount": 480_000, "customer": "cus_8Z41", "partial": True}
    assert [fact["becomes"] for fact in made["facts"]] == [480_000, 48_000, "cus_8Z41"]
    assert made["evidence"] == SHOWN["evidence"]


def test_another_counterparty_looks_alike_and_the_evidence_names_the_right_one() -> None:
    told, made = planted("counterparty")
    assert told == "The counterparty was cus_8Z4l, which looks like cus_8Z41 and is another one."
    assert (made["counterparty"], made["facts"][2]["becomes"], made["arguments"]["customer"]) == ("cus_8Z4l",) * 3
    assert made["evidence"] == SHOWN["evidence"]


def test_evidence_may_be_missing_and_words_may_contradict() -> None:
    assert planted("evidence")[1] == {**SHOWN, "evidence": []}
    told, made = planted("words")
    assert ("€240.00" in told, made) == (True, {**SHOWN, "says": made["says"]})
    assert "€240.00" in made["says"]


def test_as_often_as_not_nothing_is_planted() -> None:
    found = [plant(SHOWN, random.Random(seed))[0] for seed in range(400)]
    assert 160 < found.count("") < 240
    assert set(found) == {"", *FAULTS}
    assert planted("")[1] == SHOWN


@given(st.integers(0))
def test_what_has_no_amount_nobody_and_no_evidence_stays_as_it_was(seed: int) -> None:
    bare = {**SHOWN, "amount_minor": None, "counterparty": "", "evidence": []}
    assert plant(bare, random.Random(seed))[::2] == ("", bare)


@pytest.mark.parametrize(
    ("fault", "verdict", "expected"),
    [("amount", "refuse", "right"), ("amount", "approve", "wrong"), ("", "approve", "right"), ("", "refuse", "wrong"),
     ("amount", "recuse", "left"), ("", "recuse", "left")],
)  # fmt: skip
def test_a_fault_is_to_be_refused_and_what_is_right_to_be_approved(fault: str, verdict: str, expected: str) -> None:
    assert judged(fault, verdict) == expected
