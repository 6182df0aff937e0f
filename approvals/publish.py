"""Publishing a policy: a new version, attested; from then on the newest one rules.

A team's first policy is published by an admin, as until then everything is denied. Each later one is an action of the
console's own: ruled on and signed like any other, and then published by a process that holds the console's key.
"""

import difflib
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from approvals.authority import load
from approvals.execute import verify_authority
from approvals.models import Action, Policy, PolicyVersion
from approvals.policies.document import parse, policy_digest
from approvals.preview import check_promises
from approvals.propose import Proposal, propose
from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import Team
from console.core.actor import Actor, Role, system
from console.core.attest import attest
from console.core.errors import Conflict, Invalid
from console.core.turns import take_turn
from integrations.describe import built_in
from integrations.grantees import PEOPLE
from integrations.here import HERE, LONGEST_POLICY, PUBLISH_POLICY, SLUG
from integrations.models import Integration


def publish_policy(source: str, *, actor: Actor) -> PolicyVersion:
    """At once. Raises Invalid with a place; nothing is stored then."""
    actor.require(Role.ADMIN)
    return _publish(source, read_policy(source), None, actor)


def publish_at_the_command_line(source: str, team: Team) -> PolicyVersion:
    """By whoever runs the console: where nobody else of a team could sign."""
    return _publish(source, read_policy(source), None, system("command line", team.pk))


def read_policy(source: str) -> dict[str, Any]:
    """One that may be published. Raises Invalid with a place. It may take seconds, so call it before anything is
    locked."""
    document = parse(source)
    check_promises(document)
    return document


@transaction.atomic
def _publish(source: str, document: Mapping[str, Any], action: Action | None, actor: Actor) -> PolicyVersion:
    Policy.objects.get_or_create(team_id=actor.team, defaults={"slug": document["policy"]})
    policy = Policy.objects.select_for_update().get(team_id=actor.team)
    latest = policy.versions.first()
    version = PolicyVersion(policy=policy, number=latest.number + 1 if latest else 1, source=source, document=document,
                            digest=policy_digest(document), action=action)  # fmt: skip
    version.attestation = attest("policy", version.attested())
    version.save(force_insert=True)
    policy.current = version
    policy.save(update_fields=["current"])
    record(Kind.POLICY_PUBLISHED, subject=policy.id, actor=actor,
           detail={"version": version.id, "number": version.number, "digest": version.digest.hex(),
                   **({"action": action.pk} if action else {})})  # fmt: skip
    return version


def ask_to_publish(source: str, *, why: str, actor: Actor) -> Action | None:
    """None where it was published at once, because it is the first. Raises Invalid with a place, Conflict while another
    one is asked for."""
    actor.require(Role.ADMIN)
    document, current = read_policy(source), newest(actor.team)
    if current is None:
        publish_policy(source, actor=actor)
        return None
    if len(source) > LONGEST_POLICY:
        raise Invalid(f"Keep the policy under {LONGEST_POLICY:,} characters.")
    if policy_digest(document) == bytes(current.digest):
        raise Invalid("It says what the policy in force says.")
    if not why.strip():
        raise Invalid("Say why. Whoever signs it reads this.", code="reason_needed")
    return _ask(source, current, why, actor)


@transaction.atomic
def _ask(source: str, current: PolicyVersion, why: str, actor: Actor) -> Action:
    take_turn(f"policy of {actor.team}")
    if asked_for(actor.team):
        raise Conflict("Another version is asked for already. It has to be signed, refused or taken back first.")
    built_in(actor)
    action = propose(
        Proposal(
            team=actor.team, operation=f"{SLUG}.{PUBLISH_POLICY}", grantee=PEOPLE, makers=[actor.id], says=why.strip(),
            arguments={"version": current.number + 1, "changes": changes(current.source, source), "source": source},
        ),
        actor=actor,
    )  # fmt: skip
    if action.settled:
        raise Conflict(str((action.outcome or {}).get("text", "It was refused.")))
    return action


def newest(team: str) -> PolicyVersion | None:
    return PolicyVersion.objects.filter(policy__team=team).order_by("-number").first()


def changes(old: str, new: str) -> str:
    """Line by line, with some that stay for orientation."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++")))


def asked_for(team: str) -> Action | None:
    """A version that may still be published."""
    return _asked().filter(Q(settled_at=None) | Q(state="succeeded", published=None), team=team).first()


def signed() -> list[str]:
    """What waits to be published, of all teams."""
    return list(_asked().filter(state="succeeded", published=None).values_list("pk", flat=True))


def _asked() -> QuerySet[Action]:
    return Action.objects.filter(operation__integration__base_url=HERE, operation__slug=PUBLISH_POLICY)


def accept(integration: Integration, asked: Mapping[str, Any], _key: str) -> dict[str, Any]:
    """In the door, once it was signed. Raises Conflict where it no longer follows the one in force."""
    current = newest(integration.team_id)
    if current is None or asked["version"] != current.number + 1:
        raise Conflict("Another version rules meanwhile. Ask for it again.")
    if asked["changes"] != changes(current.source, asked["source"]):
        raise Conflict("Who signed it was shown other changes than it makes.")
    return {"version": asked["version"]}


@transaction.atomic
def publish_signed(action_id: str) -> PolicyVersion | None:
    """What people have signed, verified from stored bytes as before a send. None where it was published already.
    Raises Tampered, Stale or Conflict."""
    loaded = load(action_id)
    action = loaded.action
    take_turn(f"policy of {action.team_id}")
    if action.state != "succeeded" or PolicyVersion.objects.filter(action=action_id).exists():
        return None
    verify_authority(loaded)
    accept(action.operation.integration, action.arguments, action.key)
    source = action.arguments["source"]
    return _publish(source, parse(source), action, system("worker", action.team_id))
