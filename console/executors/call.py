"""A step of kind `call`: propose one operation, wait for its end."""

from console.core.expressions import fill
from console.executors.base import Context, Done, Failed, Outcome, Parked, Proposed, Request


def run(request: Request, context: Context) -> Outcome:
    spec, scope = request.spec, request.scope
    arguments = fill(spec.get("arguments", {}), scope)
    proposed = Proposed(
        operation=spec["call"],
        arguments={name: value for name, value in arguments.items() if value is not None},
        says=str(fill(spec.get("says", ""), scope)),
        evidence=[{"title": item["title"], "value": fill(item["value"], scope)} for item in spec.get("evidence", [])],
    )
    settled = context.act(proposed)
    if settled is None:
        return Parked()
    if settled.state == "succeeded":
        return Done(settled.outcome.get("body"))
    return Failed(str(settled.outcome.get("code", settled.state)), str(settled.outcome.get("text", "")))
