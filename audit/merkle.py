"""The other half of `audit.verify`: proofs of RFC 6962 and tiles of C2SP are made here. Pure: nodes are given."""

from collections.abc import Callable, Mapping, Sequence

from audit.verify import EMPTY, Node, cover, fold, join

HASH = 32
HEIGHT = 8  # levels in one tile: c2sp.org/tlog-tiles
WIDTH = 1 << HEIGHT

Read = Callable[[Node], bytes]
Tile = tuple[int, int]  # (tile level, index)


def tree_root(size: int, read: Read) -> bytes:
    return _root(0, size, read) if size else EMPTY


def _root(begin: int, end: int, read: Read) -> bytes:
    """MTH(D[begin:end]) of RFC 9162."""
    return join([read(node) for node in cover(begin, end)])


def inclusion_proof(index: int, size: int, read: Read) -> list[bytes]:
    """From the leaf upwards. Raises ValueError when the tree has no such leaf."""
    return [_root(begin, end, read) for begin, end in _beside_leaf(index, size)]


def _beside_leaf(index: int, size: int) -> list[tuple[int, int]]:
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has no leaf {index}.")
    begin, end, beside = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((begin, middle))
            begin = middle
    return beside[::-1]


def consistency_proof(old: int, new: int, read: Read) -> list[bytes]:
    """That the tree of `old` leaves is the beginning of the one of `new`. Empty when `old` is 0 or `new`."""
    if not 0 <= old <= new:
        raise ValueError(f"A tree of {old} leaves is not the beginning of one of {new}.")
    if old in {0, new}:
        return []
    begin, end, beside = 0, new, []
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((begin, middle))
            begin = middle
    if begin:
        beside.append((begin, end))
    return [_root(begin, end, read) for begin, end in beside[::-1]]


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def tile_of(node: Node) -> tuple[Tile, int, int]:
    """The tile that holds the hashes under a node, and where in it: first and number."""
    level, index = node
    inner = level % HEIGHT
    first = index << inner
    return (level // HEIGHT, first // WIDTH), first % WIDTH, 1 << inner


def tiles_for(nodes: Sequence[Node]) -> set[Tile]:
    return {tile_of(node)[0] for node in nodes}


def reader(tiles: Mapping[Tile, bytes]) -> Read:
    """Nodes from tiles in hand. Reading raises KeyError for a tile that is not there, ValueError for a short one."""

    def read(node: Node) -> bytes:
        tile, first, count = tile_of(node)
        hashes = split(tiles[tile][first * HASH : (first + count) * HASH])
        if len(hashes) != count:
            raise ValueError(f"Tile {tile} is too short to hold node {node}.")
        return fold(hashes)

    return read


def split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + HASH] for at in range(0, len(hashes), HASH)]


def rightmost(size: int) -> dict[Tile, int]:
    """The tiles that are not full in a tree of this size, and how many hashes they hold: what appending reads."""
    partial, level = {}, 0
    while size:
        if size % WIDTH:
            partial[level, size // WIDTH] = size % WIDTH
        size, level = size // WIDTH, level + 1
    return partial


def extend(size: int, partial: Mapping[Tile, bytes], hashes: Sequence[bytes]) -> dict[Tile, bytes]:
    """The tiles that change when leaves are appended to a tree of `size`, whose `rightmost` tiles are given."""
    changed: dict[Tile, bytes] = {}
    level, at, new = 0, size, list(hashes)
    while new:
        index, full = at // WIDTH, []
        held = partial.get((level, index), b"")
        if len(held) != at % WIDTH * HASH:
            raise ValueError(f"Tile ({level}, {index}) holds {len(held) // HASH} hashes instead of {at % WIDTH}.")
        whole = split(held) + new
        for begin in range(0, len(whole), WIDTH):
            part = whole[begin : begin + WIDTH]
            changed[level, index] = b"".join(part)
            index += 1
            if len(part) == WIDTH:
                full.append(fold(part))
        level, at, new = level + 1, at // WIDTH, full
    return changed


def tile_path(tile: Tile, width: int = WIDTH) -> str:
    """`tile/<L>/<N>[.p/<W>]` with N in groups of three digits: c2sp.org/tlog-tiles."""
    level, index = tile
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"
