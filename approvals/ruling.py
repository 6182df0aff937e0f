"""The policy's answer to an action as it stands, and where people have signed for its kind ahead, theirs."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db.models import Count, Q, Sum

from approvals.authority import Loaded, Stale, load, policy_now, question, verified_votes, verify_proposal
from approvals.counted import Counted
from approvals.digests import action_digest
from approvals.facts import undecoded_lines
from approvals.models import WITHOUT_EFFECT, Action, Mandate, PolicyVersion
from approvals.policies.decide import UNCLEAR, Answer, decide, must_see
from approvals.policies.question import TOTAL, Question
from approvals.policies.slots import Requirement, Vote, at_least, fills
from console.core.clock import now, read_moment
from console.core.compiled import Compiled
from console.core.errors import Tampered
from integrations.explain import undecoded
from integrations.here import GIVE_MANDATE, described, is_here
from integrations.models import Operation
from integrations.render import render

_MANDATES = Compiled(
    lambda operation, grantee: Mandate.objects.filter(operation=operation, grantee=grantee, state="given").order_by(
        "given_at", "id"
    )
)


def rule(loaded: Loaded) -> tuple[PolicyVersion | None, Answer]:
    """On what was decoded of the action."""
    action, version = loaded.action, policy_now(loaded)
    document = version.document if version else None
    if gives_mandate(action):
        return version, _rule_mandate(action, document)
    asked = question(action.operation, action.grantee, action.amount_minor, action.currency)
    counted = Counted(action, document or {})
    asked = replace(asked, counterparty=action.counterparty, counted=counted, on_behalf_of=action.on_behalf_of,
                    arguments=action.arguments, undecoded=_undecoded(loaded), revised=bool(action.editors))  # fmt: skip
    answer = decide(document, asked)
    answer = _cover(loaded, asked, answer) if answer.outcome == "review" else answer
    loaded.so_far = counted.so_far
    return version, answer


def _undecoded(loaded: Loaded) -> tuple[str, ...]:
    """From the attested arguments and description, and from the stored lines: taking one away there takes nothing away
    here."""
    if loaded.operation.effect == "read":
        return ()
    told = undecoded(loaded.described, loaded.action.arguments)
    return tuple(dict.fromkeys((*told, *undecoded_lines(loaded.action.facts))))


def gives_mandate(action: Action) -> bool:
    return action.operation.slug == GIVE_MANDATE and is_here(action.operation.integration)


def _cover(loaded: Loaded, asked: Question, answer: Answer) -> Answer:
    """`allow` where a mandate stands for the signatures that are asked for."""
    if answer.rule in UNCLEAR or asked.here or asked.effect == "read" or asked.undecoded or asked.revised:
        return answer
    if must_see(asked, covered=True):
        return answer
    for mandate in _MANDATES(loaded.action.operation_id, loaded.action.grantee) if loaded.mandates else ():
        if answer.requirement and _covers(mandate, loaded.action, asked, answer.requirement):
            return Answer("allow", answer.rule, reasons=(f"The mandate {mandate.pk} covers it.",), mandate=mandate.pk)
    return answer


def _covers(mandate: Mandate, action: Action, asked: Question, requirement: Requirement) -> bool:
    try:
        told, votes = _signed(mandate)
    except Stale:  # these signatures would not be taken for it today
        return False
    own = [vote for vote in votes if vote.people.isdisjoint(action.barred)]
    return _is_within(told, action, asked) and _has_room(mandate, told, action) and _stand_for(own, requirement)


def _stand_for(votes: list[Vote], requirement: Requirement) -> bool:
    """What a slot asks of whoever signs this one action cannot be told of a signature that was given before."""
    plain = not any(slot.where or slot.separation or slot.authenticators or slot.proofed for slot in requirement.slots)
    plain = plain and not (requirement.evidence or requirement.states)
    return plain and fills(requirement.slots, votes)


def _signed(mandate: Mandate) -> tuple[Mapping[str, Any], list[Vote]]:
    """What was signed, and by whom: from stored bytes, by today's policy. Raises Tampered or Stale."""
    loaded = load(mandate.action_id)
    action = loaded.action
    if bytes(action.operation.digest) != described()[GIVE_MANDATE].digest:
        raise Stale("description_changed", "The console gives mandates in other words by now.")
    verify_proposal(loaded)
    rendered = render(loaded.operation, action.arguments, base_url=action.operation.integration.base_url,
                      key=action.key)  # fmt: skip
    digest = action_digest(action, rendered.digest)
    if digest != bytes(action.action_digest or b""):  # what was signed is attested: how it is described is another
        raise Stale("description_changed", "The console gave it in other words.")
    if not gives_mandate(action) or action.state != "succeeded":
        raise Tampered("The mandate is not what was signed.")
    _, answer = rule(loaded)
    votes = verified_votes(loaded, digest, standing=True)
    if answer.requirement is None or not fills(answer.requirement.slots, votes):
        raise Stale("policy_changed", "The policy asks for other signatures now.")
    return action.arguments, votes


