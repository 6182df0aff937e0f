"""The witnesses of this installation, for the policy in a bundle."""

from audit import publishing
from audit.outlets import Witness


def witness_keys() -> list[str]:
    """Their verifier keys."""
    return [way.vkey for way in publishing.ways() if isinstance(way, Witness)]
