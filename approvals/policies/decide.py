"""The policy's answer: the first rule that matches, then what stands above every policy. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from approvals.policies.question import Question
from approvals.policies.rules import Rule, make_rules
from approvals.policies.slots import Requirement, SlotSpec, Way, at_least, one_more
from console.core.errors import Invalid
from integrations.here import PUBLISH_POLICY, SLUG

GATED = frozenset({"financial", "legal", "security"})
FALLBACK = Requirement((SlotSpec((Way("admins"),)),))
_FAULTS = (AttributeError, IndexError, KeyError, TypeError, ValueError, Invalid)
_PUBLISH = f"{SLUG}.{PUBLISH_POLICY}"
_MOST_MADE = 64
MOST_NAMED = 5  # arguments
COULD_NOT = "could not be decoded"
# By the id of the document, which is kept with them, so that no other gets its id.
_made: dict[int, tuple[Mapping[str, Any], Sequence[Rule]]] = {}


@dataclass(frozen=True, slots=True)
class Answer:
    """`requirement` is there for a review."""

    outcome: str
    rule: str
    requirement: Requirement | None = None
    reasons: tuple[str, ...] = ()


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
        if matches:
            return Answer(rule.then, rule.id, rule.requirement, rule.reasons)
    return Answer("review", "no-rule-matched", FALLBACK, ("No rule matched.",))


def _unclear(why: str) -> Answer:
    return Answer("review", "evaluator-error", FALLBACK, (why,))


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
    if answer.outcome != "allow" or asked.effect == "read":
        return answer
    reasons = _must_see(asked, covered)
    return _asks(answer, FALLBACK, reasons) if reasons else answer


def _asks(answer: Answer, requirement: Requirement, reasons: Sequence[str]) -> Answer:
    return Answer("review", answer.rule, requirement, (*answer.reasons, *reasons))


def _of_admins(requirement: Requirement | None) -> Requirement:
    """What the policy asks for, where somebody of the admins has to sign it by a passkey."""
    for slot in requirement.slots if requirement else ():
        if {way.group for way in slot.ways} == {"admins"} and at_least("passkey", slot.signature):
            return requirement or FALLBACK
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


def _must_see(asked: Question, covered: bool) -> list[str]:
    reasons = []
    if asked.idempotency in {"none", "unknown"}:
        reasons.append("The other side cannot tell a repeat from a new request, so every write needs a person.")
    if asked.trust not in {"reviewed", "proven"}:
        reasons.append("The description of this operation has not been reviewed by a person.")
    for category in [] if covered else sorted(asked.categories & GATED):
        reasons.append(f"It is {category}, and no signed mandate covers it.")
    return reasons
