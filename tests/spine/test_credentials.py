"""What the console signed says how a credential goes out; and what it signed before there were settings still holds."""

import pytest

from console.core.attest import attest, verify
from console.core.door_keys import sealing_key, sealing_key_id
from console.core.errors import Tampered
from console.core.sealing import SUITE, Sealed
from examples.demo.people import acting
from integrations.describe import describe_integration
from integrations.models import Credential, Integration, Operation
from tests.spine.attacker import owner
from tests.spine.conftest import World

LOOK = """
integration: crm
title: CRM
credential: {type: header, header: X-Api-Key}
operations: {look: {title: Look, effect: read, method: GET, path: /look, trust: reviewed}}
"""


def test_operations_that_were_attested_before_there_were_settings_stay_valid(world: World) -> None:
    operation = Operation.objects.select_related("integration").get(slug="create_refund")
    before = {
        "operation": operation.id, "integration": operation.integration_id, "team": operation.integration.team_id,
        "base_url": operation.integration.base_url, "credential_type": "bearer", "slug": "create_refund",
        "digest": bytes(operation.digest).hex(),
    }  # fmt: skip
    assert operation.attested() == before


@pytest.mark.parametrize("altered", [{}, {"header": "X-Other"}, {"header": "X-Api-Key", "prefix": "Token"}])
def test_settings_are_part_of_what_the_console_signed(world: World, altered: dict[str, str]) -> None:
    integration = describe_integration(LOOK, base_url="https://crm.example", actor=acting("mira"))
    look = integration.operations.select_related("integration").get()
    verify("operation", look.attested(), look.attestation)
    Integration.objects.filter(pk=integration.pk).update(credential_settings=altered)
    look = Operation.objects.select_related("integration").get(pk=look.pk)
    with pytest.raises(Tampered):
        verify("operation", look.attested(), look.attestation)


def test_a_secret_that_was_sealed_as_plain_text_still_signs_in(world: World, committed: str) -> None:
    """As installations hold them that stored their credentials before these had parts, and data keys."""
    credential = Credential.objects.get()
    content = SUITE.encrypt(b"sk_test_sealed_before", sealing_key(), info=credential.place.encode())
    credential.seal = Sealed(credential.place, sealing_key_id(), content, b"")
    credential.attestation = attest("credential", credential.attested())
    with owner(committed) as connection:
        connection.execute("UPDATE integrations_credential SET sealed = %s, wrapped = %s, attestation = %s",
                           [credential.sealed, credential.wrapped, credential.attestation])  # fmt: skip
    world.begin()
    world.settle()
    world.sign(world.review(large=True))
    world.settle()
    assert len(world.refunds("large")) == 1
