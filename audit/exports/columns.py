"""Parquet, by pyarrow where it is installed."""

import datetime as dt
from collections.abc import Iterable
from typing import Any, BinaryIO

from audit.exports.leaves import Row
from audit.exports.table import COLUMNS, values

try:
    import pyarrow as arrow
    from pyarrow import parquet
except ImportError:  # whoever asks for it is told before
    arrow = parquet = None


def write(blocks: Iterable[list[Row]], file: BinaryIO) -> int:
    """A whole file. Text but for the index and the moment; absent values are empty."""
    schema = arrow.schema([(name, _type(name)) for name in COLUMNS])
    count = 0
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for rows in filter(None, blocks):
            writer.write_table(_table(list(map(values, rows)), schema))
            count += len(rows)
    return count


def _type(name: str) -> Any:
    kinds = {"index": arrow.int64(), "time": arrow.timestamp("us", tz="UTC")}
    return kinds.get(name, arrow.string())


def _table(part: list[list[Any]], schema: Any) -> Any:
    by_column = dict(zip(COLUMNS, zip(*part, strict=True), strict=True))
    by_column["time"] = tuple(map(dt.datetime.fromisoformat, by_column["time"]))
    return arrow.table(by_column, schema=schema)
