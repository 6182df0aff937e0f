"""What a reviewer states is compared with what was decoded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.care.statements import is_amount, is_counterparty
from console.core.text import money


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("480.00 EUR", True), ("480 eur", True), ("EUR480", True), (" eur 480.00 ", True), ("-480 EUR", True),
        ("−480.00 EUR", True), ("480.00", False), ("480.00 USD", False), ("EUR 480 EUR", False), ("4800 EUR", False),
        ("48.00 EUR", False), ("480.000 EUR", False), ("480,00 EUR", False), ("€480", False), ("", False),
        ("EUR", False), ("480 EUR 1", False), ("٤٨٠ EUR", False),
    ],
)  # fmt: skip
def test_an_amount_is_stated_with_its_currency(said: str, right: bool) -> None:
    assert is_amount(said, 48_000, "eur") is right


@given(st.integers(-(10**12), 10**12), st.sampled_from(["chf", "jpy", "kwd"]), st.integers(-(10**12), 10**12))
def test_what_a_page_says_of_money_can_be_stated_and_no_other_amount(minor: int, currency: str, other: int) -> None:
    said = money(minor, currency).replace("¥", "JPY ")
    assert is_amount(said, minor, currency)
    assert is_amount(said, other, currency) is (abs(other) == abs(minor))


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("cus_8Z41", True),
        ("8Z41", True),
        (" 8Z41 ", True),
        ("Z41", False),
        ("8z41", False),
        ("cus_", False),
        ("", False),
    ],
)
def test_a_counterparty_is_stated_by_its_end(said: str, right: bool) -> None:
    assert is_counterparty(said, "cus_8Z41") is right


def test_a_short_counterparty_is_stated_whole() -> None:
    assert (is_counterparty("Zoë", "Zoë"), is_counterparty("oë", "Zoë"), is_counterparty("", "")) == (
        True,
        False,
        False,
    )
