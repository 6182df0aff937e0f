"""What would have become of a call here: matched as a plain request is, and ruled by what rules real actions. It reads
and stores nothing of what it rules on."""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from django.db.models.fields.json import KT

from approvals.authority import question
from approvals.facts import decode_amount
from approvals.models import PolicyVersion
from approvals.policies.decide import decide
from approvals.propose import check_carried
from approvals.standing import Spent, choose, grants_of, refused, unfit
from console.agents.models import Agent
from console.core.errors import Invalid
from console.shadow.heard import REMOVED, Seen, SeenRequest, SeenTool
from integrations.amend import quarantined
from integrations.described import complete
from integrations.description import Description
from integrations.explain import undecoded
from integrations.meant import meant
from integrations.models import Integration, Operation
from integrations.recognise import Heard, check_plain
from integrations.redaction import clean
from integrations.routing import routed
from integrations.wanted import Unread

OF = {"allow": "allowed", "review": "held", "deny": "refused"}
UNREAD = ("ambiguous_request", "not_understood", "invalid_arguments")
LONGEST_VALUE = 80  # characters of a text that is kept
MOST_VALUES = 50
_ID = re.compile(r"[0-9]+|(?=.*[0-9])[\w.:~-]{8,}|[0-9A-Fa-f-]{32,}")


@dataclass(frozen=True, slots=True)
class Found:
    """`operation` is None where there is none; `code` says what is not known, or would have been refused unread."""

    integration: str = ""
    operation: Operation | None = None
    arguments: Mapping[str, Any] | None = None
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    place: str
    verdict: str
    integration: str = ""
    operation: str = ""
    code: str = ""
    unfit: str = ""
    rule: str = ""
    reasons: list[str] = field(default_factory=list)
    grant: str = ""
    amount_minor: int | None = None
    currency: str = ""
    values: dict[str, Any] = field(default_factory=dict)


def judge(agent: Agent, seen: Seen, policy: PolicyVersion | None, spent: Spent) -> Verdict:
    """`policy` is the one in force, verified; `spent` says why a grant allows no more."""
    found = _find(agent.team_id, seen)
    operation, arguments, place = found.operation, found.arguments, place_of(seen)
    if operation is None or arguments is None:
        verdict = "refused" if found.code in UNREAD else "unknown"
        name = operation.slug if operation else ""
        return Verdict(
            place, verdict, found.integration, name, found.code, reasons=[found.reason][: bool(found.reason)]
        )
    amount, currency = _amount(operation, arguments)
    asked = question(operation, agent.grantee, amount, currency)
    if operation.effect != "read":
        asked = replace(asked, undecoded=undecoded(complete(operation), arguments))
    answer = decide(policy.document if policy else None, asked)
    chosen = choose(grants_of(agent.team_id, agent.grantee, operation), operation, arguments, spent)
    refusal, lacking = refused(chosen, agent.grantee, operation, arguments), unfit(operation, arguments)
    if lacking and lacking["code"] == "invalid_arguments" and _hides(operation, seen):
        refusal, lacking = None if refusal == lacking else refusal, None
    code, reasons = ("denied" if answer.outcome == "deny" else ""), list(answer.reasons)
    return Verdict(
        place, "refused" if refusal else OF[answer.outcome], found.integration, operation.slug,
        code=refusal["code"] if refusal else code, unfit=lacking["code"] if lacking else "", rule=answer.rule,
        reasons=[refusal["text"]] if refusal else reasons,
        grant=chosen.grant.pk if chosen.grant else "", amount_minor=amount, currency=currency, values=kept(arguments),
    )  # fmt: skip


def _hides(operation: Operation, seen: Seen) -> bool:
    """Whether an argument was taken out, or is one that is never copied: it may have been right."""
    arguments = operation.description.get("arguments", {}).values()
    return bool(seen.removed) or any(argument["in"] in ("header", "cookie") for argument in arguments)


