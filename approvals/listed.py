"""One signature for several decisions: a list of their digests is what the passkey signs, and each keeps the list."""

import json
from collections.abc import Sequence
from typing import Any

from approvals.models import Decision
from console.accounts.passkeys import challenge_for
from console.core.canonical import jcs
from console.core.errors import Tampered

TYPE = "countersign.decisions"  # never that of a payload, so that neither can be taken for the other


def list_of(payloads: Sequence[bytes]) -> bytes:
    """Canonical bytes. Each payload has a nonce of its own, so no two lists are the same. All are of one person."""
    said = json.loads(payloads[0])
    return jcs(
        {
            "v": 1,
            "type": TYPE,
            "team": said["team"],
            "reviewer": said["reviewer"],
            "decision": said["decision"],
            "count": len(payloads),
            "decisions": [challenge_for(one).hex() for one in payloads],
        }
    )


def signed_bytes(decision: Decision) -> bytes:
    """What the passkey signed: the payload, or the list that it stands in. Raises Tampered."""
    payload = bytes(decision.payload)
    if decision.listed is None:
        return payload
    listed = bytes(decision.listed)
    try:
        _check(json.loads(listed), json.loads(payload), challenge_for(payload).hex())
    except (ValueError, KeyError, TypeError) as fault:
        raise Tampered(f"The list that {decision.pk} was signed in does not hold it: {fault}") from None
    return listed


def _check(said: Any, payload: Any, digest: str) -> None:
    expected = {"type": TYPE, **{name: payload[name] for name in ("team", "reviewer", "decision")}}
    if any(said[name] != value for name, value in expected.items()):
        raise ValueError("it is of something else")
    if len(said["decisions"]) != said["count"] or said["decisions"].count(digest) != 1:
        raise ValueError("its digest is not there once")
