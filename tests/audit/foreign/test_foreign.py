"""What this log signs and proves is accepted by Go's implementation; what is altered in it is refused."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from audit.note import SigningKey, checkpoint_body, sign_note
from audit.verify import leaf_hash
from tests.audit.foreign.golang import answers, build
from tests.audit.test_verify_notes import EXAMPLE, EXAMPLE_KEY
from tests.audit.written import Grown, Witness

SIZES = [1, 2, 3, 7, 8, 255, 256, 257, 300, 1000]
RECORDS = [f'{{"number":{number}}}'.encode() for number in range(max(SIZES))]
KEY = SigningKey.generate("log.example/1")
WITNESS = Witness("witness.example/w1")
KEYS = [KEY.vkey, str(WITNESS.vkey)]
Question = dict[str, Any]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="module")
def tree() -> Grown:
    tree = Grown()
    for begin in range(0, len(RECORDS), 77):
        tree.grow(map(leaf_hash, RECORDS[begin : begin + 77]))
    return tree


def note(tree: Grown, size: int) -> str:
    body = checkpoint_body("log.example/1", size, tree.root(size))
    return sign_note(body, [KEY]) + WITNESS.cosign(body)


def encoded(hashes: list[bytes]) -> list[str]:
    return [b64encode(one).decode() for one in hashes]


def inclusion(tree: Grown, index: int, size: int) -> Question:
    return {"Kind": "inclusion", "Note": note(tree, size), "Keys": KEYS, "Index": index,
            "Record": b64encode(RECORDS[index]).decode(), "Proof": encoded(tree.inclusion(index, size))}  # fmt: skip


def consistency(tree: Grown, old: int, new: int) -> Question:
    return {"Kind": "consistency", "Note": note(tree, new), "OldNote": note(tree, old), "Keys": KEYS,
            "Proof": encoded(tree.consistency(old, new))}  # fmt: skip


def flipped(text: str, place: int = 0) -> str:
    """One letter of base64 changed."""
    return text[:place] + ("B" if text[place] == "A" else "A") + text[place + 1 :]


def refused(found: list[str]) -> bool:
    return all(answer.startswith("refuse ") for answer in found)


def test_signed_notes_and_cosignatures_are_accepted(program: Path, tree: Grown) -> None:
    asked = [{"Kind": "note", "Note": note(tree, size), "Keys": keys} for size in SIZES for keys in (KEYS, KEYS[:1])]
    assert answers(program, asked) == ["accept"] * len(asked)


def test_altered_notes_are_refused(program: Path, tree: Grown) -> None:
    good = note(tree, 300)
    lines = good.splitlines()
    bad = [
    good.replace("\n300\n", "\n301\n"), good.replace("log.example/1\n", "log.example/2\n", 1),
    good.replace(lines[2], flipped(lines[2])), good.replace(lines[4], flipped(lines[4], 60)),
    good.replace(lines[5], flipped(lines[5], 60)), "\n".join(lines[:5]) + "\n", "\n".join(lines[:4]) + "\n", good[:-1],
]  # fmt: skip
    found = answers(program, [{"Kind": "note", "Note": one, "Keys": KEYS} for one in [good, *bad]])
    assert found[0] == "accept"
    assert refused(found[1:])
    stranger = [SigningKey.generate("log.example/1").vkey]
    assert refused(answers(program, [{"Kind": "note", "Note": good, "Keys": stranger}]))


def test_the_example_of_the_specification_reaches_the_same_end(program: Path) -> None:
    """It verifies, and is no checkpoint."""
    asked = {"Kind": "note", "Note": EXAMPLE, "Keys": [EXAMPLE_KEY]}
    assert answers(program, [asked]) == ["refuse no checkpoint"]


def test_inclusion_proofs_are_accepted(program: Path, tree: Grown) -> None:
    asked = [inclusion(tree, index, size) for size in SIZES for index in {0, size // 3, size // 2, size - 1}]
    assert answers(program, asked) == ["accept"] * len(asked)


def test_altered_inclusion_proofs_are_refused(program: Path, tree: Grown) -> None:
    good = inclusion(tree, 100, 300)
    proof = good["Proof"]
    changes: list[Question] = [
        {"Index": 101}, {"Index": 300}, {"Record": b64encode(b"another").decode()}, {"Proof": proof[:-1]},
        {"Proof": [*proof, proof[0]]}, {"Proof": proof[::-1]}, {"Proof": []}, {"Note": note(tree, 1000)},
        *({"Proof": [*proof[:at], flipped(proof[at], at), *proof[at + 1 :]]} for at in range(len(proof))),
    ]  # fmt: skip
    found = answers(program, [good, *(good | change for change in changes)])
    assert found[0] == "accept"
    assert refused(found[1:])


def test_consistency_proofs_are_accepted(program: Path, tree: Grown) -> None:
    asked = [consistency(tree, old, new) for new in SIZES for old in SIZES if old <= new]
    assert answers(program, asked) == ["accept"] * len(asked)


def test_altered_consistency_proofs_are_refused(program: Path, tree: Grown) -> None:
    good = consistency(tree, 257, 1000)
    proof = good["Proof"]
    other = Grown().grow(map(leaf_hash, [b"rewritten", *RECORDS[1:]]))
    changes: list[Question] = [
    {"Proof": proof[:-1]}, {"Proof": proof[1:]}, {"Proof": [*proof, proof[0]]}, {"Proof": proof[::-1]}, {"Proof": []},
    {"OldNote": note(tree, 256)}, {"OldNote": note(other, 257)}, {"Note": note(other, 1000)},
    *({"Proof": [*proof[:at], flipped(proof[at], at), *proof[at + 1 :]]} for at in range(len(proof))),
]  # fmt: skip
    found = answers(program, [good, *(good | change for change in changes)])
    assert found[0] == "accept"
    assert refused(found[1:])


def test_tiles_are_read_to_the_same_proofs_and_altered_ones_are_refused(program: Path, tree: Grown) -> None:
    tiles = {f"{level}/{n}/{len(data) // 32}": b64encode(data).decode() for (level, n), data in tree.tiles.items()}
    asked = [inclusion(tree, index, 1000) | {"Kind": "tiles", "Tiles": tiles} for index in range(0, 1000, 37)]
    assert answers(program, asked) == ["accept"] * len(asked)
    spoilt = [asked[5] | {"Tiles": tiles | {name: flipped(tiles[name], 8)}} for name in ("0/0/256", "1/0/3")]
    assert refused(answers(program, spoilt))
