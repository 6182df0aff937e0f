"""Which environment an integration belongs to, as a person says: nothing else could tell a test system from another."""

import re

from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.attest import attest, verify
from console.core.errors import Invalid, NotFound
from integrations.models import Integration

NAME = "^[a-z][a-z0-9-]{0,31}$"
ENVIRONMENT = {"type": "string", "pattern": NAME}  # JSON Schema, of whatever names one
SUGGESTED = ("production", "staging", "test", "development")


@transaction.atomic
def set_environment(slug: str, name: str, *, actor: Actor) -> Integration:
    """ "" for one that is not known. What waits is ruled again before it is sent. Raises Invalid, or NotFound."""
    actor.require(Role.ADMIN)
    if name and not re.fullmatch(NAME, name):
        raise Invalid("An environment has a short name of small letters, digits and hyphens, such as production.")
    integration = Integration.objects.select_for_update().filter(team=actor.team, slug=slug).first()
    if integration is None:
        raise NotFound("There is no such integration.")
    before, integration.environment = integration.environment, name
    integration.environment_attestation = attest("environment", integration.told_environment()) if name else None
    integration.save(update_fields=["environment", "environment_attestation"])
    record(Kind.INTEGRATION_PLACED, subject=integration.id, actor=actor,
           detail={"slug": slug, "environment": name, "before": before})  # fmt: skip
    return integration


def environment_of(integration: Integration) -> str:
    """ "" where nobody has said so. Raises Tampered where it is not as it was said."""
    if integration.environment:
        verify("environment", integration.told_environment(), integration.environment_attestation or b"")
    return integration.environment
