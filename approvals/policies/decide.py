"""The policy's answer: the first rule that matches, then what stands above every policy. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from approvals.policies.modify import Modification
from approvals.policies.question import Question
from approvals.policies.rules import Deferral, Rule, make_rules
from approvals.policies.slots import Requirement, SlotSpec, Way, at_least, one_more
from console.core.errors import Invalid
from integrations.here import PUBLISH_POLICY, SLUG

GATED = frozenset({"financial", "legal", "security"})
FALLBACK = Requirement((SlotSpec((Way("admins"),)),))
_FAULTS = (AttributeError, IndexError, KeyError, TypeError, ValueError, Invalid)
_PUBLISH = f"{SLUG}.{PUBLISH_POLICY}"
_MOST_MADE = 64
EVALUATOR_ERROR, _UNMATCHED = "evaluator-error", "no-rule-matched"
UNCLEAR = frozenset({EVALUATOR_ERROR, _UNMATCHED})  # in the place of a rule: nothing was said of it
MOST_NAMED = 5  # arguments
COULD_NOT = "could not be decoded"
# By the id of the document, which is kept with them, so that no other gets its id.
_made: dict[int, tuple[Mapping[str, Any], Sequence[Rule]]] = {}


@dataclass(frozen=True, slots=True)
class Answer:
    """`requirement` is there for a review, `arguments` as they are after a `modify`, which the policy has to be asked
    about again, and `deferral` for a `defer`."""

    outcome: str
    rule: str
    requirement: Requirement | None = None
    reasons: tuple[str, ...] = ()
    arguments: Mapping[str, Any] | None = None
    deferral: Deferral | None = None
    mandate: str = ""  # by which people have signed it ahead


def decide(document: Mapping[str, Any] | None, asked: Question, *, covered: bool = False) -> Answer:
    """Never raises: an error is a review. `covered` is whether a signed mandate covers it."""
    try:
        answer = _first_match(document, asked)
    except _FAULTS as error:
        answer = _unclear(f"The policy could not be evaluated: {error}.")
    return _undecoded(_above_policy(answer, asked, covered), asked)


def _first_match(document: Mapping[str, Any] | None, asked: Question) -> Answer:
    if document is None:
        return Answer("deny", "no-policy", reasons=("No policy is published for this team.",))
    for rule in _rules_of(document):
        matches, missing = rule.matches(asked)
        if missing:
            return _unclear(f"The rule {rule.id} asks for {' and '.join(missing)}, which is not known.")
        if matches and rule.modification:
            if (changed := _changed(rule.modification, asked)) is not None:
                return Answer("modify", rule.id, reasons=rule.reasons, arguments=changed)
        elif matches:
            return Answer(rule.then, rule.id, rule.requirement, rule.reasons, deferral=rule.deferral)
    return Answer("review", _UNMATCHED, FALLBACK, ("No rule matched.",))


def _changed(modification: Modification, asked: Question) -> Mapping[str, Any] | None:
    """None where there is nothing to change; what the console itself does is what was asked for."""
    if asked.arguments is None or asked.here:
        return None
    changed = modification.of(asked.arguments)
    return None if changed == asked.arguments else changed


def _unclear(why: str) -> Answer:
    return Answer("review", EVALUATOR_ERROR, FALLBACK, (why,))


def _rules_of(document: Mapping[str, Any]) -> Sequence[Rule]:
    """Made once: the same few documents are asked again and again. A policy that was published never changes."""
    known = _made.get(id(document))
    if known is None or known[0] is not document:
        if len(_made) >= _MOST_MADE:
            _made.clear()
        known = _made[id(document)] = (document, make_rules(document))
    return known[1]


def _above_policy(answer: Answer, asked: Question, covered: bool) -> Answer:
    """Code, not a default rule: what no policy can allow without a human."""
    # No policy keeps a team from writing another one.
    if asked.here and (answer.outcome != "deny" or asked.operation == _PUBLISH):
        return _asks(answer, _of_admins(answer.requirement), ["The console does it itself: "
                     "somebody else of the group admins signs it."])  # fmt: skip
    if answer.outcome != "allow":
        return answer
    reasons = [*_of_change(asked), *([] if asked.effect == "read" else must_see(asked, covered=covered))]
    return _asks(answer, FALLBACK, reasons) if reasons else answer


def _of_change(asked: Question) -> list[str]:
    return ["Somebody who was asked changed it, so somebody else signs it."] if asked.revised else []


def _asks(answer: Answer, requirement: Requirement, reasons: Sequence[str]) -> Answer:
    return Answer("review", answer.rule, requirement, (*answer.reasons, *reasons))


def _of_admins(requirement: Requirement | None) -> Requirement:
    """What the policy asks for, where somebody of the admins has to sign it by a passkey. Without what is asked to be
    seen first: the console's own acts bring no evidence, and a policy could not be replaced any more."""
    for slot in requirement.slots if requirement else ():
        if {way.group for way in slot.ways} == {"admins"} and at_least("passkey", slot.signature):
            return replace(requirement or FALLBACK, evidence=(), states=())
    return FALLBACK


def _undecoded(answer: Answer, asked: Question) -> Answer:
    """What nobody can read, nobody signs for alone: one more signature than would be asked for otherwise."""
    if not asked.undecoded or asked.effect == "read" or answer.outcome not in ("allow", "review"):
        return answer
    why = [f"The argument {name} {COULD_NOT}." for name in asked.undecoded[:MOST_NAMED]]
    if more := asked.undecoded[MOST_NAMED:]:
        why.append(f"Nor could {len(more)} more.")
    if answer.outcome == "allow":
        return _asks(answer, FALLBACK, why)
    raised = one_more(answer.requirement or FALLBACK)
    return _asks(answer, raised, [*why, f"So one more has to sign than otherwise: {raised}."])


def must_see(asked: Question, *, covered: bool) -> list[str]:
    """Why a person has to sign it, whatever a policy allows."""
    reasons = []
    if asked.idempotency in {"none", "unknown"}:
        reasons.append("The other side cannot tell a repeat from a new request, so every write needs a person.")
    if asked.trust not in {"reviewed", "proven"}:
        reasons.append("The description of this operation has not been reviewed by a person.")
    for category in [] if covered else sorted(asked.categories & GATED):
        reasons.append(f"It is {category}, and no signed mandate covers it.")
    return reasons
