"""CSV: RFC 4180, every cell quoted, and none that a spreadsheet would take for a formula."""

import json
from typing import Any

from audit.exports.leaves import Row, told

COLUMNS = (
    "index", "time", "kind", "subject", "state", "outcome", "actor_kind", "actor", "auth", "on_behalf_of", "team",
    "run", "trace", "span", "decision", "detail", "id", "leaf_hash",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: object) -> str:
    """With an apostrophe before what a spreadsheet would calculate, or send somewhere."""
    text = str(value)
    if text.startswith(FORMULA):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"'


def values(row: Row) -> list[Any]:
    """In the order of COLUMNS. Personal values are beside the leaf and not among them."""
    leaf = told(row)
    actor, trace = leaf["actor"], leaf["trace"]
    return [
        row.idx, leaf["ts"], leaf["action"], leaf["object"], leaf["state"], leaf["outcome"], actor["type"],
        actor["id"], actor["auth"], actor["on_behalf_of"], leaf["team"], leaf["run"], trace["trace_id"],
        trace["span_id"], compact(leaf["decision"]), compact(leaf["detail"]), leaf["id"], row.hash.hex(),
    ]  # fmt: skip


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else ""


def line(row: Row) -> bytes:
    return (",".join(map(cell, values(row))) + "\r\n").encode()


HEADER = (",".join(map(cell, COLUMNS)) + "\r\n").encode()
