"""A rule as people would say it. Pure; from the document, so that it says what the rule says and nothing else."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from approvals.policies.rules import requirement
from approvals.policies.slots import Requirement, SlotSpec
from console.core.text import given_time, money

_PHRASES = {
    "integration": "{}", "operation": "{}", "workflow": "by the workflow {}", "agent": "by the agent {}",
    "effect": "effect {}", "categories": "{}", "trust": "description {}", "idempotency": "repeats told by {}",
    "counterparty": "with {}", "data": "after {} data was read",
    "environment": "in {}", "on_behalf_of": "for {}", "prior_operations": "after {} in the same run",
}  # fmt: skip
_THEN = {"allow": "Allowed", "deny": "Denied"}
_SHORT = 60  # characters of a value
_BY = {"device": "a passkey that stays on its device", "passkey": "a passkey", "password": "a password or passkey"}


def when_in_words(when: Mapping[str, Any]) -> str:
    """What all has to hold: `Financial, at most €50.00`."""
    said = ", ".join(part for name, wanted in when.items() for part in _condition(name, wanted))
    names = next(iter(when), "") in ("operation", "integration")  # which are written as they are
    return (said if names else said[:1].upper() + said[1:]) or "Everything else"


def then_in_words(rule: Mapping[str, Any]) -> str:
    if rule["then"] == "modify":
        return f"Changed: {', '.join(_changes(rule['modify']))}; then asked again"
    if rule["then"] == "defer":
        given = given_time(dt.timedelta(minutes=rule["defer"].get("minutes", 60)))
        return f"Deferred for {given} at most, until this is there: {rule['defer']['missing']}"
    if rule["then"] != "review":
        return _THEN[rule["then"]]
    wanted = requirement(rule["review"])
    slots = "; and ".join(f"{slot} by {_BY[slot.signature]}{_of_signers(slot)}" for slot in wanted.slots)
    return f"{slots}, within {given_time(wanted.expires)}{_first(wanted)}"


def _first(wanted: Requirement) -> str:
    """What each of them does before approving."""
    parts = [f"opened {_and([f'“{title}”' for title in wanted.evidence])}"] if wanted.evidence else []
    parts += [f"stated the {_and(wanted.states)}"] if wanted.states else []
    return f", having {_and(parts)}" if parts else ""


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)


def _changes(told: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{name} at most {most}" for name, most in told.get("cap", {}).items())
    yield from (f"without {name}" for name in told.get("drop", ()))
    for name, value in told.get("set", {}).items():
        said = json.dumps(value, ensure_ascii=False)
        yield f"{name} is {said if len(said) <= _SHORT else said[: _SHORT - 1] + '…'}"


def _of_signers(slot: SlotSpec) -> str:
    models = " of a named model" if slot.authenticators else ""
    return f"{models}{', identity seen' * slot.proofed}{' (blind)' * _shows_blind(slot)}"


def _shows_blind(slot: SlotSpec) -> bool:
    return slot.blind and any(way.count > 1 for way in slot.ways)


def _condition(name: str, wanted: Any) -> Iterator[str]:
    match name:
        case "amount":
            said = _between("", wanted, lambda minor: money(minor, wanted["currency"]))
            yield said or f"in {wanted['currency'].upper()}"
        case "total":
            for total, limits in wanted.items():
                yield _between(f"total {total} ", limits, "{:,}".format)
        case "prior_actions":
            yield _between("after ", wanted, "{:,} actions of the same run".format) or "whatever was done before"
        case "distance":
            said = _between("", wanted, str)
            yield f"{said} of 100 away from what was asked for" if said else "however far from what was asked for"
        case "new_counterparty":
            yield "with somebody new" if wanted else "with somebody known"
        case "untrusted":
            yield f"after {'' if wanted else 'nothing but trusted '}words {'of outsiders ' * wanted}were read"
        case "time":
            yield _time(wanted)
        case "condition":
            yield f"such that {wanted}"
        case _:
            yield _PHRASES[name].format(_or(wanted))


def _or(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _between(word: str, limits: Mapping[str, Any], say: Any) -> str:
    match limits.get("at_least"), limits.get("at_most"):
        case None, None:
            return ""
        case None, most:
            return f"{word}at most {say(most)}"
        case least, None:
            return f"{word}at least {say(least)}"
        case least, most:
            return f"{word}{say(least)} to {say(most)}"
    return ""


def _time(told: Mapping[str, Any]) -> str:
    days = f"on {_or(told['days'])}" if "days" in told else ""
    hours = f"between {told['from']} and {told['until']}" if "from" in told else ""
    return " ".join(filter(None, (days, hours)))
