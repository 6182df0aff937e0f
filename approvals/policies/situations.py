"""A situation as a question that can really be asked, and as a sentence."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from approvals.policies.question import TOTAL, Question
from approvals.policies.samples import total_key
from approvals.policies.terms import Situation
from console.core.text import money
from integrations.models import CATEGORIES

ANY_TIME = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
_A = {"read": "A read of", "write": "A write of", "destructive": "A destructive call of"}


def question_of(situation: Situation, document: Mapping[str, Any]) -> Question:
    """As the policy would be asked. What no policy asks about stays as if nothing were known."""
    amount = situation.get("amount")
    return Question(
        integration=situation["operation"].partition(".")[0],
        operation=situation["operation"],
        workflow=situation["workflow"],
        effect=situation["effect"],
        categories=frozenset(name for name in CATEGORIES if situation.get(f"categories {name}")),
        trust=situation["trust"],
        idempotency=situation["idempotency"],
        amount_minor=amount,
        currency="" if amount is None else situation["currency"],
        agent=situation["agent"],
        counterparty=situation.get("counterparty") or "",
        environment=situation.get("environment") or "",
        on_behalf_of=situation.get("on_behalf_of") or "",
        counted=_counted(situation, document),
        at=situation.get("at", ANY_TIME),
    )


def _counted(situation: Situation, document: Mapping[str, Any]) -> dict[str, Any]:
    counted = {name: situation[name] for name in ("new_counterparty", "untrusted", "distance") if name in situation}
    if "data" in situation:
        counted["data"] = _chosen("data", situation) if situation["data"] else None
    if "prior_actions" in situation:
        counted["prior_operations"] = prior = _chosen("prior_operations", situation)
        counted["prior_actions"] = max(situation["prior_actions"], len(prior))  # both stand for the same range
    for name in document.get("totals", {}):
        if (key := total_key(name, document)) in situation:
            counted[TOTAL + name] = situation[key]
    return counted


def _chosen(kind: str, situation: Situation) -> frozenset[str]:
    return frozenset(name.partition(" ")[2] for name, told in situation.items() if name.startswith(f"{kind} ") and told)


def sentence(asked: Question, situation: Situation, document: Mapping[str, Any]) -> str:
    """Says what some policy asks about, and nothing else."""
    return ", ".join(_parts(asked, situation, document))


def _parts(asked: Question, situation: Situation, document: Mapping[str, Any]) -> Iterator[str]:
    by = (
        f" by the agent {asked.agent}"
        if asked.agent
        else f" by the workflow {asked.workflow}"
        if asked.workflow
        else ""
    )
    yield f"{_A[asked.effect]} {asked.operation}{by}"
    if "amount" in situation:
        yield "of no known amount" if asked.amount_minor is None else money(asked.amount_minor, asked.currency)
    if "counterparty" in situation:
        yield _counterparty(asked)
    if "environment" in situation:
        yield f"in {asked.environment or 'an environment that nobody has named'}"
    if "on_behalf_of" in situation:
        yield f"for {asked.on_behalf_of or 'nobody who is known'}"
    if asked.categories:
        yield " and ".join(sorted(asked.categories)).replace("_", " ")
    if asked.trust != "reviewed":
        yield f"with a description that is {asked.trust}"
    if asked.idempotency != "native_key":
        yield f"with the idempotency {asked.idempotency}"
    yield from _read(asked.counted)
    if "distance" in asked.counted:
        away = asked.counted["distance"]
        yield f"{'not known how far' if away is None else f'{away} of 100'} away from what was asked for"
    for name, total in document.get("totals", {}).items():
        if TOTAL + name in asked.counted:
            yield _total(name, total, asked.counted[TOTAL + name])
    if "at" in situation:
        yield f"on {asked.at.astimezone(ZoneInfo(document.get('zone', 'UTC'))):%A at %H:%M}"


def _counterparty(asked: Question) -> str:
    if not asked.counterparty:
        return "with no known counterparty"
    new = "new" if asked.counted.get("new_counterparty") else "known"
    return f"to a {new} counterparty ({asked.counterparty})"


def _read(counted: Mapping[str, Any]) -> Iterator[str]:
    if counted.get("data", ()) is None:
        yield "after reading data of unknown classes"
    elif classes := sorted(counted.get("data", ())):
        yield f"after reading data ({', '.join(classes)})"
    if counted.get("untrusted", False) is None:
        yield "perhaps after reading what outsiders wrote"
    elif counted.get("untrusted"):
        yield "after reading what outsiders wrote"
    if "prior_actions" in counted:
        named = "".join(f", {name} among them" for name in sorted(counted["prior_operations"]))
        yield f"after {counted['prior_actions']:,} other actions of its run{named}"


def _total(name: str, total: Mapping[str, Any], value: int | None) -> str:
    if value is None:
        return f"with no known total {name}"
    return f"with a total {name} of {money(value, total['sum']) if 'sum' in total else value}"
