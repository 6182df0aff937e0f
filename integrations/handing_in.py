"""A document is handed in by an admin and read by a worker: a large one takes a while, and no page waits for it.

A worker that dies over it loses nothing. What was imported and what is told of it are one transaction.
"""

import logging
from collections.abc import Mapping

from django.db import transaction

from audit.move import begin, move
from console.accounts.actors import human
from console.accounts.models import Membership
from console.core import presence
from console.core.actor import Actor, Role, system
from console.core.attest import attest, verify
from console.core.clock import now
from console.core.errors import Conflict, Invalid, Refusal, Tampered
from console.core.wake import wake
from integrations.importing import Outcome, check_bound, import_openapi
from integrations.imports import Import
from integrations.openapi.reading import MAX_BYTES
from integrations.overlay import read_overlay
from integrations.sweep import READ, WORKER

MOST_ATTEMPTS = 3  # a document that ends three workers ends no fourth
SHOWN = 100  # of each kind
OURS = "It could not be read, by a fault of this console. The worker's log says more."
DEADLY = "It was given up: each worker that read it came to an end over it."

logger = logging.getLogger(__name__)


@transaction.atomic
def hand_in(
    data: bytes, *, slug: str, title: str, base_url: str, credential_type: str,
    credential_settings: Mapping[str, str], overlay: str = "", actor: Actor,
) -> Import:  # fmt: skip
    """Raises Invalid and Conflict for what is wrong without looking at the document."""
    actor.require(Role.ADMIN)
    if len(data) > MAX_BYTES:
        raise Invalid(f"The document has {len(data):,} bytes; {MAX_BYTES:,} is the most.")
    bound = check_bound(slug, title, base_url, credential_type, credential_settings, actor=actor)
    if overlay.strip():
        read_overlay(overlay)
    one = Import(
        team_id=actor.team, by=actor.id, bound={"slug": slug, **bound}, document=data, overlay=overlay, size=len(data)
    )
    one.attestation = attest("import", one.attested())
    begin(one, actor=actor, detail={"slug": slug, "size": len(data)})
    wake(READ, WORKER, one.pk)
    return one


def read_import(import_id: str) -> None:
    """The worker's part; nothing where somebody else reads it."""
    one = _claim(import_id)
    if one is None:
        return
    try:
        verify("import", one.attested(), one.attestation)
        data, overlay = bytes(one.document or b""), one.overlay
        import_openapi(data, **one.bound, overlay=overlay, actor=_person(one), then=lambda outcome: _end(one, outcome))
    except (Refusal, Tampered) as problem:
        _fail(one, str(getattr(problem, "text", problem)))
    except Exception:
        logger.exception("import %s failed", import_id)
        _fail(one, OURS)


@transaction.atomic
def _claim(import_id: str) -> Import | None:
    """One that waits, or whose worker is no more."""
    one = Import.objects.select_for_update().filter(pk=import_id).first()
    if one is None or one.state not in ("waiting", "reading"):
        return None
    if one.state == "reading":
        if one.worker in presence.alive():
            return None
        if one.attempts >= MOST_ATTEMPTS:
            _fail(one, DEADLY)
            return None
        move(one, "waiting", actor=system("worker"), worker=0)
    move(one, "reading", actor=system("worker"), worker=presence.number(), attempts=one.attempts + 1)
    return one


def _person(one: Import) -> Actor:
    """Who handed it in, with the roles that they have now."""
    member = Membership.objects.select_related("user").filter(user=one.by, team=one.team_id, user__is_active=True)
    membership = member.first()
    if membership is None:
        raise Conflict("Whoever handed it in is not in the team any more.")
    return human(membership.user, membership, auth="session")


def _end(one: Import, outcome: Outcome) -> None:
    report = outcome.report
    told = {
        "title": outcome.integration.title, "operations": report.operations, "added": len(outcome.added),
        "changed": outcome.changed[:SHOWN], "changed_count": len(outcome.changed), "gone": outcome.gone[:SHOWN],
        "gone_count": len(outcome.gone), "overlaid": outcome.overlaid,
        **{name: [{"place": p.place, "text": p.text} for p in problems[:SHOWN]]
           for name, problems in (("unapplied", report.unapplied), ("left_out", report.left_out),
                                  ("notes", report.notes))},
        "unapplied_count": len(report.unapplied), "left_out_count": len(report.left_out), "notes_count": report.noted,
        "findings": outcome.findings,
    }  # fmt: skip
    move(one, "done", actor=system("worker"), ended_at=now(), document=None, overlay="", report=told,
         detail={"slug": one.bound["slug"], "added": told["added"], "changed": told["changed_count"]})  # fmt: skip


@transaction.atomic
def _fail(one: Import, error: str) -> None:
    move(one, "failed", actor=system("worker"), ended_at=now(), document=None, overlay="", error=error[:1_000],
         detail={"slug": one.bound["slug"]})  # fmt: skip
