"""What is drawn to be looked at again."""

import random

from hypothesis import given
from hypothesis import strategies as st

from approvals.care.sampling import Candidate, draw, weight

PLAIN = Candidate("plain")
RISKIER = [
    Candidate("money", frozenset({"financial"})), Candidate("law", frozenset({"legal", "other"})),
    Candidate("gone", effect="destructive"), Candidate("final", final=True), Candidate("new", new=True),
    Candidate("amount", amount_minor=100),
]  # fmt: skip


def test_what_would_hurt_more_weighs_more_and_everything_something() -> None:
    assert weight(PLAIN) == 1.0
    assert [one.id for one in RISKIER if weight(one) <= weight(PLAIN)] == []
    assert weight(Candidate("back", amount_minor=-100)) == weight(RISKIER[-1])
    both = Candidate("both", frozenset({"security"}), new=True)
    assert weight(both) == weight(RISKIER[0]) * weight(RISKIER[4])


@given(st.integers(0, 30), st.integers(0, 12), st.integers(0))
def test_so_many_are_drawn_each_once(there: int, wanted: int, seed: int) -> None:
    candidates = [Candidate(str(number)) for number in range(there)]
    drawn = [one.id for one in draw(candidates, wanted, random.Random(seed))]
    assert (len(drawn), len(set(drawn))) == (min(there, wanted), min(there, wanted))


def test_the_chance_follows_the_weight() -> None:
    risky, chance = Candidate("risky", frozenset({"financial"}), final=True), random.Random(1)
    often = sum(draw([PLAIN, risky], 1, chance) == [risky] for _ in range(4_000))
    assert abs(often / 4_000 - 8 / 9) < 0.03
