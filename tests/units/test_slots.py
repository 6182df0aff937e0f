"""Whether votes are enough: by table, and against all ways to place people by brute force."""

import datetime as dt
from dataclasses import replace
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.policies.rules import requirement
from approvals.policies.slots import (
    LEVELS,
    Requirement,
    SlotSpec,
    Tally,
    Vote,
    Way,
    fills,
    one_more,
    outcome,
    read_requirement,
    tally,
)

HOUR = dt.timedelta(hours=1)
TWO = SlotSpec((Way("finance", 2),))
BOARD = SlotSpec((Way("finance", 2), Way("board", 1)))
LATER = SlotSpec((Way("finance"), Way("board", 1, HOUR)))


def vote(person: str, *groups: str, level: str = "passkey", since: dt.timedelta = dt.timedelta()) -> Vote:
    return Vote(person, frozenset(groups), level, since)


ANA, BEA, CLEO = vote("ana", "finance"), vote("bea", "finance"), vote("cleo", "board")
BOTH = vote("dora", "finance", "legal")
SEEN_ONLY = SlotSpec((Way("finance"),), proofed=True)
PLAIN = SlotSpec((Way("finance"),))
CHOOSY = SlotSpec((Way("finance"),), where="'board' in signer_groups")
NAMED = SlotSpec((Way("finance"),), authenticators=("model-a", "model-b"))
ENOUGH: dict[str, tuple[list[SlotSpec], list[Vote], bool]] = {
    "somebody whose identity was seen": ([SEEN_ONLY], [replace(ANA, proofed=True)], True),
    "somebody whose identity was not seen": ([SEEN_ONLY], [ANA], False),
    "a model that is named": ([NAMED], [replace(ANA, model="model-b")], True),
    "a model that is not named": ([NAMED], [replace(ANA, model="model-c")], False),
    "a model that nobody vouches for": ([NAMED], [ANA], False),
    "a model where none is named": ([TWO], [replace(ANA, model="model-c"), BEA], True),
    "whom a choosy slot asked": ([CHOOSY], [replace(ANA, asked=CHOOSY)], True),
    "whom another slot asked": ([CHOOSY], [replace(ANA, asked=TWO)], False),
    "two where one slot is choosy": ([PLAIN, CHOOSY], [replace(ANA, asked=CHOOSY), replace(BEA, asked=PLAIN)], True),
    "two whom the other slot asked": ([PLAIN, CHOOSY], [replace(ANA, asked=PLAIN), replace(BEA, asked=PLAIN)], False),
    "one of one": ([SlotSpec((Way("finance"),))], [ANA], True),
    "another group": ([SlotSpec((Way("finance"),))], [CLEO], False),
    "one of two": ([TWO], [ANA], False),
    "two of two": ([TWO], [ANA, BEA], True),
    "one person twice": ([TWO], [ANA, ANA], False),
    "the other way": ([BOARD], [CLEO], True),
    "half of either way": ([SlotSpec((Way("finance", 2), Way("board", 2)))], [ANA, CLEO], False),
    "two slots, two people": ([TWO, SlotSpec((Way("board"),))], [ANA, BEA, CLEO], True),
    "two slots, one person in both": ([SlotSpec((Way("finance"),)), SlotSpec((Way("legal"),))], [BOTH], False),
    "one has to make room": ([SlotSpec((Way("finance"),)), SlotSpec((Way("legal"),))], [BOTH, ANA], True),
    "a password for a passkey": ([SlotSpec((Way("finance"),))], [vote("ana", "finance", level="password")], False),
    "a passkey for a password": ([SlotSpec((Way("finance"),), signature="password")], [ANA], True),
    "a passkey for a device": ([SlotSpec((Way("finance"),), signature="device")], [ANA], False),
    "before it was escalated": ([LATER], [CLEO], False),
    "after it was escalated": ([LATER], [vote("cleo", "board", since=HOUR)], True),
}


@pytest.mark.parametrize("name", ENOUGH)
def test_enough(name: str) -> None:
    slots, votes, enough = ENOUGH[name]
    assert fills(slots, votes) is enough


GROUPS = ["a", "b", "c"]
ways = st.builds(Way, st.sampled_from(GROUPS), st.integers(1, 2), st.sampled_from([dt.timedelta(), HOUR]))
slots = st.builds(
    SlotSpec, st.lists(ways, min_size=1, max_size=2).map(tuple), st.integers(1, 2), st.booleans(),
    st.sampled_from(LEVELS[1:]),
)  # fmt: skip
votes = st.lists(
    st.builds(Vote, st.sampled_from("pqrstu"), st.frozensets(st.sampled_from(GROUPS)), st.sampled_from(LEVELS),
              st.sampled_from([dt.timedelta(), HOUR])),
    max_size=5, unique_by=lambda one: one.person,
)  # fmt: skip


def by_brute_force(asked: list[SlotSpec], given: list[Vote]) -> bool:
    for chosen in product(*(slot.ways for slot in asked)):
        places = [(slot, way) for slot, way in zip(asked, chosen, strict=True) for _ in range(way.count)]
        for people in permutations(given, len(places)):
            if all(
                way.group in one.groups and way.after <= one.since
                and LEVELS.index(one.level) >= LEVELS.index(slot.signature)
                for one, (slot, way) in zip(people, places, strict=True)
            ):  # fmt: skip
                return True
    return False


@given(st.lists(slots, min_size=1, max_size=2), votes)
def test_people_are_placed_wherever_they_can_be(asked: list[SlotSpec], given_: list[Vote]) -> None:
    assert fills(asked, given_) is by_brute_force(asked, given_)


