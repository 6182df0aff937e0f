"""Who votes with whose groups: one's own, or those of somebody in whose place one signs for a time. Pure."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from approvals.policies.slots import Vote


@dataclass(frozen=True, slots=True)
class Case:
    """What of an action tells whether somebody may sign it in another's place."""

    makers: frozenset[str]
    amount_minor: int | None
    currency: str
    categories: frozenset[str]


@dataclass(frozen=True, slots=True)
class Given:
    """One person's word that another may sign in their place: in [begins, ends), up to an amount if there is one, and
    where categories are named for nothing that has others, or none."""

    delegator: str
    delegate: str
    begins: dt.datetime
    ends: dt.datetime
    at_most: int | None = None
    currency: str = ""
    categories: frozenset[str] = field(default=frozenset())

    def in_force(self, at: dt.datetime) -> bool:
        return self.begins <= at < self.ends

    def covers(self, case: Case) -> bool:
        """Neither of the two has made it: nobody's own request is signed by whom they named, or for them."""
        return (
            case.makers.isdisjoint({self.delegator, self.delegate})
            and self._covers_amount(case)
            and (not self.categories or frozenset() < case.categories <= self.categories)
        )

    def _covers_amount(self, case: Case) -> bool:
        """With a cap nothing whose amount is unknown, or in another currency."""
        if self.at_most is None:
            return True
        return case.amount_minor is not None and 0 <= case.amount_minor <= self.at_most and (
            case.currency == self.currency
        )  # fmt: skip


def choose(
    own: Collection[str], standing: Sequence[tuple[Given, Collection[str]]], asked: Collection[str], case: Case
) -> Given | None:
    """In whose place somebody votes where these groups are asked, None for their own. `standing` are those in force
    with the delegators' groups. Never by a look at the votes: who would otherwise sign for somebody else than a minute
    ago would learn of one. Whoever is asked themself votes for themself; and nobody passes on what was given to them,
    as the groups that count are the delegator's own."""
    if not frozenset(own).isdisjoint(asked):
        return None
    fit = (given for given, groups in standing if not frozenset(groups).isdisjoint(asked) and given.covers(case))
    return next(fit, None)


def apart(votes: Iterable[Vote]) -> bool:
    """Whether nobody stands behind two of them, be it by themself or by another."""
    people = [person for vote in votes for person in vote.people]
    return len(people) == len(set(people))
