"""A policy as people write it: YAML, checked as a whole before it counts for anything."""

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from approvals.policies.conditions import check_condition, fields_named
from approvals.policies.question import FIELDS, TOTAL
from approvals.policies.schema import SCHEMA
from console.core.canonical import digest
from console.core.documents import load
from console.core.errors import Invalid

OF_SIGNERS = ("signer_groups", "amount", "currency", "agent")  # what a condition on who signs may name


def parse(text: str) -> dict[str, Any]:
    """The document. Raises Invalid with a place; the last rule must match everything and must not allow."""
    document = load(text, SCHEMA)
    for place, check in _checks(document):
        try:
            check()
        except Invalid as error:
            raise Invalid(f"{place}: {error.text}") from None
    return document


def policy_digest(document: Mapping[str, Any]) -> bytes:
    return digest("countersign/policy/v1", document)


def fields_of(document: Mapping[str, Any]) -> list[str]:
    """What a condition in it may name."""
    return [*FIELDS, *(TOTAL + name for name in document.get("totals", {}))]


def _checks(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "zone", partial(_check_zone, document.get("zone", "UTC"))
    yield from _unique("rules", document["rules"])
    yield from _unique("never", document.get("never", []))
    for index, rule in enumerate(document["rules"]):
        yield from _check_when(f"rules.{index}.when", rule["when"], document)
        for number, slot in enumerate(rule.get("review", {}).get("slots", [])):
            if "where" in slot:
                yield f"rules.{index}.review.slots.{number}.where", partial(check_condition, slot["where"], OF_SIGNERS)
        yield f"rules.{index}", partial(_check_allowed, rule)
    for index, never in enumerate(document.get("never", [])):
        yield from _check_when(f"never.{index}.when", never["when"], document)
    yield f"rules.{len(document['rules']) - 1}", partial(_check_last, document["rules"][-1])


def _unique(place: str, listed: Collection[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    seen = set[str]()
    for index, one in enumerate(listed):
        yield f"{place}.{index}.id", partial(_check_new, one["id"], frozenset(seen))
        seen.add(one["id"])


def _check_new(name: str, seen: Collection[str]) -> None:
    if name in seen:
        raise Invalid(f"{name!r} is given twice")


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(f"{name!r} is no time zone, such as Europe/Berlin") from None


def _check_when(place: str, when: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in when.get("total", {}):
        yield f"{place}.total.{name}", partial(_check_total, name, document)
    for name in ("amount", "prior_actions", "distance"):
        yield f"{place}.{name}", partial(_check_range, when.get(name, {}))
    for name, limits in when.get("total", {}).items():
        yield f"{place}.total.{name}", partial(_check_range, limits)
    if "condition" in when:
        yield f"{place}.condition", partial(check_condition, when["condition"], fields_of(document))


def _check_total(name: str, document: Mapping[str, Any]) -> None:
    if name not in document.get("totals", {}):
        raise Invalid("there is no such total; totals are described at the beginning of the policy")


def _check_range(limits: Mapping[str, Any]) -> None:
    if limits.get("at_least", 0) > limits.get("at_most", float("inf")):
        raise Invalid("nothing is in this range")


def _check_allowed(rule: Mapping[str, Any]) -> None:
    when = rule["when"]
    named = (when.keys() - {"condition"}) | fields_named(when.get("condition", "true"))
    if rule["then"] == "allow" and named == {"distance"}:
        raise Invalid("how far it is from what was asked for is a hint, and by itself no reason to allow it")


def _check_last(rule: Mapping[str, Any]) -> None:
    if rule["when"] or rule["then"] not in ("deny", "review"):
        raise Invalid("the last rule must match everything, and deny or ask")
