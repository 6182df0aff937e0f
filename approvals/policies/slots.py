"""Whose signatures a review needs, and whether some votes are enough. Pure.

All slots have to be filled. A slot is filled in any one of its ways: so many people of one group, some ways only after
a time. Each person fills one place.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

LEVELS = ("session", "password", "passkey", "device")  # each is also what the ones before it are
SIGNATURES = LEVELS[1:]
STATES = ("amount", "counterparty")  # what a reviewer may have to state in their own words
SEPARATIONS = ("earlier_signers",)  # of the same run
MOST_RAISED = 5  # people of one group: whoever asks for more than that is not asked for still more


@dataclass(frozen=True, slots=True)
class Way:
    group: str
    count: int = 1
    after: dt.timedelta = dt.timedelta()  # the opening of the review


@dataclass(frozen=True, slots=True)
class SlotSpec:
    """`refusals` is how many of them refuse the whole; `blind` hides votes until all slots are closed."""

    ways: tuple[Way, ...]
    refusals: int = 1
    blind: bool = True
    signature: str = "passkey"
    separation: tuple[str, ...] = ()
    where: str = ""  # a condition on who signs
    authenticators: tuple[str, ...] = ()  # AAGUIDs of the models that may sign; any where there are none
    proofed: bool = False  # only people whose identity was seen

    def __str__(self) -> str:
        """`2 of finance, or 1 of directors`: of those who are asked from the beginning."""
        return ", or ".join(f"{way.count} of {way.group}" for way in self.ways if not way.after)

    @property
    def groups(self) -> frozenset[str]:
        """Whoever may be asked, now or later."""
        return frozenset(way.group for way in self.ways)

    @property
    def choice(self) -> tuple[str, tuple[str, ...]]:
        """What it asks of its signers that is known only while they sign."""
        return self.where, self.separation

    @property
    def choosy(self) -> bool:
        return any(self.choice)

    @property
    def document(self) -> dict[str, Any]:
        """As it is stored; `read_slot` gives it back."""
        return {
            "ways": [{"group": way.group, "count": way.count, "after_minutes": way.after // dt.timedelta(minutes=1)}
                     for way in self.ways],
            "refusals": self.refusals,
            "blind": self.blind,
            "signature": self.signature,
            "separation": list(self.separation),
            "where": self.where,
            **({"authenticators": list(self.authenticators)} if self.authenticators else {}),
            **({"proofed": True} if self.proofed else {}),
        }  # fmt: skip

    def asks_later(self, since: dt.timedelta) -> list[dt.timedelta]:
        """When more of its groups are asked, after so long a time."""
        return sorted(way.after for way in self.ways if way.after > since)


@dataclass(frozen=True, slots=True)
class Requirement:
    """`evidence` names what has to be opened before approving, `states` the facts that are stated before the agent's
    words are shown."""

    slots: tuple[SlotSpec, ...]
    expires: dt.timedelta = dt.timedelta(hours=4)
    evidence: tuple[str, ...] = ()
    states: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; and ".join(map(str, self.slots))

    @property
    def document(self) -> dict[str, Any]:
        """As it is stored with a ruling; `read_requirement` gives it back."""
        return {
            "slots": [slot.document for slot in self.slots],
            "expires_minutes": self.expires // dt.timedelta(minutes=1),
            "evidence": list(self.evidence),
            "states": list(self.states),
        }


def one_more(requirement: Requirement) -> Requirement:
    """One signature more than it asks for, in each way to fill its first slot."""
    first, *rest = requirement.slots
    ways = tuple(replace(way, count=min(way.count + 1, max(way.count, MOST_RAISED))) for way in first.ways)
    return replace(requirement, slots=(replace(first, ways=ways), *rest))


def read_slot(stored: Mapping[str, Any]) -> SlotSpec:
    ways = (Way(way["group"], way["count"], dt.timedelta(minutes=way["after_minutes"])) for way in stored["ways"])
    return SlotSpec(
        tuple(ways), stored["refusals"], stored["blind"], stored["signature"], tuple(stored["separation"]),
        stored["where"], tuple(stored.get("authenticators", ())),
        stored.get("proofed", False),
    )  # fmt: skip


def read_requirement(stored: Mapping[str, Any]) -> Requirement:
    return Requirement(
        tuple(map(read_slot, stored["slots"])), dt.timedelta(minutes=stored["expires_minutes"]),
        tuple(stored["evidence"]), tuple(stored["states"]),
    )  # fmt: skip


def at_least(wanted: str, level: str) -> bool:
    return LEVELS.index(level) >= LEVELS.index(wanted)


@dataclass(frozen=True, slots=True)
class Vote:
    """An approval: who gave it, for which groups it counts, how it was signed, how long after the opening, with which
    model of authenticator, "" where that does not count, whether it is known who they are, in whose place, if in
    another's, and what the slot asked that it was given for."""

    person: str
    groups: frozenset[str]
    level: str
    since: dt.timedelta
    model: str = ""
    proofed: bool = False
    on_behalf_of: str = ""
    asked: SlotSpec | None = None

    @property
    def people(self) -> frozenset[str]:
        """Who has used up their one vote."""
        return frozenset({self.person, self.on_behalf_of} - {""})


