"""From what was asked for to what would be done: decoded, ruled on, and where the policy changes it, once more.

Nothing is stored here. The door does it to prepare an action, and again before it sends one that the policy has
changed: the changed arguments are in no signature of whoever asked.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from approvals.authority import Loaded, Stale
from approvals.context import context_of
from approvals.digests import action_digest
from approvals.facts import decode
from approvals.models import Action, PolicyVersion
from approvals.policies.decide import FALLBACK, Answer
from approvals.policies.modify import MOST_ROUNDS
from approvals.reading import missed_requirement, pinned, read_preconditions
from approvals.revise import last_revision
from approvals.ruling import rule
from approvals.so_far import so_far
from console.core.errors import Invalid
from integrations.described import complete
from integrations.grantees import PEOPLE
from integrations.limits import check_limits
from integrations.render import Rendered, render


@dataclass(frozen=True, slots=True)
class Derived:
    """`changes` are the answers by which the arguments became what they are, `answer` the last one."""

    rendered: Rendered
    version: PolicyVersion | None
    changes: tuple[Answer, ...]
    answer: Answer


def derive(loaded: Loaded) -> Derived:
    """Fills in the loaded action what the digests cover, from the arguments as they were asked for. Raises Unreadable,
    or Invalid."""
    changes: list[Answer] = []
    loaded.action.arguments, loaded.action.original = dict(loaded.action.asked_for), None
    if (revision := last_revision(loaded.action)) is not None:
        _change(loaded.action, revision.arguments, "What was made of it")
    while True:
        rendered = _decode(loaded)
        version, answer = rule(loaded)
        made = answer.arguments
        if answer.outcome != "modify" or made is None:
            break
        if len(changes) == MOST_ROUNDS:
            text = f"Its rules change {loaded.operation.slug} back and forth."
            answer = Answer("review", answer.rule, FALLBACK, (text,))
            break
        changes.append(answer)
        _change(loaded.action, made, "What the policy makes of it")
    _note_context(loaded, answer)
    return Derived(rendered, version, tuple(changes), answer)


def _decode(loaded: Loaded) -> Rendered:
    action = loaded.action
    rendered = render(
        loaded.operation, action.arguments, base_url=action.operation.integration.base_url, key=action.key
    )
    answers = read_preconditions(loaded)
    if missed := missed_requirement(loaded, answers):
        raise Invalid(missed)
    action.reads = pinned(loaded.operation, answers)
    action.request_digest = rendered.digest
    action.action_digest = action_digest(action, rendered.digest)
    facts = decode(loaded.described, action.arguments, answers, action.key)
    action.sentence, action.facts = facts.sentence, facts.lines
    action.amount_minor, action.currency, action.counterparty = facts.amount_minor, facts.currency, facts.counterparty
    return rendered


def _note_context(loaded: Loaded, answer: Answer) -> None:
    """Where a person looks at it, or the policy did. What people ask the console for has no session."""
    action = loaded.action
    looked = answer.outcome == "review" and action.grantee != PEOPLE
    action.context = context_of(action, loaded.so_far or so_far(action)) if looked or loaded.so_far else {}


def _change(action: Action, arguments: Mapping[str, Any], what: str) -> None:
    """Raises Invalid where the operation does not take them, or the grant does not cover them."""
    complete(action.operation).check_arguments(arguments)
    limits = action.grant.limits if action.grant else {}
    if beyond := check_limits(limits, action.operation.description.get("arguments", {}), arguments):
        raise Invalid(f"{what} goes beyond its grant. {beyond}")
    action.original, action.arguments = action.asked_for, dict(arguments)


def check_derived(loaded: Loaded) -> None:
    """Of an action that the policy or people have changed: it would be changed to the same today. Raises Stale,
    Unreadable or Invalid."""
    if loaded.action.original is None:
        return
    anew = replace(loaded, action=copy.copy(loaded.action))
    derive(anew)
    if anew.action.arguments != loaded.action.arguments:
        raise Stale("policy_changed", "The policy makes something else of it now.")
