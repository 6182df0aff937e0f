"""The kind itself; imported once models are loaded."""

import time
from typing import Any

from console.executors.base import Context, Done, Outcome, Request
from console.executors.registry import EXECUTORS
from console.workflows import spec


def hold(request: Request, context: Context) -> Outcome:
    time.sleep(request.spec["busy"]["seconds"])
    return Done(None)


def install() -> None:
    if "busy" not in spec.KINDS:
        spec.KINDS = (*spec.KINDS, "busy")  # type: ignore[assignment]
        step: Any = spec._STEP
        step["properties"]["busy"] = {"type": "object"}
        step["oneOf"].append({"required": ["busy"]})
        EXECUTORS["busy"] = hold  # type: ignore[index]
