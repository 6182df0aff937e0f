"""An approval on Celery alone: the decision is a row, committed, and the next step a task that is acknowledged when it
is done. `python -m benchmarks.approval_peers.with_celery SAMPLES`, by the product's own Python.

The row and the message are two writes: who dies between them has approved something that nobody goes on with.
"""
# mypy: ignore-errors

import os
import signal
import subprocess
import sys
import time

import psycopg
from celery import Celery

from benchmarks.approval_peers.told import AT_REST, hear, measure, tell

QUEUE = "approval_peer"
WORKER = ["-m", "celery", "--quiet", "-A", "benchmarks.approval_peers.with_celery", "worker",
          "-Q", QUEUE, "-P", "prefork", "-c", "2", "-n", "peer@%h", "-l", "ERROR", "--without-gossip",
          "--without-mingle"]  # fmt: skip

app = Celery("approval_peer", broker=os.environ.get("COUNTERSIGN_BROKER_URL"))
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


@app.task(name="benchmarks.approval_peers.next_step")
def next_step(number):
    tell(str(number))


def main(samples):
    database = psycopg.connect(os.environ["PEER_DATABASE_URL"], autocommit=True)
    database.execute("CREATE TABLE IF NOT EXISTS approval (run text, at timestamptz DEFAULT now())")
    worker = subprocess.Popen([sys.executable, *WORKER], stdout=subprocess.PIPE, start_new_session=True)

    def approve(number):
        time.sleep(AT_REST)
        asked = time.monotonic_ns()
        database.execute("INSERT INTO approval (run) VALUES (%s)", [str(number)])
        next_step.apply_async([number], queue=QUEUE)
        return asked, hear(worker.stdout, str(number))

    try:
        measure(approve, samples)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)  # asked to end, it waits for its pool
        worker.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]))
