"""What a review's sheet says, as plain values: points of why, evidence beside evidence. Pure.

Everything an outsider may have written stays text here; the templates show it through the `chips` filter.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from approvals.lines import moment, say
from approvals.models import Action, Revision, Ruling
from approvals.policies.decide import COULD_NOT
from approvals.policies.slots import SlotSpec
from console.core.chips import chips, is_hidden
from console.core.text import exact, given_time
from integrations.compensation import way_back

IDEMPOTENCY = {
    "native_key": "The other side knows a repeated request by its key, so it happens once only.",
    "client_id": "The request carries an id of ours, by which the other side knows a repeat.",
    "natural_key": "The request leaves a mark of ours on the other side. Before anything is sent a second time, "
    "the console looks for that mark.",
    "conditional": "The other side carries it out only while nothing has changed since it was read.",
    "set_semantics": "Done twice, it leaves the same as done once.",
    "none": "The other side cannot tell a repeat from a new request. If no answer comes, a person has to look.",
    "unknown": "It is not known whether the other side can tell a repeat from a new request. If no answer comes, "
    "a person has to look.",
}
SHOWN = 8  # rows of a record before the rest is folded; what differs is never folded
TIMES = {"created", "updated", "timestamp"}
SECONDS = range(10**9, 4 * 10**9)  # Unix time between 2001 and 2096
SIGNATURES = {"device": "a passkey that stays on its device", "passkey": "passkey", "password": "password or passkey"}
_OF_MODELS = ", of a model that the policy names"
_PROOFED = ", by somebody whose identity was seen"


@dataclass(frozen=True, slots=True)
class Point:
    """One reason or circumstance; `tone` colours its dot: wait, stop, good or nothing."""

    text: str
    tone: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    values: tuple[str, ...]
    differs: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """Records that share a shape stand beside each other. `rest` and each `whole` (title, value) are folded."""

    titles: tuple[str, ...]
    shown: tuple[Row, ...]
    rest: tuple[Row, ...]
    whole: tuple[tuple[str, Any], ...]


def spelled(text: str) -> str:
    """For places that hold no markup, such as the window's title."""
    return "".join(f"[U+{ord(char):04X}]" if is_hidden(char) else char for char in text)


def points(
    action: Action,
    ruling: Ruling | None,
    slots: Sequence[SlotSpec],
    given: dt.timedelta,
    revisions: Sequence[Revision] = (),
) -> list[Point]:
    """Why a person is asked. `given` is the time between opening and expiry. Needs operation and integration loaded,
    and of revisions editor and decision."""
    return [_rule_point(ruling, slots, given), *about(action, ruling, revisions)]


def about(action: Action, ruling: Ruling | None, revisions: Sequence[Revision] = ()) -> list[Point]:
    """What there is to know of it, whoever is asked."""
    said, operation = [*_reason_points(ruling), *_changed_points(action, revisions)], action.operation
    if suspicious(action):
        said.append(Point("A text holds characters that cannot be seen or are easily misread. They are shown as chips, "
                          "and will be sent as they are.", "stop"))  # fmt: skip
    told = any(COULD_NOT in str(reason) for reason in (ruling.reasons if ruling else ()))
    if not told and (unknown := sum(fact.get("format") == "undecoded" for fact in action.facts)):
        parts = f"{unknown} part{'s' * (unknown > 1)}"
        said.append(Point(f"Not decoded: {parts} of the arguments. What is not decoded is shown as given.", "stop"))
    if action.reverses:
        said += _reversal_points(action.reverses)
    if operation.trust == "imported":
        said.append(Point("No person has reviewed the description of this operation.", "stop"))
    if operation.effect != "read":
        said += [
            *_undo_points(operation.description),
            Point(IDEMPOTENCY.get(operation.idempotency, IDEMPOTENCY["unknown"])),
        ]
    if action.reads and action.state == "held":
        names = " and ".join(sorted(action.reads))
        again = f"Just before it is sent, the console reads {names} again. If anything differs, nothing is sent."
        said.append(Point(again, "good"))
    return said


def _rule_point(ruling: Ruling | None, slots: Sequence[SlotSpec], given: dt.timedelta) -> Point:
    whose = "; and ".join(f"{slot}, by {SIGNATURES[slot.signature]}{_OF_MODELS * bool(slot.authenticators)}"
                          f"{_PROOFED * slot.proofed}" for slot in slots)  # fmt: skip
    within = f" within {given_time(given)}" if given < dt.timedelta(days=300) else ""
    return Point(f"{whose}{within}.", "wait", ruling.rule if ruling else "no rule")


def _reason_points(ruling: Ruling | None) -> Iterator[Point]:
    for reason in ruling.reasons if ruling else ():
        yield Point(str(reason), "wait")


