"""What a grant would have allowed: as it would have been counted then."""

import datetime as dt
from typing import Any

from integrations.grantees import Asked
from integrations.simulate import simulate

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
DESCRIBED: dict[str, Any] = {"pay": {"amount": {}}, "look": None}


def asked(hours: float, amount: int | None = None, *, counts: bool = True) -> Asked:
    operation, arguments = ("look", {}) if amount is None else ("pay", {"amount": amount})
    return Asked(f"act_{hours}", operation, arguments, NOON - dt.timedelta(hours=hours), counts)


def refused(past: list[Asked], **limits: Any) -> list[str]:
    """The newest first, as `past`."""
    found = simulate({"pay"}, limits, DESCRIBED, past)
    assert found.fits == len(past) - len(found.beyond)
    return [one.asked.action for one in found.beyond]


def test_what_it_does_not_name_is_refused() -> None:
    assert refused([asked(1), asked(2, 5)]) == ["act_1"]


def test_what_would_have_been_refused_spends_nothing() -> None:
    past = [asked(1, 40), asked(2, 70), asked(3, 60)]
    assert refused(past, sums=[{"argument": "amount", "at_most": 100, "hours": 24}]) == ["act_2"]


def test_time_goes_on() -> None:
    past = [asked(1, 1), asked(25, 1), asked(26, 1)]
    assert refused(past, calls={"at_most": 1, "hours": 24}) == ["act_25"]


def test_what_came_to_nothing_fits_and_spends_nothing() -> None:
    past = [asked(1, 1), asked(2, 1, counts=False)]
    assert refused(past, calls={"at_most": 1, "hours": 24}) == []


def test_limits_of_arguments_count() -> None:
    assert refused([asked(1, 10), asked(2, 4)], arguments={"amount": {"at_most": 5}}) == ["act_1"]
