"""The door's part in this one process, to see its queries: drives each action whose id is given as an argument.

Prints a JSON object: by action, for each query when it began (CLOCK_MONOTONIC nanoseconds), how long it took
(nanoseconds), and its text.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

Query = tuple[int, int, str]


class Noted:
    """For `connection.execute_wrapper`. BEGIN and COMMIT do not pass here."""

    def __init__(self) -> None:
        self.queries: list[Query] = []

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.monotonic_ns()
        try:
            return execute(sql, params, many, context)
        finally:
            self.queries.append((began, time.monotonic_ns() - began, sql))


def main(actions: list[str]) -> None:
    import django  # noqa: PLC0415 - only this program needs it set up, the module is imported by others too

    django.setup()
    from django.db import connection  # noqa: PLC0415 - the same

    from approvals.tasks import drive  # noqa: PLC0415 - the same

    found = {}
    for action in actions:
        noted = Noted()
        with connection.execute_wrapper(noted):
            drive(action)
        found[action] = noted.queries
    print(json.dumps(found))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    main(sys.argv[1:])