def _changed_points(action: Action, revisions: Sequence[Revision]) -> Iterator[Point]:
    """What people, and then the policy, have made of what was asked for: everything else on the sheet is about that."""
    before = action.asked_for
    for revision in revisions:
        done = ", ".join(_differences(before, revision.arguments))
        yield Point(f"{revision.editor.name} {done}, and says: {revision.decision.reason}", "wait")
        before = revision.arguments
    for done in _differences(before, action.arguments):
        yield Point(f"The policy {done}.", "wait")


def _differences(asked: Mapping[str, Any], done: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*asked, *done]):
        if name not in done:
            yield f"leaves out {name}, which was asked for as {say(asked[name], 'text', '')}"
        elif name not in asked:
            yield f"adds {name}: {say(done[name], 'text', '')}"
        elif asked[name] != done[name]:
            before, after = (say(one[name], "text", "") for one in (asked, done))
            yield f"changes {name} from {before} to {after}"


def _reversal_points(undone: Action) -> Iterator[Point]:
    yield Point("The console has worked out these arguments from what was done. Nobody typed them.", "good")
    back = way_back(undone.operation.description)
    if back and back.loses:
        yield Point(f"It does not bring everything back: {back.loses}", "wait")
    if back and back.costs:
        yield Point(f"It costs something: {back.costs}", "wait")
    if back and back.given and undone.settled_at:
        yield Point(f"The other side takes it back until {exact(undone.settled_at + back.given)}.", "wait")


def _undo_points(description: Mapping[str, Any]) -> Iterator[Point]:
    """Whether there is a way back, until when, and what it does not bring back: said before anybody signs."""
    back = way_back(description)
    if back is None:
        known = "compensation" in description
        yield Point("It is final: it cannot be undone." if known else
                    "No way back is described. Treat it as final.", "stop")  # fmt: skip
        return
    until = f" within {back.hours} hours" if back.hours else ""
    yield Point(f"It can be undone{until} by {back.operation}, which is asked for and signed by itself.")
    if back.loses:
        yield Point(f"Undoing it does not bring everything back: {back.loses}", "wait")
    if back.costs:
        yield Point(f"Undoing it costs something: {back.costs}", "wait")


def lacking(text: str) -> list[Point]:
    return [Point(text, "stop")] if text else []


def alike_points(alike: Mapping[str, str]) -> list[Point]:
    return [Point(f"{name} {says}.", "stop") for name, says in alike.items()]


def suspicious(action: Action) -> bool:
    """Does anything that will be sent, or that is read before signing, hold what a reader cannot see?"""
    texts = _texts([action.sentence, action.arguments, action.facts, action.evidence, action.context])
    return any('class="chip"' in chips(text) for text in texts)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def evidence(items: Sequence[Mapping[str, Any]]) -> list[Evidence]:
    """Neighbours that are records of one shape are compared; anything else stands alone."""
    groups: list[list[Mapping[str, Any]]] = []
    for item in items:
        if groups and _alike(groups[-1][-1].get("value"), item.get("value")):
            groups[-1].append(item)
        else:
            groups.append([item])
    return [_evidence(group) for group in groups]


def _alike(one: Any, other: Any) -> bool:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return False
    return len(one.keys() & other.keys()) * 2 > len(one.keys() | other.keys())


def _evidence(group: Sequence[Mapping[str, Any]]) -> Evidence:
    values = [item.get("value") for item in group]
    records = [value if isinstance(value, dict) else {"": value} for value in values]
    names = list(dict.fromkeys(name for record in records for name in record))
    rows = [_row(name, records) for name in names if _worth_a_row(name, records)]
    rows.sort(key=lambda row: not row.differs)  # stable: what differs comes first, in the order given
    shown = max(SHOWN, sum(row.differs for row in rows))
    titles = tuple(str(item.get("title", "")) for item in group)
    return Evidence(titles, tuple(rows[:shown]), tuple(rows[shown:]), tuple(zip(titles, values, strict=True)))


def _worth_a_row(name: str, records: Sequence[Mapping[str, Any]]) -> bool:
    """Single values that are there; nested and empty ones are in the fold."""
    values = [record.get(name) for record in records]
    return not any(isinstance(value, dict | list) for value in values) and any(
        value not in (None, "") for value in values
    )


def _row(name: str, records: Sequence[Mapping[str, Any]]) -> Row:
    said = tuple(_told(name, record.get(name)) for record in records)
    return Row(name, said, len(set(said)) > 1)


def _told(name: str, value: Any) -> str:
    """A number of seconds under a name of time is read beside it; what was received stays first."""
    said = say(value, "text")
    timely = name in TIMES or name.endswith("_at")
    return f"{said} ({moment(value)})" if timely and type(value) is int and value in SECONDS else said
