"""How somebody reviews, from how their votes came to be. Pure."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from zoneinfo import ZoneInfo

CHARACTERS_A_SECOND = 25  # of somebody who reads fast: some 300 words a minute
DAY = range(7, 20)  # hours that are neither early nor late


@dataclass(frozen=True, slots=True)
class Voted:
    """One vote in a review that is over. `others` judged the same in a blind slot, and `differing` of them otherwise;
    `done` and `taken_back` are of what was approved."""

    verdict: str
    at: dt.datetime
    dwell_ms: int | None
    characters: int
    unfolded: bool
    missed: int = 0
    others: int = 0
    differing: int = 0
    done: bool = False
    taken_back: bool = False

    @property
    def reading_ms(self) -> int:
        return self.characters * 1_000 // CHARACTERS_A_SECOND

    @property
    def hasty(self) -> bool:
        """In less than half of the time that reading takes, or without the page."""
        return self.dwell_ms is None or self.dwell_ms * 2 < self.reading_ms


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    part: int
    of: int

    @property
    def percent(self) -> int:
        return round(100 * self.part / self.of) if self.of else 0

    def __str__(self) -> str:
        return f"{self.part:,} of {self.of:,}" if self.of else "none yet"


NO_DRILLS = Share(0, 0)


@dataclass(frozen=True, slots=True)
class Habits:
    """`dwell` and `reading` are medians in seconds; `streak` is the most approvals in a row."""

    votes: int
    approvals: int
    dwell: float | None
    reading: float
    hasty: Share
    unopened: Share
    streak: int
    differing: Share
    taken_back: Share
    missed: int
    late: Share
    drills: Share

    @property
    def refusals(self) -> int:
        return self.votes - self.approvals


def habits(votes: Sequence[Voted], zone: str, drills: Share = NO_DRILLS) -> Habits:
    """In the order in which they were given; `zone` is the reviewer's own, `drills` those that they judged rightly."""
    approved = [vote for vote in votes if vote.verdict == "approve"]
    dwells = [vote.dwell_ms for vote in votes if vote.dwell_ms is not None]
    at_home = ZoneInfo(zone)
    return Habits(
        votes=len(votes),
        approvals=len(approved),
        dwell=median(dwells) / 1_000 if dwells else None,
        reading=median(vote.reading_ms for vote in votes) / 1_000 if votes else 0.0,
        hasty=_share(vote.hasty for vote in approved),
        unopened=_share(not vote.unfolded for vote in approved),
        streak=longest_streak(vote.verdict for vote in votes),
        differing=Share(sum(vote.differing for vote in votes), sum(vote.others for vote in votes)),
        taken_back=_share(vote.taken_back for vote in approved if vote.done),
        missed=sum(vote.missed for vote in votes),
        drills=drills,
        late=_share(vote.at.astimezone(at_home).hour not in DAY for vote in votes),
    )


def _share(told: Iterable[bool]) -> Share:
    each = list(told)
    return Share(sum(each), len(each))


def longest_streak(verdicts: Iterable[str]) -> int:
    longest = now = 0
    for verdict in verdicts:
        now = now + 1 if verdict == "approve" else 0
        longest = max(longest, now)
    return longest
