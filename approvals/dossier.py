"""One action as one file that needs nobody here: what was asked, shown, signed, sent and answered, with its records
and their proofs. The file checks itself when it is opened; everything in it is data, and is shown as text."""

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from approvals.access import access_review
from approvals.digests import action_digest, action_document, rendering
from approvals.evidence import evidence
from approvals.models import Action, Decision, Review
from audit import offline, proofs, trees
from audit.models import Checkpoint, Disclosure, Leaf, Record, Tree
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.clock import iso, now
from console.core.errors import Conflict, Invalid
from integrations.description import Description
from integrations.models import Call
from integrations.render import Rendered, render

FORMAT = "countersign-dossier/1"
READERS = (Role.AUDITOR, Role.ADMIN, Role.REVIEWER)
OF_PASSKEYS = (Kind.PASSKEY_ENROLLED, Kind.PASSKEY_REVOKED)
ABOUT = "audit:"  # records of looking at something: the newest of them are hardly ever signed yet, and may be missing


@dataclass(frozen=True, slots=True)
class Dossier:
    action: Action
    page: bytes


@dataclass(frozen=True, slots=True)
class Placed:
    index: int
    record: Record


def make_dossier(actor: Actor, review_id: str) -> Dossier:
    """Raises Conflict while the action goes on, or while its records are not all in one signed tree."""
    actor.require(*READERS)
    action = access_review(actor, review_id).action
    if not action.settled:
        raise Conflict("A dossier is made when the action is settled.", code="not_settled")
    given, size = gather(action, actor)
    page = offline.page("dossier", "dossier_page.js", given).encode()
    detail = {"records": len(given["records"]), "size": size, "digest": hashlib.sha256(page).hexdigest()}
    record(Kind.DOSSIER_MADE, subject=action.id, actor=actor, detail=detail)
    return Dossier(action, page)


def gather(action: Action, actor: Actor) -> tuple[dict[str, Any], int]:
    """What stands in the file, and the size of the tree that its proofs are about."""
    reviews = list(action.reviews.order_by("opened_at", "pk"))
    decisions = list(Decision.objects.filter(review__in=reviews).order_by("decided_at").select_related("passkey"))
    records = list(records_of(action, reviews, decisions))
    tree, placed = place(records)
    checkpoint = covering(tree, placed)
    inside = [one for one in placed if one.index < checkpoint.size]
    given = {
        "format": FORMAT, "made_at": iso(now()), "made_by": actor.id, "action": action.id,
        **what_was_agreed(action), "says": action.says,
        "decisions": [signed(one, inside, tree, checkpoint) for one in decisions],
        "records": [proven(one, tree, checkpoint) for one in inside],
        "disclosures": list(disclosed(inside)),
        "checkpoint": proofs.signed_note(checkpoint), "policy": proofs.policy(checkpoint),
    }  # fmt: skip
    return given, checkpoint.size


def records_of(action: Action, reviews: Iterable[Review], decisions: Iterable[Decision]) -> QuerySet[Record]:
    subjects = [action.id, *(one.id for one in reviews), *(one.id for one in decisions)]
    subjects += Call.objects.filter(action=action.id).values_list("pk", flat=True)
    passkeys = [one.passkey_id for one in decisions if one.passkey_id]
    wanted = Q(subject__in=subjects) | Q(subject__in=passkeys, kind__in=OF_PASSKEYS)
    return Record.objects.filter(wanted, team=action.team_id).order_by("at", "pk")


def place(records: Iterable[Record]) -> tuple[Tree, list[Placed]]:
    """In the order of the tree. Raises Conflict when one of them stands in no tree yet, or in another."""
    by_id = {one.pk: one for one in records}
    leaves = Leaf.objects.filter(record_id__in=by_id).select_related("tree").order_by("-tree_id", "idx")
    tree = leaves[0].tree if leaves else None
    found = {leaf.record_id: leaf.idx for leaf in leaves if tree and leaf.tree_id == tree.pk}
    missing = [one for one in by_id.values() if one.pk not in found and not one.kind.startswith(ABOUT)]
    if tree is None or missing:
        raise Conflict("The last records of this action wait for the tree. Try again in a moment.", code="not_signed")
    return tree, sorted((Placed(index, by_id[pk]) for pk, index in found.items()), key=lambda one: one.index)


