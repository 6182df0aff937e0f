"""Where the policy will stop because a fact is missing: one example for each field, of an action with an effect."""

from collections.abc import Iterator
from typing import Any

import z3

from approvals.policies.conditions import fields_named
from approvals.policies.findings import Unknown
from approvals.policies.question import TOTAL
from approvals.policies.samples import total_key
from approvals.policies.subject import Subject
from approvals.policies.terms import Situation, Told


class Unknowns:
    def __init__(self, subject: Subject) -> None:
        self._subject, self._stops = subject, dict[str, list[Any]]()
        for index, tests in enumerate(subject.read.tests):
            for told in tests:
                if told.missing is not None:
                    self._see(index, told)
        self.fields = sorted(self._stops)
        self._effect = subject.search.literal(z3.Not(subject.world.terms["effect"].is_("read")))

    def of(self, field: str) -> Iterator[Unknown]:
        """Also what only an expression may be missing, unless it names nothing that could be missing: then only what it
        really could not tell."""
        subject = self._subject
        assumed = [subject.search.literal(subject.search.any_of(self._stops[field])), self._effect]
        if not subject.search.can_be(assumed):
            return
        situation, instance = subject.find(assumed, lambda one: field in self._lacking(one, supposed=False)[1])
        if instance.confirmed or field != "condition":
            index, _ = self._lacking(situation, supposed=not instance.confirmed)
            yield Unknown(field, subject.rules[index].id, instance)

    def _lacking(self, situation: Situation, *, supposed: bool) -> tuple[int, set[str]]:
        index, missing = self._subject.judge.first(situation, supposed=supposed)
        return index, self._subject.judge.lacking(index, situation, missing)

    def _see(self, index: int, told: Told) -> None:
        if told.of != "condition":
            self._add(told.of, index, told.missing)
            return
        source, missing = self._subject.document["rules"][index]["when"]["condition"], self._missing()
        named = {name: missing[name] for name in sorted(fields_named(source)) if name in missing}
        for name, unknown in named.items():
            self._add(name, index, z3.And(told.missing, unknown))
        self._add("condition", index, z3.And(told.missing, *(z3.Not(unknown) for unknown in named.values())))

    def _add(self, field: str, index: int, missing: Any) -> None:
        self._stops.setdefault(field, []).append(self._subject.read.stops(index, missing=[missing]))

    def _missing(self) -> dict[str, Any]:
        """By the name that a condition has for it: that it is not known."""
        terms, document = self._subject.world.terms, self._subject.document
        plain = ("amount", "counterparty", "environment", "on_behalf_of", "new_counterparty", "untrusted", "distance")
        found: dict[str, Any] = {name: terms[name].is_(None) for name in plain if name in terms}
        if "amount" in terms:
            found["currency"] = found["amount"]
        if "data" in terms:
            found["data"] = terms["data"].is_(False)
        for name in document.get("totals", {}):
            if (key := total_key(name, document)) in terms:
                found[TOTAL + name] = terms[key].is_(None)
        return found