def fills(slots: Sequence[SlotSpec], votes: Collection[Vote]) -> bool:
    """Whether the votes are enough for all the slots at once, whichever slot each was given for; but a choosy one takes
    those alone that were given for it."""
    return any(_all_placed(list(places), votes) for places in product(*(_places(slot) for slot in slots)))


def _places(slot: SlotSpec) -> Iterator[list[tuple[SlotSpec, Way]]]:
    """For each way to fill it, the places that it has."""
    for way in slot.ways:
        yield [(slot, way)] * way.count


def _all_placed(taken: Iterable[Sequence[tuple[SlotSpec, Way]]], votes: Collection[Vote]) -> bool:
    """By augmenting paths: each place gets a person of its own, moving others on where that makes room."""
    places = [place for places in taken for place in places]
    holder: dict[str, int] = {}  # by person: the place they fill

    def place(index: int, tried: set[str]) -> bool:
        for vote in votes:
            if vote.person in tried or not _fits(vote, *places[index]):
                continue
            tried.add(vote.person)
            if vote.person not in holder or place(holder[vote.person], tried):
                holder[vote.person] = index
                return True
        return False

    return all(place(index, set()) for index in range(len(places)))


def _fits(vote: Vote, slot: SlotSpec, way: Way) -> bool:
    right = way.group in vote.groups and way.after <= vote.since and at_least(slot.signature, vote.level)
    known = vote.proofed or not slot.proofed
    chosen = not slot.choosy or (vote.asked is not None and vote.asked.choice == slot.choice)
    return right and known and chosen and (not slot.authenticators or vote.model in slot.authenticators)


@dataclass(frozen=True, slots=True)
class Tally:
    """How one slot stands. `closed` is "" while more votes are wanted."""

    approvals: int
    refusals: int
    closed: str


def tally(slot: SlotSpec, approvals: Collection[Vote], refusals: Collection[Vote]) -> Tally:
    """A refusal closes a blind slot only when as many have voted as could have filled it, however they signed."""
    refused, enough = len(refusals) >= slot.refusals, fills([slot], approvals)
    closed = "refused" if refused else "approved" if enough else ""
    anyhow = replace(slot, signature=LEVELS[0], authenticators=(), proofed=False, where="", separation=())
    if slot.blind and not fills([anyhow], [*approvals, *refusals]):
        closed = ""
    return Tally(len(approvals), len(refusals), closed)


def keep_secrets(slots: Sequence[SlotSpec]) -> bool:
    """Whether there may be votes on an open review of which those who are asked must not learn: where one slot is
    blind, and the first vote does not end it all."""
    several = len(slots) > 1 or any(slot.refusals > 1 or any(way.count > 1 for way in slot.ways) for slot in slots)
    return several and any(slot.blind for slot in slots)


def outcome(slots: Sequence[tuple[SlotSpec, Tally]]) -> str:
    """Of the review: "" while it stays open. A refusal ends it at once only where no slot is blind and still open:
    its end would tell those who are asked there."""
    if any(slot.blind and not counted.closed for slot, counted in slots):
        return ""
    if any(counted.closed == "refused" for _, counted in slots):
        return "refused"
    return "approved" if all(counted.closed == "approved" for _, counted in slots) else ""