def covering(tree: Tree, placed: Iterable[Placed]) -> Checkpoint:
    last = max(one.index for one in placed if not one.record.kind.startswith(ABOUT))
    checkpoint = proofs.covering(tree, last + 1)
    if checkpoint is None:
        raise Conflict("The last records of this action are not signed yet. Try again in a moment.", code="not_signed")
    return checkpoint


def what_was_agreed(action: Action) -> dict[str, Any]:
    """The documents under the digests that people signed. Null where they can no longer be made, because the operation
    was described anew since; the digests are in the records all the same."""
    request_digest = bytes(action.request_digest or b"")
    document = action_document(action, request_digest)
    same = action_digest(action, request_digest) == bytes(action.action_digest or b"")
    return {"rendering": rendering(action), "evidence": action.evidence, "document": document if same else None,
            "request": request_parts(action, request_digest)}  # fmt: skip


def request_parts(action: Action, expected: bytes) -> dict[str, object] | None:
    described, base_url = action.operation, action.operation.integration.base_url
    try:
        made = render(Description(described.slug, described.description), action.arguments, base_url=base_url,
                      key=action.key)  # fmt: skip
    except Invalid:
        return None
    return told(made) if made.digest == expected else None


def told(request: Rendered) -> dict[str, object]:
    return {
        "method": request.method, "scheme": request.scheme, "host": request.host, "port": request.port,
        "path": request.path, "query": request.query, "content_type": request.content_type, "body": text(request.body),
    }  # fmt: skip


def signed(decision: Decision, placed: Iterable[Placed], tree: Tree, checkpoint: Checkpoint) -> dict[str, object]:
    """As a line of decisions.jsonl. The reason in words is a disclosure of the decision's record, or was erased."""
    made = (one.index for one in placed if (one.record.kind, one.record.subject) == (Kind.DECISION_MADE, decision.id))
    [(_, fields)] = evidence(decision.review.team_id, [decision.id])
    entry = {"index": next(made), **fields}
    enrolled = enrolment(decision, tree, checkpoint)
    return entry | {"enrolled": enrolled} if enrolled else entry


def enrolment(decision: Decision, tree: Tree, checkpoint: Checkpoint) -> dict[str, object] | None:
    made = Record.objects.filter(subject=decision.passkey_id or "", kind=Kind.PASSKEY_ENROLLED).order_by("at").first()
    leaf = made and Leaf.objects.filter(tree=tree, record_id=made.pk, idx__lt=checkpoint.size).first()
    if not made or not leaf:
        return None
    proof = proofs.proof_lines(trees.inclusion_proof(tree, leaf.idx, checkpoint.size))
    return {"index": leaf.idx, "leaf": bytes(made.leaf).decode(), "proof": proof}


def proven(one: Placed, tree: Tree, checkpoint: Checkpoint) -> dict[str, object]:
    proof = trees.inclusion_proof(tree, one.index, checkpoint.size)
    return {"index": one.index, "leaf": bytes(one.record.leaf).decode(), "proof": proofs.proof_lines(proof)}


def disclosed(placed: Iterable[Placed]) -> Iterable[dict[str, object]]:
    places = {one.record.pk: one.index for one in placed}
    for row in Disclosure.objects.filter(record_id__in=places).order_by("record_id", "path"):
        yield {"index": places[row.record_id], "path": row.path, "salt": bytes(row.salt).hex(), "value": row.value}


def text(data: bytes) -> str:
    return b64encode(data).decode()
