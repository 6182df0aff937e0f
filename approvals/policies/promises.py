"""Whether what a team promised itself can ever be allowed without a person."""

from collections.abc import Iterator, Mapping
from typing import Any

from approvals.policies.decide import decide
from approvals.policies.findings import Broken, Contradictory
from approvals.policies.reach import contradiction
from approvals.policies.rules import make_tests
from approvals.policies.subject import Subject
from approvals.policies.terms import Situation, matches


class Promises:
    def __init__(self, subject: Subject) -> None:
        self.all: list[Mapping[str, Any]] = subject.document.get("never", [])
        self._subject, search, reached = subject, subject.search, subject.read.reached
        allowing = [event for event, rule in zip(reached, subject.rules, strict=True) if rule.then == "allow"]
        self._allowed = search.literal(search.any_of(allowing))

    def broken(self, promise: Mapping[str, Any]) -> Iterator[Broken]:
        """By one example, of whichever rule."""
        search, world = self._subject.search, self._subject.world
        tests = world.tests(promise["when"], self._subject.document)
        assumed = [search.literal(matches(search, tests)), self._allowed]
        if not search.can_be(assumed):
            return
        situation, instance = self._subject.find(assumed, lambda one: self._breaks(promise, one))
        index, _ = self._subject.judge.first(situation, supposed=not instance.confirmed)
        asks_anyway = decide(self._subject.document, instance.question, covered=True).outcome != "allow"
        yield Broken(promise["id"], promise.get("label", ""), self._subject.rules[index].id, instance, asks_anyway)

    def contradictory(self, promise: Mapping[str, Any]) -> Iterator[Contradictory]:
        tests = self._subject.world.tests(promise["when"], self._subject.document)
        if asks := contradiction(self._subject.search, tests):
            yield Contradictory(promise["id"], asks, promise=True)

    def _breaks(self, promise: Mapping[str, Any], situation: Situation) -> bool:
        judge = self._subject.judge
        index, missing = judge.first(situation, supposed=False)
        tests = make_tests(promise["when"], self._subject.document)
        matched = all(test(judge.asked(situation)) is True for _, test in tests)
        return matched and not missing and self._subject.rules[index].then == "allow"
