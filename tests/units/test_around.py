"""What an action stands in, in words."""

from typing import Any

import pytest

from approvals.around import Around, around, told_by_agent

NOTHING: dict[str, Any] = {
    "on_behalf_of": "usr_1", "environment": "", "within": "day", "actions": 0, "writes": 0, "operations": {},
    "data": [], "untrusted": False,
}  # fmt: skip
MUCH = {f"crm.look_{letter}": 2 for letter in "abcdef"} | {"crm.note": 3}
SAID: dict[str, tuple[dict[str, Any], Around]] = {
    "an environment": ({"environment": "test"}, Around("Environment", "test")),
    "no environment": ({}, Around("Environment", "Nobody has named it.")),
    "nothing yet": ({}, Around("Done in 24 hours", "Nothing else.")),
    "one read": (
        {"within": "run", "actions": 1, "operations": {"crm.look": 1}},
        Around("Done in this run", "1 action, none with an effect: crm.look (1)."),
    ),
    "more than is named": (
        {"actions": 15, "writes": 3, "operations": MUCH},
        Around("Done in 24 hours", "15 actions, 3 with an effect: crm.note (3), crm.look_a (2), crm.look_b (2), "
               "crm.look_c (2), crm.look_d (2) and 2 more operations."),
    ),
    "data": ({"data": ["bank_account", "personal"]}, Around("Read here", "bank account, personal data")),
    "data unknown": (
        {"data": None},
        Around("Read here", "Not known: an answer or an event that came in is not described."),
    ),
    "words of outsiders": (
        {"untrusted": True},
        Around("Outsiders’ words", "It has read some here: what it wants now may be their idea."),
    ),
    "a person's request": (
        {"request": {"by": "person", "text": "Look <twice>"}},
        Around("Asked for", "by Mira", "Look <twice>"),
    ),
    "far from the request": (
        {"distance": 75},
        Around("Distance from that", "Far from what was asked for: 75 of 100, by the operation’s title alone. A hint."),
    ),
    "not far from it": (
        {"distance": 74},
        Around("Distance from that",
               "Not far from what was asked for: 74 of 100, by the operation’s title alone. A hint."),
    ),
    "not known how far": (
        {"distance": None},
        Around("Distance from that",
               "Not available: what measures it is not installed, or nobody has reviewed the operation’s title."),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_it_is_said(name: str) -> None:
    told, expected = SAID[name]
    assert expected in around(NOTHING | told, "Mira")


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert (around({}, "Mira"), told_by_agent({})) == ([], "")


def test_an_agents_word_is_none_of_ours() -> None:
    told = NOTHING | {"request": {"by": "agent", "text": "Pay"}}
    assert around(told, "Mira") == around(NOTHING, "Mira")
    assert told_by_agent(told) == "Pay"
    assert told_by_agent(NOTHING | {"request": {"by": "person", "text": "Pay"}}) == ""


def test_who_has_no_name_any_more_is_told_by_the_id() -> None:
    told = NOTHING | {"request": {"by": "person", "text": "Pay"}}
    assert around(told, "")[-1] == Around("Asked for", "by usr_1", "Pay")
