"""Examples of what the solver says can be, which the policy itself confirms where its expressions do."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import z3

from approvals.policies.conditions import evaluate, fields_named
from approvals.policies.question import FIELDS, TOTAL, Question
from approvals.policies.rules import make_rules
from approvals.policies.samples import condition_key, total_key
from approvals.policies.search import OutOfTime
from approvals.policies.situations import question_of
from approvals.policies.terms import Situation, World

MOST_TRIES = 20  # until an example is given as one that may be


class Judge:
    """A document that answers about situations: as it really does, or with its expressions supposed to be as the
    situation has them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document, self.rules = document, make_rules(document)
        self._last: tuple[Situation, Question] | None = None  # a situation is asked about of one rule after the other

    def asked(self, situation: Situation) -> Question:
        if self._last is None or self._last[0] is not situation:
            self._last = situation, question_of(situation, self.document)
        return self._last[1]

    def matches(self, index: int, situation: Situation, *, supposed: bool) -> tuple[bool, list[str]]:
        if not supposed:
            return self.rules[index].matches(self.asked(situation))
        told = self._told(index, situation, self.asked(situation))
        missing = [name for name, answer in told.items() if answer is None]
        return all(told.values()), [] if False in told.values() else missing

    def first(self, situation: Situation, *, supposed: bool) -> tuple[int, list[str]]:
        """The rule that answers, or stops for what is missing."""
        for index in range(len(self.rules)):
            matches, missing = self.matches(index, situation, supposed=supposed)
            if matches or missing:
                return index, missing
        raise AssertionError("the last rule matches everything")

    def lacking(self, index: int, situation: Situation, missing: Sequence[str]) -> set[str]:
        """The fields that these tests of the rule could not be told for."""
        found = set[str]()
        for name in missing:
            if name != "its condition":
                found.add(name.removeprefix("the ").replace("total ", TOTAL))
                continue
            source = self.document["rules"][index]["when"]["condition"]
            asked = self.asked(situation)
            found |= {one for one in fields_named(source) if value_of(asked, one) is None} or {"condition"}
        return found

    def _told(self, index: int, situation: Situation, asked: Question) -> dict[str, bool | None]:
        when = self.document["rules"][index]["when"]
        told = {name: test(asked) for name, test in self.rules[index].tests if name != "its condition"}
        if "condition" in when:
            told["its condition"] = situation[condition_key(when["condition"], self.document)]
        return told


def value_of(asked: Question, name: str) -> Any:
    return FIELDS[name][1](asked) if name in FIELDS else asked.counted.get(name)


def find_example(
    world: World, assumed: Sequence[Any], confirms: Callable[[Situation], object]
) -> tuple[Situation, bool]:
    """What is assumed can be. A situation of it, and whether it was confirmed. Where an expression does not answer as
    the solver supposed, the solver is told how it does, of this situation only, and asked again."""
    first: Situation | None = None
    with world.search.for_now():
        try:
            for _ in range(MOST_TRIES):
                world.search.wished(assumed, world.usual)
                situation = world.situation()
                first = first or situation
                if confirms(situation):
                    return situation, True
                world.search.always(*_corrections(world, situation))
                if not world.search.can_be(assumed):
                    break
        except OutOfTime:
            if first is None:
                raise
    assert first is not None
    return first, False


def _corrections(world: World, situation: Situation) -> Iterator[Any]:
    for key, (source, document) in world.conditions.items():
        asked = question_of(situation, document)
        values = {name: value_of(asked, name) for name in sorted(fields_named(source))}
        answer = evaluate(source, values)
        if answer is not situation[key]:
            names = _terms(world, _deciding(source, values, answer), document)
            differs = [z3.Not(world.terms[name].is_(situation[name])) for name in names]
            yield z3.Or(*differs, world.terms[key].is_(answer))


def _deciding(source: str, values: Mapping[str, Any], answer: bool | None) -> list[str]:
    """Fields of which the answer alone comes: without the others it is the same, so it is whatever they are."""
    kept = dict(values)
    for name in values:
        without = {other: value for other, value in kept.items() if other != name}
        if answer is not None and evaluate(source, without) is answer:
            kept = without
    return list(kept)


def _terms(world: World, fields: Iterable[str], document: Mapping[str, Any]) -> list[str]:
    """What these fields of an expression are made of."""
    found = set[str]()
    for name in fields:
        if name.startswith(TOTAL):
            found.add(total_key(name.removeprefix(TOTAL), document))
        elif name in ("categories", "data", "prior_operations"):
            found |= {term for term in world.terms if term.partition(" ")[0] == name}
        else:
            found |= {"currency": {"currency", "amount"}, "integration": {"operation"}}.get(name, {name})
    return sorted(found & world.terms.keys())
