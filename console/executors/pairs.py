"""A step of kind `pairs`: of two neighbouring records that agree in some fields, close together in another. Pure."""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from console.core.errors import Invalid
from console.core.expressions import fill, search
from console.executors.base import Context, Done, Outcome, Request


def run(request: Request, _context: Context) -> Outcome:
    spec = request.spec["pairs"]
    records = fill(spec["of"], request.scope)
    if not isinstance(records, list):
        raise Invalid("`of` did not give a list.", code="not_a_list")
    if "where" in spec:
        records = [record for record in records if search(spec["where"], record)]
    return Done(find_pairs(records, spec["same"], spec["within"]["field"], spec["within"]["seconds"]))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def find_pairs(records: list[Any], same: list[str], field: str, seconds: int) -> list[dict[str, Any]]:
    """{earlier, later} of each two neighbours, ordered by `field`. Three in a row make two pairs, and each record is
    `later` at most once. Records that lack one of the fields are left out."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        values = tuple(search(name, record) for name in same)
        if isinstance(record, Mapping) and None not in values and _is_number(search(field, record)):
            groups.setdefault(json.dumps(values, sort_keys=True), []).append(record)
    found = []
    for group in groups.values():
        ordered = sorted(group, key=lambda record: (search(field, record), str(record.get("id", ""))))
        found += [
            {"earlier": earlier, "later": later}
            for earlier, later in pairwise(ordered)
            if search(field, later) - search(field, earlier) <= seconds
        ]
    return sorted(found, key=lambda pair: (search(field, pair["later"]), str(pair["later"].get("id", ""))))
