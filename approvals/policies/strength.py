"""How strict an answer is: what it takes until an action is sent. Pure.

Who signs is not compared, only how many and how: one of finance is not stricter than one of the board.
"""

from dataclasses import dataclass

from approvals.policies.slots import SIGNATURES, Requirement, SlotSpec, at_least

_STRICTER = ("allow", "review", "defer", "deny")


@dataclass(frozen=True, slots=True)
class Strength:
    """`signatures`: of a review, how many have to be at least a password, a passkey, a passkey of one device; `models`:
    how many of them of a model that is named, and `proofed` by somebody whose identity was seen. `first` is what each
    of them does before they approve, in words."""

    outcome: str
    signatures: tuple[int, ...] = ()
    models: int = 0
    proofed: int = 0
    first: frozenset[str] = frozenset()

    def is_laxer_than(self, other: "Strength") -> bool:
        """Two reviews may each be laxer than the other: two passwords, and one passkey."""
        if self.outcome != other.outcome:
            return _STRICTER.index(self.outcome) < _STRICTER.index(other.outcome)
        fewer = any(mine < theirs for mine, theirs in zip(self.signatures, other.signatures, strict=True))
        less = self.models < other.models or self.proofed < other.proofed or not other.first <= self.first
        return fewer or less

    def __str__(self) -> str:
        if self.outcome != "review":
            return {"allow": "allowed", "defer": "deferred", "deny": "denied"}[self.outcome]
        several = self.signatures[0]
        named = f", {self.models} by named models" * bool(self.models)
        named += f", {self.proofed} by people whose identity was seen" * bool(self.proofed)
        levels = [level for level, count in zip(SIGNATURES, self.signatures, strict=True) if count]
        said = f"{several} signature{'s' if several > 1 else ''}"
        first = f", once {' and '.join(sorted(self.first))}" * bool(self.first)
        if self.signatures[SIGNATURES.index(levels[-1])] == several:
            return f"reviewed, by {said} ({levels[-1]}{named}){first}"
        return f"reviewed, by {said} ({', '.join(self._so_many(level) for level in reversed(levels))}{named}){first}"

    def _so_many(self, level: str) -> str:
        """Of exactly this level."""
        at = SIGNATURES.index(level)
        stronger = self.signatures[at + 1] if at + 1 < len(SIGNATURES) else 0
        return f"{self.signatures[at] - stronger} {level}"


def strength(outcome: str, requirement: Requirement | None = None) -> Strength:
    if requirement is None:
        return Strength(outcome)
    signatures = tuple(
        sum(_fewest(slot) for slot in requirement.slots if at_least(level, slot.signature)) for level in SIGNATURES
    )
    models = sum(_fewest(slot) for slot in requirement.slots if slot.authenticators)
    proofed = sum(_fewest(slot) for slot in requirement.slots if slot.proofed)
    opened = {f"“{title}” is opened" for title in requirement.evidence}
    stated = {f"the {name} is stated" for name in requirement.states}
    return Strength(outcome, signatures, models, proofed, frozenset(opened | stated))


def _fewest(slot: SlotSpec) -> int:
    return min(way.count for way in slot.ways)
