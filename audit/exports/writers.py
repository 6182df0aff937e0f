"""One chunk of an export, in each form."""

import uuid
from collections.abc import Callable

from audit.exports import ocsf, table
from audit.exports.bundle import DECISIONS, DISCLOSURES, INDEXES
from audit.exports.evidence import decisions, disclosures
from audit.exports.files import Output
from audit.exports.leaves import Leaves, Row
from audit.models import Export, Tree


def write_head(export: Export, output: Output) -> None:
    """What comes before the first record."""
    if export.form == "csv":
        output.archive.write(table.HEADER)


def write_chunk(export: Export, leaves: Leaves, begin: int, end: int, output: Output) -> int:
    """The leaves [begin, end) that belong into the export. Returns how many these were."""
    match export.form:
        case "bundle":
            return _write_bundle(export, leaves, begin, end, output)
        case "jsonl":
            return _write_leaves(leaves, begin, end, output)
        case "parquet":
            return _write_columns(leaves, begin, end, output)
        case _:
            return _write_rows(leaves, begin, end, output, _line(export.form, leaves.tree))


def _write_bundle(export: Export, leaves: Leaves, begin: int, end: int, output: Output) -> int:
    indexes, opened, made = output.part(INDEXES), output.part(DISCLOSURES), dict[int, str]()
    ids: list[uuid.UUID] = []
    count, size = 0, output.archive.size
    for block in leaves.blocks(begin, end):
        output.archive.write(block.leaves)
        indexes.write(block.indexes)
        made |= block.decisions
        ids += (block.first, block.last)
        count += block.records
    part = {"bytes": output.archive.size - size, "sha256": output.archive.end_part()}
    output.chunks.append({"begin": begin, "end": end, **part})
    if ids:
        disclosed = leaves.disclosed(begin, end, min(ids), max(ids))
        opened.writelines(line.encode() for line in disclosures(disclosed))
    if made:
        output.part(DECISIONS).writelines(line.encode() for line in decisions(export, made))
    return count


def _write_leaves(leaves: Leaves, begin: int, end: int, output: Output) -> int:
    count = 0
    for block in leaves.blocks(begin, end):
        output.archive.write(block.leaves)
        count += block.records
    return count


def _write_rows(leaves: Leaves, begin: int, end: int, output: Output, line: Callable[[Row], bytes]) -> int:
    count = 0
    for rows in leaves.rows(begin, end):
        output.archive.write(b"".join(map(line, rows)))
        count += len(rows)
    return count


def _line(form: str, tree: Tree) -> Callable[[Row], bytes]:
    return table.line if form == "csv" else ocsf.Events(tree.origin).line


def _write_columns(leaves: Leaves, begin: int, end: int, output: Output) -> int:
    """A file for each chunk: together they are one dataset, as readers of Parquet understand it."""
    from audit.exports import columns  # noqa: PLC0415  (its library is large, and few want this form)

    with output.whole(f"records-{begin:012}.parquet") as file:
        return columns.write(leaves.rows(begin, end), file)