def _find(team: str, seen: Seen) -> Found:
    found = _tool(team, seen) if isinstance(seen, SeenTool) else _request(team, seen)
    if found.arguments is not None:
        try:
            check_carried(found.arguments)
        except Invalid as error:
            return Found(found.integration, found.operation, None, error.code, error.text)
        except RecursionError:
            return Found(found.integration, found.operation, None, "not_understood", "It is nested too deeply.")
    return found


def _tool(team: str, seen: SeenTool) -> Found:
    server = Integration.objects.filter(team=team, slug=seen.integration, protocol="mcp").first()
    if server is None:
        return Found(code="no_integration")
    named = _operations(server).annotate(tool=KT("description__tool__name")).filter(tool=clean(seen.tool, ()))
    row = named.select_related("integration").first()
    if row is None:
        return Found(server.slug, code="no_operation")
    return Found(server.slug, row, seen.arguments, "not_copied" if seen.arguments is None else "")


def _request(team: str, seen: SeenRequest) -> Found:
    """Of integrations at one address the one with an operation that is meant; the longest base URL comes first."""
    bound = Integration.objects.filter(team=team, protocol="http").order_by("created_at", "id")
    below = {one: path for one in bound if (path := seen.below(one.base_url)) is not None}
    best = Found(code="no_integration")
    for integration in sorted(below, key=lambda one: len(one.base_url), reverse=True):
        found = _of(integration, seen, below[integration])
        if found.operation:
            return found
        best = found if best.code == "no_integration" else best
    return best


def _of(integration: Integration, seen: SeenRequest, path: str) -> Found:
    heard, slug = seen.heard(path), integration.slug
    try:
        check_plain(heard)
        if seen.left_out:
            rows = routed(_operations(integration), heard)
            return Found(slug, rows[0], None, "not_copied") if len(rows) == 1 else Found(slug, code="no_operation")
        try:
            found = _meant(integration, heard)
        except Unread:
            if not seen.removed:
                raise
            found = _meant(integration, seen.heard(path, without_removed=True))
    except Invalid as error:
        return Found(slug, code=error.code, reason=error.text)
    return found or Found(slug, code="no_operation")


def _meant(integration: Integration, heard: Heard) -> Found | None:
    rows = routed(_operations(integration), heard)
    found = meant(rows, {row.pk for row in rows}, heard)
    return Found(integration.slug, found[0], found[1].arguments) if found else None


def _operations(integration: Integration) -> Any:
    return Operation.objects.filter(integration=integration).annotate(quarantined=quarantined("pk"))


def _amount(operation: Operation, arguments: Mapping[str, Any]) -> tuple[int | None, str]:
    """Not known where it is read from the other side first: nothing is, here."""
    scope = {"arguments": arguments, "reads": {}, "key": ""}
    with contextlib.suppress(Invalid):
        amount, currency = decode_amount(Description(operation.slug, operation.description), scope)
        if amount is None or abs(amount) < 2**63:
            return amount, currency
    return None, ""


def place_of(seen: Seen) -> str:
    if isinstance(seen, SeenTool):
        return str(clean(f"{seen.integration}: {seen.tool}", ()))[:300]
    parts = ["{}" if _ID.fullmatch(part := unquote(one)) or len(part) > 60 else part for one in seen.path.split("/")]
    return str(clean(f"{seen.method} {seen.origin}{'/'.join(parts)}", ()))[:300]


def kept(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Short values, of which limits can be made; of the rest only what they are."""
    return {str(clean(name, ())): _kept(value) for name, value in list(arguments.items())[:MOST_VALUES]}


def _kept(value: Any) -> dict[str, Any]:
    match value:
        case str() if REMOVED in value:
            return {"is": "removed"}
        case bool() | int() | float():
            return {"value": value}
        case str() if len(value) <= LONGEST_VALUE:
            return {"value": clean(value, ())}
        case str():
            return {"is": "long text"}
        case list():
            return {"is": "list"}
        case None:
            return {"is": "nothing"}
    return {"is": "object"}
