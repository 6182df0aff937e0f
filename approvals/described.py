"""An operation's row is what was reviewed and signed, and nothing else."""

from console.core.attest import verify
from console.core.errors import Tampered
from integrations.description import Description
from integrations.here import verify_here
from integrations.models import Operation


def verify_operation(operation: Operation) -> None:
    """Raises Tampered. Needs the integration loaded."""
    description = Description(operation.slug, operation.description)
    if description.digest != bytes(operation.digest):
        raise Tampered(f"The description of {operation.slug} was altered.")
    if (operation.effect, operation.idempotency) != (description.effect, description.mode):
        raise Tampered(f"The columns beside the description of {operation.slug} were altered.")
    verify("operation", operation.attested(), operation.attestation)
    verify_here(operation)
