"""The only way rows with a state begin or change: the change and its record in one."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from django.db import models

from audit.record import record
from console.core.actor import Actor
from console.core.errors import Conflict
from console.core.states import Transitions, check


class Stateful(Protocol):
    """What a row brings: its noun (the first half of the record's kind), its moves, and what its records tell."""

    NOUN: ClassVar[str]
    TRANSITIONS: ClassVar[Transitions]
    pk: Any
    state: Any

    def audit_context(self) -> Mapping[str, str]:
        """`team`, and where known `run`, `trace`, `span`, `on_behalf_of`."""
        ...


def begin(row: Any, *, actor: Actor, detail: Mapping[str, object] | None = None,
          personal: Mapping[str, object] | None = None) -> None:  # fmt: skip
    """Insert the row in the state it carries and record it."""
    check(row.TRANSITIONS, "initial", row.state)
    row.save(force_insert=True)
    _record(row, actor, detail, personal, {}, "")


def move(
    row: Any,
    to: str,
    *,
    actor: Actor,
    detail: Mapping[str, object] | None = None,
    personal: Mapping[str, object] | None = None,
    decision: Mapping[str, object] | None = None,
    result: str = "",
    **fields: object,
) -> None:
    """From the state the caller saw to `to`, setting `fields` too; `result` is the record's outcome in one word.
    Raises Conflict when the row has moved meanwhile."""
    check(row.TRANSITIONS, row.state, to)
    model: type[models.Model] = type(row)
    changed = model._default_manager.filter(pk=row.pk, state=row.state).update(state=to, **fields)
    if changed != 1:
        raise Conflict(f"The {row.NOUN} {row.pk} is no longer {row.state}.")
    for name, value in {"state": to, **fields}.items():
        setattr(row, name, value)
    _record(row, actor, detail, personal, decision or {}, result)


def _record(row: Any, actor: Actor, detail: Mapping[str, object] | None, personal: Mapping[str, object] | None,
            decision: Mapping[str, object], result: str) -> None:  # fmt: skip
    record(
        f"{row.NOUN}.{row.state}",
        subject=row.pk,
        state=row.state,
        actor=actor,
        outcome=result,
        decision=decision,
        detail=detail,
        personal=personal,
        **row.audit_context(),
    )