def _is_within(told: Mapping[str, Any], action: Action, asked: Question) -> bool:
    """One action, by what is told of it."""
    if (told["operation"], told["grantee"]) != (asked.operation, action.grantee) or read_moment(told["until"]) <= now():
        return False
    if told["description"] != bytes(action.operation.digest).hex():
        return False
    if action.counterparty and "counterparties" in told and action.counterparty not in told["counterparties"]:
        return False
    if action.counterparty and "counterparties" not in told and asked.counted["new_counterparty"] is not False:
        return False
    if action.amount_minor is None:
        return "at_most" not in told
    return bool(action.currency == told.get("currency") and 0 <= action.amount_minor <= told.get("at_most", -1))


def _has_room(mandate: Mandate, told: Mapping[str, Any], action: Action) -> bool:
    """Beside what was reserved and not given back."""
    amount, calls = used(mandate, told, without=action.pk)
    within = "total" not in told or amount + (action.amount_minor or 0) <= told["total"]
    return bool(within and calls < told["calls"])


def used(mandate: Mandate, told: Mapping[str, Any], *, without: str = "") -> tuple[int, int]:
    """Amount and number of what it covers, within the last hours that it tells of: what may still happen, or has."""
    since = now() - dt.timedelta(hours=told["hours"])
    lately = Q(created_at__gt=since) | Q(settled_at__gt=since) | Q(settled_at=None)
    covered = Action.objects.filter(lately, mandate=mandate).exclude(state__in=WITHOUT_EFFECT).exclude(pk=without)
    found = covered.aggregate(amount=Sum("amount_minor"), calls=Count("pk"))
    return found["amount"] or 0, found["calls"]


def _rule_mandate(action: Action, document: Mapping[str, Any] | None) -> Answer:
    """Whoever would have to sign the largest action that it covers signs the mandate, by a passkey; where the policy
    does not ask about such a one there is nothing to sign."""
    told, team = action.arguments, action.team_id
    integration, _, slug = told["operation"].partition(".")
    row = Operation.objects.select_related("integration").filter(integration__team=team, integration__slug=integration,
                                                                 slug=slug).first()  # fmt: skip
    if row is None or is_here(row.integration) or told["description"] != bytes(row.digest).hex():
        return Answer("deny", "mandate", reasons=("The operation is described otherwise by now, or not at all.",))
    asked = _largest(row, told, document or {})
    answer, unsure = decide(document, asked), must_see(asked, covered=True)
    if answer.outcome != "review" or answer.requirement is None or answer.rule in UNCLEAR or unsure:
        reasons = unsure or ["The policy does not ask people about what it would cover."]
        return Answer("deny", answer.rule, reasons=(*answer.reasons, *reasons))
    return Answer("review", answer.rule, _by_passkeys(answer.requirement), (
        "Whoever has to sign each of these signs this.", *answer.reasons))  # fmt: skip


def _largest(row: Operation, told: Mapping[str, Any], document: Mapping[str, Any]) -> Question:
    """With nothing unusual about it: what is unusual about one that comes is asked about then."""
    amount = told.get("at_most")
    totals = {TOTAL + name: (amount or 0) if "sum" in one else 1 for name, one in document.get("totals", {}).items()}
    counted: dict[str, Any] = {"new_counterparty": False, "data": frozenset(), "untrusted": False, "prior_actions": 0,
                               "prior_operations": frozenset(), "distance": 0, **totals}  # fmt: skip
    asked = question(row, told["grantee"], amount, told.get("currency", ""))
    return replace(asked, counterparty=next(iter(told.get("counterparties", ())), "somebody"), counted=counted)


def _by_passkeys(requirement: Requirement) -> Requirement:
    slots = (slot if at_least("passkey", slot.signature) else replace(slot, signature="passkey")
             for slot in requirement.slots)  # fmt: skip
    return replace(requirement, slots=tuple(slots))
