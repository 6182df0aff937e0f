"""What the lab tells about a policy. Each finding says itself in plain English, as `text`."""

from collections.abc import Sequence
from dataclasses import dataclass

from approvals.policies.question import Question
from approvals.policies.strength import Strength

_PARTS = {
    "promises": "whether every promise is kept",
    "contradictions": "which rules contradict themselves",
    "rules": "which rules can never be reached",
    "unknowns": "where facts will be missing",
    "conflicts": "which rules stand before stricter ones",
    "changes": "what becomes laxer",
}
_MAYBE = "This may be: an expression decides it, and none was found to do so."


@dataclass(frozen=True, slots=True)
class Example:
    """`confirmed` is whether the policy itself, asked this question, answers as the finding says. Where it is not, an
    expression of the policy would have to be true, or not told, in a way that the lab cannot work out."""

    question: Question
    sentence: str
    confirmed: bool

    @property
    def text(self) -> str:
        return f"Such as: {self.sentence}." if self.confirmed else f"{_MAYBE} Such as: {self.sentence}."


@dataclass(frozen=True, slots=True)
class Unreachable:
    """`shadowed_by`: rules before it which together leave it nothing; without any of them they would leave something.
    They match first, or stop for want of a fact that is not known."""

    rule: str
    shadowed_by: tuple[str, ...]

    @property
    def text(self) -> str:
        verb = "answers" if len(self.shadowed_by) == 1 else "answer"
        return f"The rule {self.rule} is never reached: {listed(self.shadowed_by)} {verb} before it."


@dataclass(frozen=True, slots=True)
class Contradictory:
    """`asks` names the conditions that exclude each other, of a rule, or of a promise, which then promises nothing."""

    rule: str
    asks: tuple[str, ...]
    promise: bool = False

    @property
    def text(self) -> str:
        one = f"nothing fits its condition on {self.asks[0]}"
        why = f"its conditions on {listed(self.asks)} exclude each other" if len(self.asks) > 1 else one
        return f"The {'promise' if self.promise else 'rule'} {self.rule} can never match: {why}."


@dataclass(frozen=True, slots=True)
class Unknown:
    """An action with an effect which the rule stops, because `field` is not known: the admins are asked."""

    field: str
    rule: str
    instance: Example

    @property
    def text(self) -> str:
        missing = _MISSING.get(self.field) or f"the total {self.field.removeprefix('total_')} is not known"
        return f"Where {missing}, the rule {self.rule} asks the admins. {self.instance.text}"


_MISSING = {
    "amount": "the amount is not known",
    "currency": "the currency is not known",
    "counterparty": "the counterparty is not known",
    "new_counterparty": "it is not known whether the counterparty is new",
    "environment": "nobody has named its integration's environment",
    "on_behalf_of": "it is not known for whom it is",
    "data": "it is not known what data the run has read",
    "untrusted": "it is not known whether the run has read what outsiders wrote",
    "distance": "it is not known how far it is from what was asked for",
    "condition": "its expression cannot be told",
}


@dataclass(frozen=True, slots=True)
class Conflict:
    """What matches both is answered by `earlier`, the laxer one. Where it is an `exception`, the later rule would match
    everything that the earlier one does: mostly that is meant."""

    earlier: str
    later: str
    answers: Strength
    would: Strength
    exception: bool
    instance: Example

    @property
    def text(self) -> str:
        says = f"is {self.answers} by the rule {self.earlier}, and would be {self.would} by {self.later} further down"
        return f"What matches both {says}. {self.instance.text}"


@dataclass(frozen=True, slots=True)
class Laxer:
    """By the new rule, or `evaluator-error` where it stops for want of a fact."""

    rule: str
    before: Strength
    after: Strength
    instance: Example

    @property
    def text(self) -> str:
        return f"By the rule {self.rule}: was {self.before}, would be {self.after}. {self.instance.text}"


@dataclass(frozen=True, slots=True)
class Broken:
    """`asks_anyway`: what stands above every policy still asks a person about this example, though the policy itself
    would not."""

    promise: str
    label: str
    rule: str
    instance: Example
    asks_anyway: bool

    @property
    def text(self) -> str:
        named = f"{self.promise} ({self.label})" if self.label else self.promise
        above = " What stands above every policy would still ask a person." if self.asks_anyway else ""
        return f"The promise {named} is broken by the rule {self.rule}. {self.instance.text}{above}"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Nothing is known of what was not looked at: not that all is well there. `capped` where enough was found."""

    part: str
    looked_at: int
    of: int
    capped: bool = False

    @property
    def text(self) -> str:
        why = "There are perhaps more" if self.capped else "The time was over"
        return f"{why}: {_PARTS[self.part]} was looked at for {self.looked_at} of {self.of}."


@dataclass(frozen=True, slots=True)
class Findings:
    broken: tuple[Broken, ...] = ()
    contradictory: tuple[Contradictory, ...] = ()
    unreachable: tuple[Unreachable, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()

    @property
    def texts(self) -> list[str]:
        listed = (self.broken, self.contradictory, self.unreachable, self.unknown, self.conflicts, self.unfinished)
        return [one.text for some in listed for one in some]


@dataclass(frozen=True, slots=True)
class Changes:
    laxer: tuple[Laxer, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()

    @property
    def texts(self) -> list[str]:
        return [one.text for some in (self.laxer, self.unfinished) for one in some]


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
