"""The tiles of a tree, made again from the hashes of its leaves and held against the rows."""

from collections.abc import Callable, Sequence

from django.db import connection

from audit import merkle, trees
from audit.merkle import Tile
from audit.models import Tree

# One byte more or less than its leaves make is a finding, and so is a row that they do not make at all. A shift by 64
# would begin again at 0: hence the levels.
_PAST = """
SELECT level, n FROM audit_tile
WHERE tree_id = %s AND (level < 0 OR level > 7 OR n < 0 OR n * 256 >= %s::bigint >> (8 * level)) ORDER BY level, n
"""


class DerivedTiles:
    """Of one tree, whose leaf hashes come in order. What does not fit is told to `find`."""

    def __init__(self, tree: Tree, find: Callable[[str], None]) -> None:
        self.tree, self.find = tree, find
        self.size = 0
        self.partial: dict[Tile, bytes] = {}

    def append(self, hashes: Sequence[bytes]) -> None:
        known = self.partial | (changed := merkle.extend(self.size, self.partial, hashes))
        self.size += len(hashes)
        self.partial = {tile: known[tile] for tile in merkle.rightmost(self.size)}
        self._compare({tile: made for tile, made in changed.items() if tile not in self.partial})

    def finish(self) -> None:
        self._compare(self.partial)
        with connection.cursor() as cursor:
            cursor.execute(_PAST, [self.tree.pk, self.size])
            for level, n in cursor.fetchall():
                self.find(f"Tile {level}/{n} of {self.tree} lies past its end")

    def _compare(self, made: dict[Tile, bytes]) -> None:
        held = trees.read_tiles(self.tree, made)
        for (level, n), hashes in sorted(made.items()):
            if (level, n) not in held:
                self.find(f"Tile {level}/{n} of {self.tree} is missing")
            elif held[level, n] != hashes:
                self.find(f"Tile {level}/{n} of {self.tree} is not what its leaves make")


def held_hashes(tree: Tree, begin: int, end: int) -> list[bytes]:
    """What the tiles hold for each leaf of the range; b"" where a tile is missing or too short."""
    numbers = range(begin // merkle.WIDTH, -(-end // merkle.WIDTH))
    tiles = trees.read_tiles(tree, ((0, n) for n in numbers))
    found = []
    for index in range(begin, end):
        at = index % merkle.WIDTH * merkle.HASH
        held = tiles.get((0, index // merkle.WIDTH), b"")[at : at + merkle.HASH]
        found.append(held if len(held) == merkle.HASH else b"")
    return found
