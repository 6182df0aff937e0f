"""The bytes of a record."""

import datetime as dt
import uuid
from collections.abc import Mapping

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from audit.leaf import MAX_BYTES, Commitment, Entry, build
from console.core.actor import Actor
from console.core.clock import iso
from tests.units.test_canonical import key, text, value

moments = st.datetimes(timezones=st.just(dt.UTC))
details = st.dictionaries(key, value, max_size=3)
entries = st.builds(
    Entry, kind=text, subject=text, actor=st.builds(Actor, kind=text, id=text, auth=text), team=text, state=text,
    run=text, trace=text, span=text, on_behalf_of=text, outcome=text, decision=details, detail=details,
)  # fmt: skip
LOG, WRITER = "console.example:8443", ("0" * 16, 7)


def built(entry: Entry, identity: uuid.UUID, at: dt.datetime, personal: Mapping[str, object]) -> bytes:
    commitments = [Commitment(path, inner, b"s" * 32) for path, inner in personal.items()]
    return build(entry, log=LOG, identity=str(identity), at=iso(at), writer=WRITER, commitments=commitments)


@given(entries, st.uuids(), moments, details)
def test_a_leaf_is_rfc_8785_byte_for_byte(
    entry: Entry, identity: uuid.UUID, at: dt.datetime, personal: dict[str, object]
) -> None:
    assert built(entry, identity, at, personal) == rfc8785.dumps({
        "v": 1, "log": LOG, "id": str(identity), "ts": iso(at), "writer": {"id": WRITER[0], "seq": WRITER[1]},
        "actor": {"type": entry.actor.kind, "id": entry.actor.id, "auth": entry.actor.auth,
                  "on_behalf_of": entry.on_behalf_of},
        "team": entry.team, "action": entry.kind, "object": entry.subject, "state": entry.state, "run": entry.run,
        "trace": {"trace_id": entry.trace, "span_id": entry.span}, "outcome": entry.outcome,
        "decision": entry.decision, "detail": entry.detail, "blobs": [],  # type: ignore[dict-item]
        "c": {path: Commitment(path, inner, b"s" * 32).seal for path, inner in personal.items()},
    })  # fmt: skip


@pytest.mark.parametrize(
    ("field", "refused", "says"),
    [("subject", "a\0", "^/object: "), ("run", "\ud800", "^/run: "), ("detail", {"rate": 0.5}, "^/detail/rate: "),
     ("decision", {"a": [{"B": 1}]}, "^/decision/a/0: "), ("detail", {"text": "x" * MAX_BYTES}, "goes by digest")],
)  # fmt: skip
def test_what_has_no_place_in_a_leaf_is_refused_by_name(field: str, refused: object, says: str) -> None:
    words: dict[str, object] = {"kind": "k", "subject": "s", "actor": Actor("human", "u"), "team": "t", field: refused}
    with pytest.raises(ValueError, match=says):
        built(Entry(**words), uuid.UUID(int=0), dt.datetime.now(dt.UTC), {})  # type: ignore[arg-type]


def test_the_end_of_depth_counts_from_the_leaf() -> None:
    nested: object = "here"
    for _ in range(7):
        nested = {"a": nested}
    entry = Entry("k", "s", Actor("human", "u"), "t", detail=nested)  # type: ignore[arg-type]
    assert b'"here"' in built(entry, uuid.UUID(int=0), dt.datetime.now(dt.UTC), {})
    with pytest.raises(ValueError, match="nested deeper than 8"):
        built(entry._replace(detail={"a": nested}), uuid.UUID(int=0), dt.datetime.now(dt.UTC), {})
