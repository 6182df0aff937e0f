"""Asking for an export. It is written later, by the publisher; that it was asked for is itself a record."""

import datetime as dt
import re
from collections.abc import Mapping

from django.db import transaction

from audit import trees
from audit.access import READERS
from audit.exports.forms import FORMS, missing
from audit.exports.scope import FIELDS
from audit.models import Export, LogKey, Tree
from audit.move import begin
from audit.read import require_role
from audit.record import record
from audit.verify import Checkpoint, Mismatch, VKey, open_note, parse_checkpoint, parse_note
from audit.vocabulary import Kind
from console.core.actor import Actor
from console.core.errors import Conflict, Invalid

MOST = 5  # exports of a team that are not finished
LONGEST = 200
LONGEST_NOTE = 20_000
UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def request_export(
    actor: Actor, *, form: str, filter: Mapping[str, object], previous: str = "", tree: int | None = None
) -> Export:
    """`filter` has the names of `audit.queries.Filter`. `previous` is a checkpoint that the auditor has kept: the
    bundle then proves that the log only grew since. `tree` is the number of one; without it, the one that is open when
    writing begins. Raises Refusals that say what to do."""
    require_role(actor, *READERS, page="exports")
    if form not in FORMS:
        raise Invalid(f"An export is one of {', '.join(FORMS)}.")
    if lacking := missing(form):
        raise Conflict(lacking, code="not_installed")
    chosen, of, kept = _read(filter), _chosen_tree(tree), ""
    if previous.strip() and FORMS[form].proves:
        of = of or trees.open_tree()  # a restore may close it before writing begins
        kept = check_previous(previous, of, actor=actor)
    if Export.objects.filter(team=actor.team, state__in=("requested", "running")).count() >= MOST:
        raise Conflict(f"{MOST} exports of your team are being written. Wait until one is done.", code="too_many")
    export = Export(team=actor.team, form=form, filter=chosen, previous=kept, requested_by=actor.id, tree=of)
    return _store(export, actor)


@transaction.atomic
def _store(export: Export, actor: Actor) -> Export:
    tree = {"tree": export.tree.number} if export.tree else {}
    begin(export, actor=actor, detail={"form": export.form, "filter": export.filter, **tree})
    export.refresh_from_db(fields=["requested_at"])
    return export


def _read(filter: Mapping[str, object]) -> dict[str, str]:
    chosen = {name: str(value) for name in FIELDS if (value := filter.get(name))}
    if unknown := filter.keys() - FIELDS:
        raise Invalid(f"Records cannot be chosen by {', '.join(sorted(unknown))}.")
    try:
        days = {name: dt.date.fromisoformat(chosen[name]) for name in ("since", "until") if name in chosen}
    except ValueError:
        raise Invalid("A day is written like 2026-11-20.") from None
    if len(days) == 2 and days["since"] > days["until"]:
        raise Invalid("The last day lies before the first.")
    if any(len(value) > LONGEST or UNFIT.search(value) for value in chosen.values()):
        raise Invalid("Records are chosen by a few words, without line breaks.")
    return chosen


def _chosen_tree(number: int | None) -> Tree | None:
    if number is None:
        return None
    tree = trees.all_trees().filter(number=number).first()
    if tree is None:
        raise Invalid(f"This log has no tree {number}.")
    if tree.closed_at and not trees.newest_checkpoint(tree):
        raise Conflict(f"Nothing of {tree} was signed before it was closed.")
    return tree


def check_previous(text: str, tree: Tree | None, *, actor: Actor) -> str:
    """The note as it was signed, whatever a form did to its line ends. Raises Invalid, and Conflict when it is good and
    this tree is not its continuation: that is an alarm, unless a restore lost what it is of."""
    newest = tree and trees.newest_checkpoint(tree)
    if not tree or not newest:
        raise Conflict("The log has no signed checkpoint yet.")
    note = "\n".join(text.strip().splitlines()) + "\n"
    kept = _open(note)
    if kept.origin != tree.origin:
        raise Invalid(f"This checkpoint is of {kept.origin}. {_which_tree(kept.origin, tree)}")
    if kept.size > newest.size and _was_lost(kept, tree):
        text = f"A restore lost the end of {tree}: {newest.size} signed records are here, and your checkpoint has"
        raise Conflict(f"{text} {kept.size}. Leaf 0 of the next tree tells of it.", code="lost")
    if kept.size > newest.size:
        what = f"A checkpoint of {kept.size} records was handed in, and the log has {newest.size}"
    elif trees.tree_root(tree, kept.size) != kept.root:
        what = f"The first {kept.size} records are not those of a checkpoint that was handed in"
    else:
        return note
    record(Kind.ALARM_TAMPERED, subject=tree.origin, actor=actor, detail={"what": what})
    raise Conflict(f"{what}. Keep this checkpoint: it shows that the log was rewritten.", code="rewritten")


def _which_tree(origin: str, wanted: Tree) -> str:
    other = trees.all_trees().filter(origin=origin).first()
    return f"Choose the tree {other} to hand it in." if other else f"This log is {wanted}."


def _was_lost(kept: Checkpoint, tree: Tree) -> bool:
    """Whether the end that the signer knew, when a restore closed the tree, explains what is not here. After trees that
    are lost as a whole, nothing here tells where this one ended."""
    if not tree.closed_at:
        return False
    end = parse_checkpoint(parse_note(tree.remembered).body)
    return end.origin != tree.origin or kept.size < end.size or kept[:3] == end[:3]


def _open(note: str) -> Checkpoint:
    if len(note) > LONGEST_NOTE:
        raise Invalid("This is too long for a checkpoint.")
    keys = LogKey.objects.values_list("vkey", flat=True)
    try:
        return open_note(note, map(VKey.parse, keys))[0]
    except Mismatch as fault:
        raise Invalid(f"This is no checkpoint of this log. {fault}") from fault
