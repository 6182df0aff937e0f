"""A step of kind `event`: wait until another system tells of something. No worker is held meanwhile."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from console.core.clock import now
from console.core.errors import Invalid
from console.core.expressions import fill
from console.executors.base import Awaited, Context, Done, Failed, Listen, Outcome, Request


def run(request: Request, context: Context) -> Outcome:
    spec, due = request.spec["event"], context.due_at()
    caught = context.caught()
    if caught is not None:
        return Done(caught)
    if due is not None and due <= now():
        return Failed("timed_out", f"No event of {spec['webhook']} that fits came in time.")
    awaited = Awaited(context.webhook(spec["webhook"]), spec.get("type", ""), _where(spec, request.scope))
    return Listen(awaited, due or now() + dt.timedelta(**spec["within"]))


def _where(spec: Mapping[str, Any], scope: Mapping[str, Any]) -> dict[str, Any]:
    """An expression that gives nothing would match nothing, or what nobody meant. Raises Invalid."""
    where = {pointer: fill(value, scope) for pointer, value in spec.get("where", {}).items()}
    for pointer, value in where.items():
        if value is None and spec["where"][pointer] is not None:
            raise Invalid(f"where {pointer}: the expression gives nothing to compare with.")
    return where
