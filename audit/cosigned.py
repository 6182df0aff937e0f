"""Whether a cosignature in the tables is one: by a witness of the publishing file, over the checkpoint of its row."""

import datetime as dt
from collections.abc import Sequence

from audit import publishing
from audit.models import Cosignature
from audit.outlets import Witness
from audit.verify import Mismatch, VKey, check_signatures, parse_note


def witness_keys() -> list[VKey]:
    return [VKey.parse(way.vkey) for way in publishing.ways() if isinstance(way, Witness)]


def check_cosignature(row: Cosignature, note: str, vkeys: Sequence[VKey]) -> bool:
    """False where none of the keys is the one that it says it was made with: of a witness that was given up, or whose
    key was changed since. Raises Mismatch."""
    given = parse_note(f"{parse_note(note).body}\n{row.line}")
    if [name for name, _, _ in given.lines] != [row.witness]:
        raise Mismatch("its line is not one line of this witness.")
    for moment in check_signatures(given, vkeys).verified.values():
        if row.at != dt.datetime.fromtimestamp(moment or 0, dt.UTC):
            raise Mismatch("its row tells another moment than was signed.")
        return True
    return False