@given(st.lists(slots, min_size=1, max_size=2), votes, votes)
def test_more_votes_never_take_an_approval_away(asked: list[SlotSpec], some: list[Vote], more: list[Vote]) -> None:
    known = {one.person for one in some}
    assert not fills(asked, some) or fills(asked, [*some, *(one for one in more if one.person not in known)])


OPEN, YES, NO = "", "approved", "refused"
SEEN = SlotSpec((Way("finance", 2),), blind=False)
TIE = SlotSpec((Way("finance", 2),), refusals=2)
TALLIES: list[tuple[SlotSpec, list[Vote], list[Vote], str]] = [
    (TWO, [], [], OPEN),
    (TWO, [ANA], [], OPEN),
    (TWO, [ANA, BEA], [], YES),
    (TWO, [], [ANA], OPEN),  # blind: whoever is to come must not learn of it
    (TWO, [BEA], [ANA], NO),
    (TWO, [], [ANA, BEA], NO),
    (SEEN, [], [ANA], NO),
    (SEEN, [BEA], [ANA], NO),
    (TIE, [ANA], [BEA], OPEN),  # a third one breaks it
    (TIE, [ANA, BOTH], [BEA], YES),
    (TIE, [ANA], [BEA, BOTH], NO),
    (BOARD, [], [CLEO], NO),
    (BOARD, [], [ANA], OPEN),
    (BOARD, [CLEO], [ANA], NO),
    (TWO, [ANA], [vote("bea", "finance", level="session")], NO),  # refusing needs no signature
    (CHOOSY, [], [replace(ANA, asked=CHOOSY)], NO),
]


@pytest.mark.parametrize(("slot", "approvals", "refusals", "closed"), TALLIES)
def test_a_slot_is_closed(slot: SlotSpec, approvals: list[Vote], refusals: list[Vote], closed: str) -> None:
    assert tally(slot, approvals, refusals) == Tally(len(approvals), len(refusals), closed)


OPEN_SLOT = SlotSpec((Way("legal"),), blind=False)
REVIEWS: list[tuple[list[tuple[SlotSpec, str]], str]] = [
    ([(TWO, YES)], YES),
    ([(TWO, NO)], NO),
    ([(TWO, OPEN)], OPEN),
    ([(TWO, YES), (OPEN_SLOT, OPEN)], OPEN),
    ([(TWO, NO), (OPEN_SLOT, OPEN)], NO),
    ([(TWO, OPEN), (OPEN_SLOT, NO)], OPEN),  # its end would tell the blind ones
    ([(TWO, YES), (OPEN_SLOT, NO)], NO),
    ([(TWO, YES), (OPEN_SLOT, YES)], YES),
]


@pytest.mark.parametrize(("standing", "ends"), REVIEWS)
def test_a_review_ends(standing: list[tuple[SlotSpec, str]], ends: str) -> None:
    assert outcome([(slot, Tally(0, 0, closed)) for slot, closed in standing]) == ends


@given(st.builds(Requirement, st.lists(slots, min_size=1, max_size=3).map(tuple)))
def test_what_is_stored_says_the_same(wanted: Requirement) -> None:
    assert read_requirement(wanted.document) == wanted


def test_what_is_asked_of_signers_is_stored_and_read_again() -> None:
    written = {"slots": [{"group": "finance", "authenticators": ["b", "a"]}, {"group": "legal", "proofed": True}]}
    wanted = requirement(written)
    assert [(slot.authenticators, slot.proofed) for slot in wanted.slots] == [(("b", "a"), False), ((), True)]
    assert read_requirement(wanted.document) == wanted


def test_a_blind_slot_is_closed_by_refusals_however_they_were_signed() -> None:
    assert [tally(slot, [], [ANA]).closed for slot in (NAMED, SEEN_ONLY)] == ["refused", "refused"]


def test_what_is_left_out_is_filled_in() -> None:
    written = {
        "slots": [{"group": "finance", "count": 2, "or": [{"group": "board"}]},
                  {"group": "legal", "blind": False, "refusals": 2, "signature": "device", "where": "amount > 5"}],
        "signature": "password", "expires_minutes": 60, "escalation": [{"after_minutes": 30, "group": "admins"}],
    }  # fmt: skip
    half = dt.timedelta(minutes=30)
    assert requirement(written) == Requirement(
        (
            SlotSpec((Way("finance", 2), Way("board"), Way("admins", 2, half)), signature="password"),
            SlotSpec((Way("legal"), Way("admins", 1, half)), 2, False, "device", where="amount > 5"),
        ),
        HOUR,
    )
    assert str(requirement(written)) == "2 of finance, or 1 of board; and 1 of legal"


MORE: dict[str, tuple[Requirement, str]] = {
    "one of one": (Requirement((SlotSpec((Way("finance"),)),)), "2 of finance"),
    "each way": (Requirement((BOARD,)), "3 of finance, or 2 of board"),
    "the first slot alone": (Requirement((SlotSpec((Way("finance"),)), TWO)), "2 of finance; and 2 of finance"),
    "no more than some": (
        Requirement((SlotSpec((Way("finance", 5), Way("board", 9))),)),
        "5 of finance, or 9 of board",
    ),
}


@pytest.mark.parametrize("name", MORE)
def test_one_more_is_asked_in_each_way_to_fill_the_first_slot(name: str) -> None:
    wanted, expected = MORE[name]
    assert str(one_more(wanted)) == expected


def test_one_more_of_those_who_are_asked_later_too_and_all_else_stays() -> None:
    wanted = Requirement((LATER,), expires=HOUR, evidence=("a",), states=("b",))
    more = SlotSpec((Way("finance", 2), Way("board", 2, HOUR)))
    assert one_more(wanted) == Requirement((more,), expires=HOUR, evidence=("a",), states=("b",))
