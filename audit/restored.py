"""How one tree of the log goes over into the next: only by a restore from a backup, which leaf 0 of the next names."""

import json
from collections.abc import Mapping
from typing import Any

from audit.keys import TreeKeys
from audit.models import Leaf, Record, Tree
from audit.verify import Mismatch, parse_checkpoint, parse_note
from audit.vocabulary import Kind


def told_end(tree: Tree, following: Tree | None, keys: TreeKeys) -> str:
    """What was lost, for people. Raises Mismatch unless leaf 0 of the next tree names exactly what is here, and the end
    that the signer had signed."""
    told = first_leaf(following) if following else None
    if following is None or told is None or told["action"] != Kind.LOG_RESTORED:
        raise Mismatch("no record tells of a restore")
    said = told["detail"]
    if (said["present"], said["present_size"], said["present_root"]) != \
            (tree.origin, tree.size, bytes(tree.root).hex()):  # fmt: skip
        raise Mismatch(f"leaf 0 of {following} names another end of it")
    return f"{tree} ended with {tree.size:,} leaves, and {following} goes on; {_lost(tree, following, said, keys)}"


def _lost(tree: Tree, following: Tree, said: Mapping[str, Any], keys: TreeKeys) -> str:
    signed = parse_checkpoint(parse_note(said["note"]).body)
    named = (said["before"], said["size"], said["root"])
    before = f"{tree.log}/{following.number - 1}"
    if named != (signed.origin, signed.size, signed.root.hex()) or signed.origin != before:
        raise Mismatch(f"leaf 0 of {following} names another end of the log than its note")
    if before != tree.origin:
        return f"{before} was lost as a whole, with {signed.size:,} leaves"
    keys.open(said["note"])
    return f"{signed.size - tree.size:,} signed leaves were lost"


def first_leaf(tree: Tree) -> dict[str, Any] | None:
    place = Leaf.objects.filter(tree=tree, idx=0).first()
    row = place and Record.objects.filter(pk=place.record_id, at=place.at).first()
    return json.loads(bytes(row.leaf)) if row else None
