"""Trees of several sizes beside each other, measured in turn: what does one leaf more cost, one proof, one check?

`python -m benchmarks.audit_trees ROUNDS SIZE …`, as the role of the sequencer, while no sequencer runs. Prints one
JSON object: for each size a list of microseconds for each of these. The trees are filled with hashes of no records by
the product's own code; the leaves that are measured belong to real ones.
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable
from hashlib import sha256

import django

BATCH = 1_000  # leaves in one measured integration
PROOFS = 50  # in one round
FILLED = 20_000  # leaves in one step of filling
AT_ONCE = 2_048  # leaves, as a verifier reads them

_PLACES = """
INSERT INTO audit_leaf (tree_id, idx, record_id, at, leaf_hash)
SELECT %s, number, (lpad(to_hex(%s::bigint), 8, '0') || lpad(to_hex(number), 24, '0'))::uuid, clock_timestamp(),
       sha256(int8send(number))
FROM generate_series(%s::bigint, %s::bigint) AS number
"""

Taken = dict[str, list[float]]


def main(rounds: int, sizes: list[int]) -> None:
    from audit.models import Tree  # noqa: PLC0415 - it needs Django

    trees = [filled(f"size-{size}", size) for size in sizes]
    found: dict[str, Taken] = {str(size): {} for size in sizes}
    for _ in range(rounds):
        for size, tree in zip(sizes, trees, strict=True):
            for name, value in one_round(Tree.objects.get(pk=tree)).items():
                found[str(size)].setdefault(name, []).append(value)
    print(json.dumps(found))


def filled(log: str, size: int) -> int:
    from django.db import connection, transaction  # noqa: PLC0415

    from audit.models import Tree  # noqa: PLC0415
    from audit.sequencer import grow  # noqa: PLC0415
    from audit.verify import EMPTY  # noqa: PLC0415

    tree = Tree.objects.create(log=log, number=1, origin=f"{log}/1", root=EMPTY)
    for begin in range(0, size, FILLED):
        end = min(begin + FILLED, size)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_PLACES, [tree.pk, tree.pk, begin, end - 1])
            grow(tree, [digest(number) for number in range(begin, end)])
        tree.refresh_from_db()
    return int(tree.pk)


def digest(number: int) -> bytes:
    return sha256(number.to_bytes(8, "big")).digest()


def one_round(tree) -> dict[str, float]:  # type: ignore[no-untyped-def]  # the model needs Django
    """Microseconds of one leaf more, of one proof made and one checked, and of each leaf when all are checked."""
    from audit import trees  # noqa: PLC0415
    from audit.merkle import HASH, split  # noqa: PLC0415
    from audit.verify import RangeCheck, check_inclusion  # noqa: PLC0415

    append = timed_append(tree)
    tree.refresh_from_db()
    hashes, root = trees.hashes_between(tree, 0, tree.size), bytes(tree.root)
    proofs: dict[int, list[bytes]] = {}

    def prove() -> None:
        for index in random.sample(range(tree.size), PROOFS):
            proofs[index] = trees.inclusion_proof(tree, index, tree.size)

    def check() -> None:
        for index, proof in proofs.items():
            check_inclusion(index, tree.size, hashes[HASH * index : HASH * (index + 1)], proof, root)

    def check_range() -> None:
        whole = RangeCheck(0, tree.size, tree.size, [], [])
        for begin in range(0, len(hashes), HASH * AT_ONCE):
            whole.append(split(hashes[begin : begin + HASH * AT_ONCE]))
        whole.finish(root)

    return {"append": append / BATCH, "proof": clock(prove) / PROOFS, "check": clock(check) / PROOFS,
            "range": clock(check_range) / tree.size}  # fmt: skip


def timed_append(tree) -> float:  # type: ignore[no-untyped-def]
    """As the sequencer does it: from the queue into leaves and tiles, in one transaction."""
    from django.db import connection  # noqa: PLC0415

    from audit.sequencer import integrate  # noqa: PLC0415
    from benchmarks.audit_rows import fill  # noqa: PLC0415

    fill(connection.connection, BATCH, "growth")
    taken: list[int] = []
    microseconds = clock(lambda: taken.append(integrate(tree)))
    assert taken == [BATCH], f"{taken} leaves instead of {BATCH}"
    return microseconds


def clock(work: Callable[[], object]) -> float:
    """Microseconds."""
    began = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - began) / 1e3


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    django.setup()
    main(int(sys.argv[1]), [int(size) for size in sys.argv[2:]])
