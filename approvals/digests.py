"""The digests that decisions bind to, and the payload that a reviewer signs."""

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from approvals.models import Action, Decision, Delegation, Review
from console.core.canonical import digest, jcs
from console.core.clock import iso, now

TEMPLATE = "review-sheet/1/en"
TYPE = "countersign.decision"
MEANINGS = {
    ("action", "approve"): "I approve that exactly this is done.",
    ("action", "refuse"): "I refuse that this is done.",
    ("action", "change"): "I would have it done otherwise, as I said. Somebody else signs that.",
    ("doubt", "approve"): "I have checked: it did happen.",
    ("doubt", "refuse"): "I have checked: it did not happen.",
    ("action", "recuse"): "I do not decide this. Somebody else should.",
    ("doubt", "recuse"): "I cannot say. Somebody else should look.",
}


def action_digest(action: Action, request_digest: bytes) -> bytes:
    return digest("countersign/action/v1", action_document(action, request_digest))


def action_document(action: Action, request_digest: bytes) -> dict[str, object]:
    """Everything a signature must not survive a change of. Needs operation, integration and grant loaded."""
    operation = action.operation
    integration = operation.integration
    grant = action.grant
    return {
        "request_digest": request_digest.hex(),
        "team": action.team_id,
        "integration": integration.id,
        "base_url": integration.base_url,
        "credential": grant.credential_id if grant else None,
        "grant": action.grant_id,
        "description": bytes(operation.digest).hex(),
        "operation": operation.id,
        "arguments": action.arguments,
        "preconditions": action.reads,
        "principal": action.makers[:1],
        "agent": action.grantee,
        "run": action.run,
        "step": action.step,
        **({"reverses": action.reverses_id} if action.reverses_id else {}),
        **({"editors": action.editors} if action.editors else {}),
    }


def evidence_digest(action: Action) -> bytes:
    return digest("countersign/evidence/v1", action.evidence)


def render_digest(action: Action) -> bytes:
    return digest("countersign/rendering/v1", rendering(action))


def rendering(action: Action) -> dict[str, object]:
    """What the sheet says, apart from its layout: template, sentence, each decoded line, and what it stands in."""
    shown = {"template": TEMPLATE, "sentence": action.sentence, "facts": action.facts}
    return {**shown, **({"context": action.context} if action.context else {})}


def decision_payload(
    review: Review,
    *,
    verdict: str,
    reason: str,
    reviewer: str,
    name: str,
    groups: Iterable[str],
    delegation: Delegation | None = None,
    arguments: Mapping[str, Any] | None = None,
    seen: Mapping[str, Any] | None = None,
) -> bytes:
    """Canonical bytes with a fresh nonce; what is stored, shown as digest words, and hashed into the challenge.
    `name` is the reviewer's, as every form that people read prints it (21 CFR 11.50); `groups` are those that the
    review asks, of the reviewer or of whoever gave the delegation; `arguments` those that a change asks for; `seen` is
    what the policy wanted opened and stated first. Which slot it fills is not said: whoever could fill several
    would learn from it that somebody else was there first."""
    return jcs(
        {
            "v": 1,
            "type": TYPE,
            "team": review.team_id,
            "review": review.id,
            "kind": review.kind,
            "action": review.action_id,
            "revision": review.action.revision,
            "action_digest": bytes(review.action.action_digest or b"").hex(),
            "policy_digest": bytes(review.policy_digest).hex(),
            "evidence_digest": bytes(review.evidence_digest).hex(),
            "render_digest": bytes(review.render_digest).hex(),
            "decision": verdict,
            "meaning": MEANINGS[(review.kind, verdict)],
            "comment_digest": comment_digest(reason),
            **({} if arguments is None else {"change_digest": digest("countersign/arguments/v1", arguments).hex()}),
            "reviewer": reviewer,
            "name": name,
            **in_place_of(delegation),
            "groups": sorted(groups),
            "opened": iso(review.opened_at),
            "nonce": secrets.token_hex(32),
            "iat": iso(now()),
            "exp": iso(review.expires_at),
            **({"seen": seen} if seen else {}),
        }
    )


def in_place_of(delegation: Delegation | None) -> dict[str, str]:
    """Two fields that stand there only where somebody signs in another's place."""
    return {"on_behalf_of": delegation.delegator_id, "delegation": delegation.pk} if delegation else {}


def comment_digest(reason: str) -> str:
    return hashlib.sha256(reason.encode()).hexdigest()


def manifested(decision: Decision) -> tuple[str, str]:
    """The printed name and the meaning, as they were signed; `decided_at` is the time. What was signed before the name
    was part of it has that of the account. Needs the reviewer loaded."""
    said = read_payload(bytes(decision.payload))
    return str(said.get("name") or decision.reviewer.name), str(said["meaning"])


def read_payload(payload: bytes) -> Mapping[str, Any]:
    return json.loads(payload)  # type: ignore[no-any-return]
