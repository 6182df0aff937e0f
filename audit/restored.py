"""How one tree of the log goes over into the next: only by a restore from a backup, which leaf 0 of the next names."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from audit.keys import TreeKeys
from audit.models import Leaf, Record, Tree
from audit.proof import read_leaf
from audit.verify import Mismatch, check_agreed, check_people, lacking, parse_checkpoint, parse_note, unbase64
from audit.vocabulary import Kind


def told_end(tree: Tree, following: Tree | None, keys: TreeKeys) -> str:
    """What was lost, for people. Raises Mismatch unless leaf 0 of the next tree names exactly what is here, and the end
    that the signer had signed, and two people have signed that."""
    told = first_leaf(following) if following else None
    if following is None or told is None or told["action"] != Kind.LOG_RESTORED:
        raise Mismatch("no record tells of a restore")
    with lacking():
        return _told(tree, following, told["detail"], keys)


def _told(tree: Tree, following: Tree, said: Mapping[str, Any], keys: TreeKeys) -> str:
    if (said["present"], said["present_size"], said["present_root"]) != \
            (tree.origin, tree.size, bytes(tree.root).hex()):  # fmt: skip
        raise Mismatch(f"leaf 0 of {following} names another end of it")
    _check_people(said, following)
    return f"{tree} ended with {tree.size:,} leaves, and {following} goes on; {_lost(tree, following, said, keys)}"


def _check_people(said: Mapping[str, Any], following: Tree) -> None:
    """Two have signed exactly this, each with a passkey that the log says is theirs."""
    check_people(said, following.origin)
    for entry in said["signatures"]:
        enrolled = Record.objects.filter(kind=Kind.PASSKEY_ENROLLED, subject=entry["passkey"]).first()
        leaf = read_leaf(bytes(enrolled.leaf)) if enrolled else None
        told = leaf["detail"] if leaf else {}
        key = sha256(unbase64(entry["public_key"])).hexdigest()
        if (told.get("public_key"), told.get("user")) != (key, check_agreed(entry, said, following.origin)):
            raise Mismatch(f"no record tells that {entry['passkey']}, which signed it, was enrolled for who signed")


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
    return read_leaf(bytes(row.leaf)) if row else None
