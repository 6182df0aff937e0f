"""What an observed agent did, and what would have become of it: now, and by the grants and the policy proposed here."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from approvals.authority import current_policy, question
from approvals.policies.decide import decide
from console.agents.models import Agent
from console.core.clock import now
from console.shadow.judge import OF
from console.shadow.models import VERDICTS, Observation
from console.shadow.propose import propose_limits, propose_policy
from integrations.limits import check_limits
from integrations.models import Operation

DAYS = (1, 7, 30)
MOST = 5_000  # calls, the newest
SAMPLES = 3
PLACES = 50
WITHOUT_GRANT = ("not_granted", "beyond_grant")  # what another grant would make right
WORDS = {
    "not_granted": "not granted",
    "beyond_grant": "beyond its grant",
    "quarantined": "its description has changed, and an admin has to look first",
    "invalid_arguments": "its arguments do not fit the description",
    "denied": "denied by the policy",
    "ambiguous_request": "could be read in two ways",
    "not_understood": "does not fit the description",
    "not_copied": "its body was not copied, so nobody can tell",
    "no_operation": "no operation is described for it",
    "no_integration": "no system is connected there",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One operation. `then` are the verdicts by what is proposed; `limits` is None where no grant is missing."""

    row: Operation
    count: int
    failed: int
    verdicts: dict[str, int]
    why: list[tuple[str, int]]
    then: dict[str, int]
    last: dt.datetime
    samples: list[str]
    limits: dict[str, Any] | None
    needs_reading: bool  # what the policy or a requirement asks about is read first

    @property
    def name(self) -> str:
        return f"{self.row.integration.slug}.{self.row.slug}"


@dataclass(frozen=True, slots=True)
class Place:
    name: str
    count: int
    why: str
    last: dt.datetime
    integration: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    seen: int
    more: bool
    totals: list[tuple[str, int, int]]  # verdict, how many now, how many by what is proposed
    rows: list[Row]
    places: list[Place]
    policy: str  # YAML; "" where the one in force says all of it already
    proposed: Mapping[str, Any] = field(default_factory=dict)


def report(agent: Agent, days: int) -> Report:
    """Six queries, however much was seen."""
    since = now() - dt.timedelta(days=days)
    found = list(Observation.objects.filter(agent=agent, seen_at__gt=since)[: MOST + 1])
    seen = found[:MOST]
    described = _described(agent, seen)
    known = [one for one in seen if one.name in described]
    version = current_policy(agent.team_id)
    ruled = [one for one in known if one.rule]
    document, text = propose_policy(version.document if version else None, agent, [
        (described[one.name], one.amount_minor, one.currency) for one in ruled
    ])  # fmt: skip
    by_name: defaultdict[str, list[Observation]] = defaultdict(list)
    for one in known:
        by_name[one.name].append(one)
    rows = [_row(agent, described[name], group, document) for name, group in by_name.items()]
    rows.sort(key=lambda row: (-row.count, row.name))
    unknown = [one for one in seen if one.name not in described]
    before = Counter(one.verdict for one in seen)
    then = sum((Counter(row.then) for row in rows), Counter(one.verdict for one in unknown))
    totals = [(verdict, before[verdict], then[verdict]) for verdict in VERDICTS]
    return Report(len(seen), len(found) > MOST, totals, rows, _places(unknown), text, document)


def _described(agent: Agent, seen: Iterable[Observation]) -> dict[str, Operation]:
    """Whatever of it is still there."""
    names = {(one.integration, one.operation) for one in seen if one.operation}
    rows = Operation.objects.filter(
        integration__team=agent.team_id, integration__slug__in={integration for integration, _ in names},
        slug__in={slug for _, slug in names},
    ).select_related("integration")  # fmt: skip
    return {f"{row.integration.slug}.{row.slug}": row for row in rows if (row.integration.slug, row.slug) in names}


def _row(agent: Agent, operation: Operation, seen: Sequence[Observation], document: Mapping[str, Any]) -> Row:
    fitting = [one for one in seen if one.rule and not one.unfit]
    missing = any(one.code in WITHOUT_GRANT and not one.unfit for one in seen)
    limits = propose_limits([one.values for one in fitting]) if missing else None
    why = Counter(said for one in seen for said in _why(one))
    return Row(
        operation, len(seen), sum(one.failed for one in seen), dict(Counter(one.verdict for one in seen)),
        why.most_common(), dict(Counter(_then(agent, one, operation, limits, document) for one in seen)),
        max(one.seen_at for one in seen), [told for one in fitting[:SAMPLES] if (told := _sample(one))], limits,
        bool(operation.description.get("reads")),
    )  # fmt: skip


def _then(
    agent: Agent, one: Observation, operation: Operation, limits: Mapping[str, Any] | None, document: Mapping[str, Any]
) -> str:
    """By the proposed grant beside those there are, and the proposed policy."""
    if one.unfit or not one.rule:
        return one.verdict
    values = {name: kept.get("value") for name, kept in one.values.items()}
    described = operation.description.get("arguments", {})
    if one.code in WITHOUT_GRANT and check_limits(limits or {}, described, values):
        return "refused"
    asked = question(operation, agent.grantee, one.amount_minor, one.currency)
    return OF[decide(document, asked).outcome]


def _why(one: Observation) -> list[str]:
    """What its grant lacks and what else, apart."""
    said = [WORDS.get(code, code) for code in dict.fromkeys((one.code, one.unfit)) if code]
    if one.code in ("beyond_grant", "invalid_arguments", "denied", "ambiguous_request", "not_understood"):
        said[0] += f": {one.reasons[0]}" if one.reasons else ""
    if said:
        return said
    return [f"rule {one.rule}" + (f": {one.reasons[0]}" if one.reasons else "")]


def _sample(one: Observation) -> str:
    return ", ".join(
        f"{name}={kept.get('value', '(' + str(kept.get('is')) + ')')}" for name, kept in one.values.items()
    )


def _places(unknown: Iterable[Observation]) -> list[Place]:
    groups: defaultdict[tuple[str, str], list[Observation]] = defaultdict(list)
    for one in unknown:
        groups[one.place, one.code].append(one)
    made = [
        Place(
            place,
            len(group),
            WORDS.get(code, code),
            max(one.seen_at for one in group),
            group[0].integration,
            next(iter(group[0].reasons), ""),
        )
        for (place, code), group in groups.items()
    ]
    return sorted(made, key=lambda place: (-place.count, place.name))[:PLACES]
