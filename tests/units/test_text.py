"""Amounts, as people write them and as they are read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.text import minor_units, money

WRITTEN = {
    ("10", "eur"): 1_000, ("10.5", "eur"): 1_050, ("1,200.50", "EUR"): 120_050, (" 7 ", "jpy"): 7,
    ("0.125", "kwd"): 125, ("10.001", "eur"): None, ("7.0", "jpy"): None, ("", "eur"): None, (".5", "eur"): None,
    ("10.", "eur"): None, ("-1", "eur"): None, ("1e3", "eur"): None, ("١٠", "eur"): None, ("1" * 20, "eur"): None,
}  # fmt: skip


@pytest.mark.parametrize(("said", "currency"), WRITTEN)
def test_an_amount_is_read_as_it_is_written(said: str, currency: str) -> None:
    assert minor_units(said, currency) == WRITTEN[said, currency]


@given(st.integers(0, 10**12), st.sampled_from(["eur", "jpy", "kwd", "chf"]))
def test_what_is_shown_can_be_written(minor: int, currency: str) -> None:
    shown = money(minor, currency).lstrip("€¥").removeprefix("KWD ").removeprefix("CHF ")
    assert minor_units(shown, currency) == minor
