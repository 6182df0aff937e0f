"""What a bundle holds beside its leaves: the proofs, the signed tree, and what is needed to check both elsewhere."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path

from audit import proofs, trees, verify
from audit.exports.evidence import Enrolments
from audit.exports.files import Content, Output
from audit.exports.leaves import Leaves
from audit.exports.readme import readme
from audit.exports.scope import choice
from audit.models import Checkpoint, Export, LogKey, Receipt, Tree
from audit.offline import verify_page
from audit.verify import VKey, parse_checkpoint, parse_note

INDEXES, HASHES, DISCLOSURES, DECISIONS = "indexes.txt", "hashes.bin", "disclosures.jsonl", "decisions.jsonl"


def contents(export: Export, tree: Tree, checkpoint: Checkpoint, leaves: Leaves, output: Output) -> dict[str, Content]:
    """By name, in the order in which they lie in the archive."""
    found: dict[str, Content] = {DISCLOSURES: output.path(DISCLOSURES)} if DISCLOSURES in output.names else {}
    if DECISIONS in output.names:
        found[DECISIONS] = _complete(output, Enrolments(tree, checkpoint.size))
    if choice(export) or export.records != export.end - export.begin:
        found |= {INDEXES: output.path(INDEXES), HASHES: _hashes(export, leaves, output)}
    found["range-proof.txt"] = _range_proof(tree, export.begin, export.end, checkpoint.size)
    found["checkpoint"] = proofs.signed_note(checkpoint).encode()
    oldest = checkpoint.size
    if export.previous:
        oldest = parse_checkpoint(parse_note(export.previous).body).size
        found["previous-checkpoint"] = export.previous.encode()
        found["consistency.txt"] = _lines(trees.consistency_proof(tree, oldest, checkpoint.size))
    found["policy"] = _policy(tree, checkpoint, oldest).encode()
    found |= _anchors(tree, checkpoint)
    found["README.txt"] = readme(export, tree.origin).encode()
    return found | {"verify.py": Path(verify.__file__), "verify.html": verify_page()}


def _complete(output: Output, enrolments: Enrolments) -> Path:
    """Decisions with the enrolments of their passkeys, whose proofs need the checkpoint."""
    path = output.path("decisions.proven.jsonl")
    with output.path(DECISIONS).open() as source, path.open("w") as file:
        file.writelines(map(enrolments.complete, source))
    return path


def _hashes(export: Export, leaves: Leaves, output: Output) -> Path:
    path = output.path(HASHES)
    with path.open("wb") as file:
        file.writelines(leaves.hashes(export.begin, export.end))
    return path


def _range_proof(tree: Tree, begin: int, end: int, size: int) -> bytes:
    left, right = trees.range_proof(tree, begin, end, size)
    return f"countersign-range@v1\n{begin} {end} {size}\n".encode() + _lines(left) + b"\n" + _lines(right)


def _lines(digests: Iterable[bytes]) -> bytes:
    return b"".join(b64encode(digest) + b"\n" for digest in digests)


def _policy(tree: Tree, checkpoint: Checkpoint, oldest: int) -> str:
    """c2sp.org/tlog-policy. Keys that retired before the oldest checkpoint here are left out; those of earlier trees
    are there for what stands in them. The quorum is those who did sign: an auditor who wants more says so in a policy
    of their own."""
    keys = [key.vkey for key in LogKey.objects.filter(tree=tree).order_by("since", "vkey")
            if key.until is None or key.until >= oldest]  # fmt: skip
    before = LogKey.objects.filter(tree__log=tree.log, tree__number__lt=tree.number)
    keys += before.order_by("tree__number", "since", "vkey").values_list("vkey", flat=True)
    signed = {name for name, _, _ in parse_note(proofs.signed_note(checkpoint)).lines}
    witnesses = {f"witness-{number}": vkey for number, vkey in enumerate(proofs.witness_keys(), 1)
                 if VKey.parse(vkey).name in signed}  # fmt: skip
    lines = [f"log {vkey}" for vkey in keys] + [f"witness {name} {vkey}" for name, vkey in witnesses.items()]
    if len(witnesses) > 1:
        lines.append(f"group witnesses all {' '.join(witnesses)}")
    quorum = "none" if not witnesses else "witnesses" if len(witnesses) > 1 else next(iter(witnesses))
    return "\n".join([*lines, f"quorum {quorum}"]) + "\n"


def _anchors(tree: Tree, checkpoint: Checkpoint) -> Mapping[str, bytes]:
    """The newest receipt of each anchor, with the checkpoint that it is for and how that grew into ours."""
    receipts = Receipt.objects.filter(tree=tree, size__lte=checkpoint.size)
    found: dict[str, bytes] = {}
    for receipt in receipts.order_by("anchor", "-size", "-pk").distinct("anchor"):
        anchored = trees.newest_checkpoint(tree, receipt.size)
        place = f"anchors/{_plain(receipt.anchor)}-{receipt.size}"
        found[f"{place}.receipt"] = bytes(receipt.data)
        if anchored is not None:
            found[f"{place}.checkpoint"] = anchored.note.encode()
            proof = trees.consistency_proof(tree, receipt.size, checkpoint.size)
            found[f"{place}.consistency.txt"] = _lines(proof)
    return found


def _plain(name: str) -> str:
    return "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in name)
