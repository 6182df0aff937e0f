"""Tiles, grown in batches, against the definitions of RFC 6962 and c2sp.org/tlog-tiles."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.merkle import (
    HASH,
    WIDTH,
    consistency_proof,
    extend,
    inclusion_proof,
    reader,
    rightmost,
    split,
    tile_path,
    tiles_for,
    tree_root,
)
from audit.verify import Node, check_consistency, check_inclusion
from tests.audit.definition import LEAVES, mth, read


def grown(batches: Sequence[int]) -> dict[tuple[int, int], bytes]:
    """Tiles as a writer makes them who reads only what `rightmost` names."""
    size, tiles = 0, dict[tuple[int, int], bytes]()
    for count in batches:
        partial = {tile: tiles[tile] for tile in rightmost(size)}
        assert {tile: len(held) // HASH for tile, held in partial.items()} == rightmost(size)
        tiles |= extend(size, partial, LEAVES[size : size + count])
        size += count
    return tiles


def expected_tiles(size: int) -> dict[tuple[int, int], bytes]:
    found: dict[tuple[int, int], bytes] = {}
    level, count = 0, size
    while count:
        for n in range(-(-count // WIDTH)):
            last = min((n + 1) * WIDTH, count)
            found[level, n] = b"".join(read((level * 8, index)) for index in range(n * WIDTH, last))
        level, count = level + 1, count // WIDTH
    return found


@given(st.lists(st.integers(0, 700), max_size=12))
def test_tiles_grown_in_batches_are_those_of_the_definition(batches: list[int]) -> None:
    size = sum(batches)
    tiles = grown(batches)
    assert tiles == expected_tiles(size)
    assert tree_root(size, reader(tiles)) == mth(0, size)


@pytest.mark.parametrize("batches", [[65_535, 1, 1], [65_536], [40_000, 25_537, 4_000], [69_999, 1]])
def test_tiles_of_three_levels_are_those_of_the_definition(batches: list[int]) -> None:
    size = sum(batches)
    tiles = grown(batches)
    assert tiles == expected_tiles(size)
    assert tree_root(size, reader(tiles)) == mth(0, size)
    for index in (0, 255, 256, 65_534, size - 1):
        check_inclusion(index, size, LEAVES[index], inclusion_proof(index, size, reader(tiles)), mth(0, size))


@given(st.integers(1, 70_000), st.integers(1, 70_000))
def test_a_reader_needs_no_other_tiles_than_are_named(one: int, other: int) -> None:
    old, new = sorted((one, other))
    wanted: list[Node] = []
    consistency_proof(old, new, lambda node: wanted.append(node) or b"")  # type: ignore[func-returns-value]
    tiles = {tile: b"".join(read((tile[0] * 8, index)) for index in range(tile[1] * WIDTH, whole))
             for tile in tiles_for(wanted)
             if (whole := min((tile[1] + 1) * WIDTH, new >> tile[0] * 8))}  # fmt: skip
    check_consistency(old, new, mth(0, old), mth(0, new), consistency_proof(old, new, reader(tiles)))


def test_a_tile_that_is_short_or_away_is_not_read_over() -> None:
    tiles = extend(0, {}, LEAVES[:100])
    with pytest.raises(ValueError, match="too short"):
        reader(tiles)((0, 100))
    with pytest.raises(ValueError, match="too short"):
        reader(tiles)((6, 1))
    with pytest.raises(KeyError):
        reader(tiles)((0, 256))
    with pytest.raises(ValueError, match="holds 99 hashes instead of 100"):
        extend(100, {(0, 0): tiles[0, 0][:-HASH]}, LEAVES[100:101])
    assert b"".join(split(tiles[0, 0])) == tiles[0, 0]


@pytest.mark.parametrize(("tile", "width", "expected"), [
    ((0, 0), 256, "tile/0/000"), ((0, 0), 1, "tile/0/000.p/1"), ((3, 1234067), 256, "tile/3/x001/x234/067"),
    ((0, 999), 8, "tile/0/999.p/8"), ((1, 1000), 256, "tile/1/x001/000"), ((0, 1000000), 256, "tile/0/x001/x000/000"),
])  # fmt: skip
def test_tiles_have_the_paths_of_the_specification(tile: tuple[int, int], width: int, expected: str) -> None:
    assert tile_path(tile, width) == expected
