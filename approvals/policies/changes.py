"""What a new document lets through more easily than the old one: by each new rule, one example."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import z3

from approvals.policies.decide import EVALUATOR_ERROR, FALLBACK, Answer, decide
from approvals.policies.findings import Laxer
from approvals.policies.situations import question_of
from approvals.policies.strength import Strength, strength
from approvals.policies.subject import Subject
from approvals.policies.terms import Situation, World

_ADMINS = strength("review", FALLBACK)


class Event(NamedTuple):
    """One way in which a document answers: by a rule, or by stopping. `above` is how strict that is where what stands
    above every policy asks a person too."""

    rule: str
    happens: Any  # z3
    plain: Strength

    @property
    def above(self) -> Strength:
        return _ADMINS if self.plain.outcome == "allow" else self.plain


class Comparison:
    def __init__(self, world: World, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> None:
        self._world, self._search, self._old = world, world.search, Subject(world, old) if old is not None else None
        self._new, search = Subject(world, new), world.search
        self.events = _events(self._new)
        before = _events(self._old) if self._old else [Event("no-policy", search.true, Strength("deny"))]
        self._before = {
            plain: search.literal(search.any_of(one.happens for one in before if one.plain == plain))
            for plain in {one.plain: None for one in before}
        }
        above = _asked_above(world)
        self._above, self._below = search.literal(above), search.literal(z3.Not(above))

    def laxer(self, event: Event) -> Iterator[Laxer]:
        for side in (self._below, self._above):
            assumed = [event.happens, side, self._was_stricter(event, above=side is self._above)]
            if self._search.can_be(assumed):
                yield self._finding(event, assumed)
                return

    def _was_stricter(self, event: Event, *, above: bool) -> Any:
        arms = [happened for plain, happened in self._before.items()
                if _of(event, above=above).is_laxer_than(_of(Event("", None, plain), above=above))]  # fmt: skip
        return self._search.literal(self._search.any_of(arms))

    def _finding(self, event: Event, assumed: Sequence[Any]) -> Laxer:
        situation, instance = self._new.find(assumed, lambda one: self._confirms(event, one))
        if instance.confirmed:
            before, after = self._asked(self._old, situation), self._asked(self._new, situation)
            return Laxer(event.rule, _strength(before), _strength(after), instance)
        return Laxer(event.rule, self._supposed(self._old, situation), self._supposed(self._new, situation), instance)

    def _confirms(self, event: Event, situation: Situation) -> bool:
        before, after = self._asked(self._old, situation), self._asked(self._new, situation)
        return after.rule == event.rule and _strength(after).is_laxer_than(_strength(before))

    def _asked(self, subject: Subject | None, situation: Situation) -> Answer:
        document = (subject or self._new).document
        return decide(subject.document if subject else None, question_of(situation, document), covered=True)

    def _supposed(self, subject: Subject | None, situation: Situation) -> Strength:
        if subject is None:
            return Strength("deny")
        index, missing = subject.judge.first(situation, supposed=True)
        plain = _ADMINS if missing else subject.strength(index)
        return _of(Event("", None, plain), above=_is_asked_above(situation))


def _of(event: Event, *, above: bool) -> Strength:
    return event.above if above else event.plain


def _strength(answer: Answer) -> Strength:
    return strength(answer.outcome, answer.requirement)


def _events(subject: Subject) -> list[Event]:
    read, indexes = subject.read, range(len(subject.rules))
    answers = [Event(subject.rules[index].id, read.reached[index], subject.strength(index)) for index in indexes]
    stops = [read.stops(index) for index in indexes if any(told.missing is not None for told in read.tests[index])]
    return [*answers, Event(EVALUATOR_ERROR, subject.search.literal(subject.search.any_of(stops)), _ADMINS)]


def _asked_above(world: World) -> Any:
    """As `decide` has it, of what a mandate covers."""
    term = world.terms
    unsure = z3.Or(term["idempotency"].among({"none", "unknown"}), term["trust"].is_("imported"))
    return z3.And(z3.Not(term["effect"].is_("read")), unsure)


def _is_asked_above(situation: Situation) -> bool:
    unsure = situation["idempotency"] in {"none", "unknown"} or situation["trust"] == "imported"
    return unsure and bool(situation["effect"] != "read")
