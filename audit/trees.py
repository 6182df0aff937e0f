"""The tree as the database holds it: nodes read from tiles, and the proofs made of them."""

import uuid
from collections.abc import Iterable

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from audit import merkle
from audit.merkle import Read, Tile
from audit.models import Checkpoint, Leaf, Tree
from audit.models import Tile as TileRow
from audit.verify import Node, cover, range_nodes

TILES_AT_ONCE = 512


def log_name() -> str:
    """What stands in every leaf, and before the number in the origin of its tree."""
    return settings.ORIGIN.partition("://")[2]


def open_tree() -> Tree | None:
    return Tree.objects.filter(log=log_name(), closed_at=None).first()


def all_trees() -> QuerySet[Tree]:
    """Of this log, the newest first. Those before the open one were ended by restores."""
    return Tree.objects.filter(log=log_name()).order_by("-number")


def read_tiles(tree: Tree, wanted: Iterable[Tile]) -> dict[Tile, bytes]:
    """Those of the wanted that exist."""
    pairs = sorted(wanted)
    found: dict[Tile, bytes] = {}
    for begin in range(0, len(pairs), TILES_AT_ONCE):
        part = pairs[begin : begin + TILES_AT_ONCE]
        keys = [(tree.pk, level, n) for level, n in part]
        rows = TileRow.objects.filter(pk__in=keys).values_list("level", "n", "hashes")
        found |= {(level, n): bytes(hashes) for level, n, hashes in rows}
    return found


def reader(tree: Tree, nodes: Iterable[Node]) -> Read:
    """For exactly these nodes: their tiles are fetched at once."""
    return merkle.reader(read_tiles(tree, merkle.tiles_for(list(nodes))))


def tree_root(tree: Tree, size: int) -> bytes:
    return merkle.tree_root(size, reader(tree, cover(0, size)))


def inclusion_proof(tree: Tree, index: int, size: int) -> list[bytes]:
    """Raises ValueError when the tree of this size has no such leaf."""
    wanted: list[Node] = []
    merkle.inclusion_proof(index, size, _listing(wanted))
    return merkle.inclusion_proof(index, size, reader(tree, wanted))


def consistency_proof(tree: Tree, old: int, new: int) -> list[bytes]:
    """Raises ValueError when `old` is larger than `new`."""
    wanted: list[Node] = []
    merkle.consistency_proof(old, new, _listing(wanted))
    return merkle.consistency_proof(old, new, reader(tree, wanted))


def range_proof(tree: Tree, begin: int, end: int, size: int) -> tuple[list[bytes], list[bytes]]:
    """The subtrees left and right of the range, as `verify.RangeCheck` takes them."""
    left, right = range_nodes(begin, end, size)
    read = reader(tree, [*left, *right])
    return [read(node) for node in left], [read(node) for node in right]


def _listing(wanted: list[Node]) -> Read:
    """Takes down which nodes a proof asks for; the proof made with it is of no use."""

    def note(node: Node) -> bytes:
        wanted.append(node)
        return b""

    return note


def newest_checkpoint(tree: Tree, size: int | None = None) -> Checkpoint | None:
    """The newest of all, or the first that holds `size` leaves."""
    checkpoints = Checkpoint.objects.filter(tree=tree)
    if size is None:
        return checkpoints.order_by("-size").first()
    return checkpoints.filter(size__gte=size).order_by("size").first()


def place_of(record_id: uuid.UUID) -> Leaf | None:
    """Where the record stands; in the newest tree, when a restore has put it into two."""
    return Leaf.objects.filter(record_id=record_id).order_by("-tree_id").select_related("tree").first()


def hashes_between(tree: Tree, begin: int, end: int) -> bytes:
    """32 bytes for each leaf of the range, from the tiles."""
    tiles = read_tiles(tree, ((0, n) for n in range(begin // merkle.WIDTH, -(-end // merkle.WIDTH))))
    whole = b"".join(tiles[tile] for tile in sorted(tiles))
    first = begin // merkle.WIDTH * merkle.WIDTH
    return whole[(begin - first) * merkle.HASH : (end - first) * merkle.HASH]


def store_tiles(tree: Tree, tiles: dict[Tile, bytes]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO audit_tile (tree_id, level, n, hashes) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (tree_id, level, n) DO UPDATE SET hashes = EXCLUDED.hashes",
            [(tree.pk, level, n, hashes) for (level, n), hashes in tiles.items()],
        )
