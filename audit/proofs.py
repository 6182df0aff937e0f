"""Proofs as they are handed out, in the text forms of C2SP: for one record, and for how one tree grew into another."""

import uuid
from base64 import b64encode
from dataclasses import dataclass

from audit import trees
from audit.models import Checkpoint, Cosignature, LogKey, Tree
from audit.publishing import ways
from audit.verify import VKey, parse_note

HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Proven:
    """Where a record stands in a signed tree; `text` is a proof as in c2sp.org/tlog-proof."""

    tree: Tree
    index: int
    size: int
    text: str


def prove_place(record_id: uuid.UUID) -> Proven | None:
    """None while no signed tree holds the record."""
    leaf = trees.place_of(record_id)
    checkpoint = covering(leaf.tree, leaf.idx + 1) if leaf else None
    if leaf is None or checkpoint is None:
        return None
    lines = [HEADER, f"index {leaf.idx}", *proof_lines(trees.inclusion_proof(leaf.tree, leaf.idx, checkpoint.size))]
    text = "\n".join([*lines, "", signed_note(checkpoint)])
    return Proven(leaf.tree, leaf.idx, checkpoint.size, text)


def covering(tree: Tree, size: int) -> Checkpoint | None:
    """The newest checkpoint over these leaves that a witness has seen; without one, the newest that holds them."""
    seen = (
        Cosignature.objects.filter(tree=tree, size__gte=size).order_by("-size").values_list("size", flat=True).first()
    )
    newest = trees.newest_checkpoint(tree) if seen is None else trees.newest_checkpoint(tree, seen)
    return newest if newest and newest.size >= size else None


def signed_note(checkpoint: Checkpoint) -> str:
    """With the lines that witnesses gave under the log's own."""
    lines = Cosignature.objects.filter(tree=checkpoint.tree_id, size=checkpoint.size).order_by("witness")
    return checkpoint.note + "".join(lines.values_list("line", flat=True))


def proof_lines(proof: list[bytes]) -> list[str]:
    return [b64encode(digest).decode() for digest in proof]


def log_keys(tree: Tree) -> list[str]:
    """All that ever signed it, the oldest first."""
    return list(LogKey.objects.filter(tree=tree).order_by("since", "vkey").values_list("vkey", flat=True))


def introductions(tree: Tree) -> list[str]:
    """The checkpoints that a key and its successor have both signed: who knows the one key comes to know the other."""
    sizes = LogKey.objects.filter(tree=tree).order_by("since").values_list("since", flat=True).distinct()[1:]
    return list(
        Checkpoint.objects.filter(tree=tree, size__in=list(sizes)).order_by("size").values_list("note", flat=True)
    )


def policy(checkpoint: Checkpoint) -> str:
    """c2sp.org/tlog-policy, with the log's keys and those witnesses that did sign this checkpoint."""
    signed = {name for name, _, _ in parse_note(signed_note(checkpoint)).lines}
    witnesses = [vkey for vkey in witness_keys() if VKey.parse(vkey).name in signed]
    names = [f"witness-{number}" for number, _ in enumerate(witnesses, 1)]
    lines = [f"log {vkey}" for vkey in log_keys(checkpoint.tree)]
    lines += [f"witness {name} {vkey}" for name, vkey in zip(names, witnesses, strict=True)]
    end = [f"group witnesses all {' '.join(names)}", "quorum witnesses"] if names else ["quorum none"]
    return "\n".join([*lines, *end]) + "\n"


def witness_keys() -> list[str]:
    """Of the witnesses that the log is taken to."""
    return sorted(vkey for way in ways() if (vkey := getattr(way, "vkey", "")))
