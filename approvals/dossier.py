"""One action as one file that needs nobody here: what was asked, shown, signed, sent and answered, with its records
and their proofs, each in the tree that holds it. The file checks itself when it is opened; everything in it is data,
and is shown as text."""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Mapping
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

FORMAT = "countersign-dossier/2"
READERS = (Role.AUDITOR, Role.ADMIN, Role.REVIEWER)
OF_PASSKEYS = (Kind.PASSKEY_ENROLLED, Kind.PASSKEY_REVOKED)
ABOUT = "audit:"  # records of looking at something: the newest of them are hardly ever signed yet, and may be missing


@dataclass(frozen=True, slots=True)
class Dossier:
    action: Action
    page: bytes


@dataclass(frozen=True, slots=True)
class Placed:
    leaf: Leaf
    record: Record

    @property
    def about(self) -> bool:
        return self.record.kind.startswith(ABOUT)


@dataclass(frozen=True, slots=True)
class Signed:
    """The trees that hold the records, each by one checkpoint, the oldest first: after a restore there are two."""

    checkpoints: list[Checkpoint]

    def holds(self, one: Placed) -> bool:
        return any(it.tree_id == one.leaf.tree_id and one.leaf.idx < it.size for it in self.checkpoints)

    def place(self, one: Placed) -> dict[str, int]:
        number = next(n for n, it in enumerate(self.checkpoints) if it.tree_id == one.leaf.tree_id)
        return {"tree": number, "index": one.leaf.idx}

    def proven(self, one: Placed) -> dict[str, object]:
        place = self.place(one)
        proof = trees.inclusion_proof(one.leaf.tree, one.leaf.idx, self.checkpoints[place["tree"]].size)
        return {**place, "leaf": bytes(one.record.leaf).decode(), "proof": proofs.proof_lines(proof)}


def make_dossier(actor: Actor, review_id: str) -> Dossier:
    """Raises Conflict while the action goes on, or while its records are not all in signed trees."""
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
    """What stands in the file, and the size of the newest tree that its proofs are about."""
    reviews = list(action.reviews.order_by("opened_at", "pk"))
    decisions = list(Decision.objects.filter(review__in=reviews).order_by("decided_at").select_related("passkey"))
    placed, enrolled = place(records_of(action, reviews, decisions)), enrolments(decisions)
    signers = covering([*placed, *enrolled.values()])
    inside = [one for one in placed if signers.holds(one)]
    given = {
        "format": FORMAT, "made_at": iso(now()), "made_by": actor.id, "action": action.id,
        **what_was_agreed(action), "says": action.says,
        "decisions": [signed(one, inside, enrolled, signers) for one in decisions],
        "records": [signers.proven(one) for one in inside],
        "disclosures": list(disclosed(inside, signers)),
        "trees": [{"checkpoint": proofs.signed_note(one), "policy": proofs.policy(one)} for one in signers.checkpoints],
    }  # fmt: skip
    return given, signers.checkpoints[-1].size


def records_of(action: Action, reviews: Iterable[Review], decisions: Iterable[Decision]) -> QuerySet[Record]:
    subjects = [action.id, *(one.id for one in reviews), *(one.id for one in decisions)]
    subjects += [one.delegation_id for one in decisions if one.delegation_id]
    subjects += Call.objects.filter(action=action.id).values_list("pk", flat=True)
    passkeys = [one.passkey_id for one in decisions if one.passkey_id]
    wanted = Q(subject__in=subjects) | Q(subject__in=passkeys, kind__in=OF_PASSKEYS)
    return Record.objects.filter(wanted, team=action.team_id).order_by("at", "pk")


def place(records: Iterable[Record]) -> list[Placed]:
    """In the order of the log. Raises Conflict when one of them stands in no tree yet."""
    placed = places(records := list(records))
    found = {one.record.pk for one in placed}
    if not placed or any(one.pk not in found and not one.kind.startswith(ABOUT) for one in records):
        raise Conflict("The last records of this action wait for the tree. Try again in a moment.", code="not_signed")
    return placed


def places(records: Iterable[Record]) -> list[Placed]:
    """Each in one tree: of what a restore has put into two, only the newer place is signed."""
    by_id = {one.pk: one for one in records}
    leaves = Leaf.objects.filter(record_id__in=by_id).select_related("tree").order_by("tree__number")
    newest = {leaf.record_id: leaf for leaf in leaves}
    found = [Placed(leaf, by_id[leaf.record_id]) for leaf in newest.values()]
    return sorted(found, key=lambda one: (one.leaf.tree.number, one.leaf.idx))


def enrolments(decisions: Iterable[Decision]) -> dict[str, Placed]:
    """By passkey. A person may have added theirs in another of their teams, and before a restore."""
    passkeys = [one.passkey_id for one in decisions if one.passkey_id]
    found = places(Record.objects.filter(subject__in=passkeys, kind=Kind.PASSKEY_ENROLLED))
    return {one.record.subject: one for one in reversed(found)}


def covering(placed: Iterable[Placed]) -> Signed:
    sizes: dict[Tree, int] = {}
    for one in sorted(placed, key=lambda one: one.leaf.tree.number):
        tree = one.leaf.tree
        sizes[tree] = max(sizes.get(tree, 0), 0 if one.about else one.leaf.idx + 1)
    found = [proofs.covering(tree, size) for tree, size in sizes.items() if size]
    if None in found:
        raise Conflict("The last records of this action are not signed yet. Try again in a moment.", code="not_signed")
    return Signed([one for one in found if one])


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
        "path": request.path, "query": request.query, "content_type": request.content_type,
        "headers": [[name, value] for name, value in request.headers], "body": text(request.body),
    }  # fmt: skip


def signed(
    decision: Decision, placed: Iterable[Placed], enrolled: Mapping[str, Placed], signers: Signed
) -> dict[str, object]:
    """As a line of decisions.jsonl. The reason in words is a disclosure of the decision's record, or was erased."""
    wanted = (Kind.DECISION_MADE, decision.id)
    made = next(one for one in placed if (one.record.kind, one.record.subject) == wanted)
    [(_, fields)] = evidence(decision.review.team_id, [decision.id])
    passkey = enrolled.get(decision.passkey_id or "")
    return {**signers.place(made), **fields, **({"enrolled": signers.proven(passkey)} if passkey else {})}


def disclosed(placed: Iterable[Placed], signers: Signed) -> Iterable[dict[str, object]]:
    by_id = {one.record.pk: signers.place(one) for one in placed}
    for row in Disclosure.objects.filter(record_id__in=by_id).order_by("record_id", "path"):
        yield {**by_id[row.record_id], "path": row.path, "salt": bytes(row.salt).hex(), "value": row.value}


def text(data: bytes) -> str:
    return b64encode(data).decode()
