"""Publishing a policy: a new version, attested; from then on the newest one rules."""

from django.db import transaction

from approvals.models import Policy, PolicyVersion
from approvals.policies.document import parse, policy_digest
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.attest import attest


@transaction.atomic
def publish_policy(source: str, *, actor: Actor) -> PolicyVersion:
    """Raises Invalid with a place; nothing is stored then."""
    actor.require(Role.ADMIN)
    document = parse(source)
    Policy.objects.get_or_create(team_id=actor.team, defaults={"slug": document["policy"]})
    policy = Policy.objects.select_for_update().get(team_id=actor.team)
    latest = policy.versions.first()
    version = PolicyVersion(policy=policy, number=latest.number + 1 if latest else 1, source=source, document=document,
                            digest=policy_digest(document))  # fmt: skip
    version.attestation = attest("policy", version.attested())
    version.save(force_insert=True)
    policy.current = version
    policy.save(update_fields=["current"])
    record(Kind.POLICY_PUBLISHED, subject=policy.id, actor=actor,
           detail={"version": version.id, "number": version.number, "digest": version.digest.hex()})  # fmt: skip
    return version
