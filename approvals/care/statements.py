"""Whether what a reviewer states is what was decoded. Pure: it says yes or no, and never what would be right."""

import re

from console.core.text import minor_units

FEWEST = 4  # characters of a counterparty's name, from its end
_AMOUNT = re.compile(r"(?P<before>[A-Za-z]{3})?\s*(?P<number>[0-9][0-9.,]*)\s*(?P<after>[A-Za-z]{3})?")


def is_amount(said: str, minor: int, currency: str) -> bool:
    """`480.00 EUR`, `EUR 480` and `1,480.00 eur`: with its currency, which is as easily wrong as a zero. One that takes
    money back may be written with or without its sign."""
    found = _AMOUNT.fullmatch(said.strip().removeprefix("-").removeprefix("−").strip())
    if found is None or bool(found["before"]) is bool(found["after"]):
        return False
    code = (found["before"] or found["after"]).lower()
    return code == currency.lower() and minor_units(found["number"], currency) == abs(minor)


def is_counterparty(said: str, counterparty: str) -> bool:
    """Its last characters, or all of it."""
    said = said.strip()
    return len(said) >= min(FEWEST, len(counterparty)) and bool(said) and counterparty.endswith(said)
