"""An agent that asks before it does something itself, and waits to be permitted, again and again.

`python -m benchmarks.waiting_agent PORT TIMES`, its token in BENCH_AGENT_TOKEN. Prints `NANOSECONDS asked ID` and
`NANOSECONDS permitted ID`, the moments at which the answer was here.
"""

import http.client
import os
import sys
import time
from typing import Any

from benchmarks.caller import Caller


def main(port: int, times: int) -> None:
    headers = {"Authorization": f"Bearer {os.environ['BENCH_AGENT_TOKEN']}", "Content-Type": "application/json"}
    asking = Caller(http.client.HTTPConnection("localhost", port), headers)
    waiting = Caller(asking.connection, {**headers, "Prefer": "wait=60"})
    for number in range(times):
        told: Any = asking.send(
            "POST", "/api/v1/actions", {"operation": "own.note", "arguments": {"text": f"n{number}"}}
        )
        tell(f"asked {told['id']}")
        while not told["settled"]:
            told = waiting.send("GET", f"/api/v1/actions/{told['id']}")
        assert told["outcome"]["body"]["permission"] == "given"
        tell(f"permitted {told['id']}")


def tell(what: str) -> None:
    os.write(1, f"{time.monotonic_ns()} {what}\n".encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
