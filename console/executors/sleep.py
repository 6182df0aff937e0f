"""A step of kind `sleep`: a timer. No worker is held meanwhile."""

import datetime as dt

from console.core.clock import now
from console.executors.base import Context, Done, Outcome, Request, Sleep


def run(request: Request, context: Context) -> Outcome:
    due = context.due_at()
    if due is None:
        return Sleep(now() + dt.timedelta(seconds=request.spec["sleep"]["seconds"]))
    return Done(None) if due <= now() else Sleep(due)
