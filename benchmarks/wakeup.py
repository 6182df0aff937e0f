"""The floor under every wake-up: a Celery task that does nothing, from sending to its body, on the same broker.

`celery -A benchmarks.wakeup worker` prints a line `NANOSECONDS NUMBER` for each task.
"""

import os
import time

from celery import Celery

app = Celery("wakeup", broker=os.environ.get("COUNTERSIGN_BROKER_URL"))
app.conf.worker_prefetch_multiplier = 1
app.conf.broker_connection_retry_on_startup = True
QUEUE = "wakeup"
WORKER = ("-m", "celery", "--quiet", "-A", "benchmarks.wakeup", "worker", "-Q", QUEUE, "-P", "threads", "-c", "8", "-n",
          "wakeup@%h", "-l", "ERROR", "--without-gossip", "--without-mingle")  # fmt: skip


@app.task(name="benchmarks.wakeup.note", ignore_result=True)  # type: ignore[untyped-decorator]
def note(number: str) -> None:
    os.write(1, f"{time.monotonic_ns()} {number}\n".encode())
