"""In whose place somebody votes, by table; and whatever people, groups and delegations there are, nobody counts for
their own request, and nobody twice."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.policies.slots import SlotSpec, Vote, Way, fills
from approvals.policies.standing_in import Case, Given, apart, choose

AT = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
ADA = Given("ada", "bo", AT - HOUR, AT + HOUR)
CY = Given("cy", "bo", AT - HOUR, AT + HOUR)
REFUND = Case(frozenset({"jonas"}), 48_000, "eur", frozenset({"financial"}))
CAPPED = replace(ADA, at_most=48_000, currency="eur")
MONEY = replace(ADA, categories=frozenset({"financial", "other"}))
COVERED: dict[str, tuple[Given, Case, bool]] = {
    "whatever it is": (ADA, REFUND, True),
    "made by the delegator": (ADA, replace(REFUND, makers=frozenset({"jonas", "ada"})), False),
    "made by the delegate": (ADA, replace(REFUND, makers=frozenset({"bo"})), False),
    "as much as the cap": (CAPPED, REFUND, True),
    "more than the cap": (CAPPED, replace(REFUND, amount_minor=48_001), False),
    "less than nothing": (CAPPED, replace(REFUND, amount_minor=-1), False),
    "in another currency": (CAPPED, replace(REFUND, currency="usd"), False),
    "of no known amount": (CAPPED, replace(REFUND, amount_minor=None), False),
    "of a category": (MONEY, REFUND, True),
    "of another one too": (MONEY, replace(REFUND, categories=frozenset({"financial", "legal"})), False),
    "of no category": (MONEY, replace(REFUND, categories=frozenset()), False),
}
CHOSEN: dict[str, tuple[set[str], list[tuple[Given, set[str]]], set[str], Given | None]] = {
    "asked themself": ({"finance"}, [(ADA, {"finance"})], {"finance"}, None),
    "asked in one slot, the other in another": ({"legal"}, [(ADA, {"finance"})], {"finance", "legal"}, None),
    "not asked": (set(), [(ADA, {"finance"})], {"finance"}, ADA),
    "nobody of theirs is asked": (set(), [(ADA, {"legal"})], {"finance"}, None),
    "two of them are": (set(), [(ADA, {"finance"}), (CY, {"finance"})], {"finance"}, ADA),
    "the first does not cover it": (
        set(), [(replace(ADA, at_most=1, currency="eur"), {"finance"}), (CY, {"finance"})], {"finance"}, CY),
}  # fmt: skip


@pytest.mark.parametrize("name", COVERED)
def test_what_a_delegation_covers(name: str) -> None:
    delegation, case, covered = COVERED[name]
    assert delegation.covers(case) is covered


@pytest.mark.parametrize(("at", "in_force"), [(AT - HOUR, True), (AT + HOUR, False), (AT - 2 * HOUR, False)])
def test_it_is_in_force_from_its_beginning_until_before_its_end(at: dt.datetime, in_force: bool) -> None:
    assert ADA.in_force(at) is in_force


@pytest.mark.parametrize("name", CHOSEN)
def test_in_whose_place_somebody_votes(name: str) -> None:
    own, standing, asked, expected = CHOSEN[name]
    assert choose(own, standing, asked, REFUND) == expected


def test_votes_are_apart_where_nobody_stands_behind_two() -> None:
    ada, bo = (Vote(who, frozenset({"finance"}), "passkey", HOUR) for who in ("ada", "bo"))
    for_ada = replace(bo, on_behalf_of="ada")
    assert (apart([]), apart([ada, bo]), apart([for_ada])) == (True, True, True)
    assert (apart([ada, for_ada]), apart([bo, for_ada]), apart([bo, bo])) == (False, False, False)


PEOPLE = st.sampled_from("abcdef")
GROUP = st.sampled_from(["finance", "legal"])
GROUPS = st.frozensets(GROUP)
DELEGATIONS = st.lists(st.tuples(PEOPLE, PEOPLE).filter(lambda two: two[0] != two[1]), max_size=6)


def decide(
    turns: Sequence[str],
    groups: Mapping[str, frozenset[str]],
    given: Sequence[Given],
    asked: frozenset[str],
    case: Case,
) -> list[Vote]:
    """As `signoff` does it: whoever is a maker does not vote, and no person of a vote is in another."""
    votes: list[Vote] = []
    for who in turns:
        chosen = choose(
            groups[who], [(one, groups[one.delegator]) for one in given if one.delegate == who], asked, case
        )
        counted = groups[chosen.delegator if chosen else who] & asked
        vote = Vote(who, counted, "passkey", HOUR, on_behalf_of=chosen.delegator if chosen else "")
        if counted and vote.people.isdisjoint(case.makers) and apart([*votes, vote]):
            votes.append(vote)
    return votes


@given(
    st.lists(PEOPLE, max_size=12), st.fixed_dictionaries(dict.fromkeys("abcdef", GROUPS)), DELEGATIONS,
    st.frozensets(GROUP, min_size=1), st.frozensets(PEOPLE, max_size=2), st.integers(1, 3),
)  # fmt: skip
def test_nobody_counts_for_their_own_request_and_nobody_twice(
    turns: list[str], groups: dict[str, frozenset[str]], pairs: list[tuple[str, str]], asked: frozenset[str],
    makers: frozenset[str], count: int,
) -> None:  # fmt: skip
    delegations = [Given(delegator, delegate, AT, AT + HOUR) for delegator, delegate in dict(pairs).items()]
    case = replace(REFUND, makers=makers)
    votes = decide(turns, groups, delegations, asked, case)
    behind = [person for vote in votes for person in vote.people]
    assert makers.isdisjoint(behind)
    assert len(behind) == len(set(behind))
    for vote in votes:
        # What was given is the delegator's own, from whom it came: nothing is passed on.
        assert vote.groups <= groups[vote.on_behalf_of or vote.person]
        assert not vote.on_behalf_of or dict(pairs)[vote.on_behalf_of] == vote.person
    for group in asked:
        if fills([SlotSpec((Way(group, count),))], votes):
            standing = {
                vote.on_behalf_of or vote.person for vote in votes if group in groups[vote.on_behalf_of or vote.person]
            }
            assert len(standing - makers) >= count
