"""What two programs of one peer say to each other: lines `NANOSECONDS WHAT`, by CLOCK_MONOTONIC, which on Linux all
processes share. Only what Python brings."""
# mypy: ignore-errors

import json
import os
import time

WARM_UP = 10
AT_REST = 0.05  # seconds until whoever waits does wait, and what the step before left behind is done


def tell(what):
    os.write(1, f"{time.monotonic_ns()} {what}\n".encode())


def hear(stream, what):
    """When it happened. What is said before is passed over."""
    for line in stream:
        at, _, said = line.decode().strip().partition(" ")
        if said == what:
            return int(at)
    raise SystemExit(f"The other program ended without saying {what}")


def measure(approve, samples):
    """Prints, as JSON, milliseconds: `approve(number)` gives the moments right before, and when the step began."""
    moments = [approve(number) for number in range(WARM_UP + samples)]
    print(json.dumps([(began - asked) / 1e6 for asked, began in moments[WARM_UP:]]))
