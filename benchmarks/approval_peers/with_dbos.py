"""An approval on DBOS: a workflow waits in `recv`, another process sends. `python -m
benchmarks.approval_peers.with_dbos SAMPLES`, by the Python of an environment of its own."""
# mypy: ignore-errors

import os
import subprocess
import sys
import time

from dbos import DBOS, DBOSClient, SetWorkflowID

from benchmarks.approval_peers.told import AT_REST, hear, measure, tell

TOPIC = "approval"
PLACE = os.environ["PEER_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)


@DBOS.step()
def next_step(number):
    tell(f"started {number}")


@DBOS.workflow()
def gated(number):
    tell(f"waiting {number}")
    DBOS.recv(TOPIC, timeout_seconds=60)
    next_step(number)


def host():
    """Starts a workflow for each line that it is given, which is its name."""
    DBOS(config={"name": "peer", "system_database_url": PLACE, "log_level": "ERROR"})
    DBOS.launch()
    tell("ready")
    for line in sys.stdin:
        with SetWorkflowID(line.strip()):
            DBOS.start_workflow(gated, line.strip())
    DBOS.destroy()


def main(samples):
    program = [sys.executable, "-m", "benchmarks.approval_peers.with_dbos", "host"]
    hosting = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    hear(hosting.stdout, "ready")
    client = DBOSClient(system_database_url=PLACE)

    def approve(number):
        name = f"{os.getpid()}-{number}"
        hosting.stdin.write(f"{name}\n".encode())
        hosting.stdin.flush()
        hear(hosting.stdout, f"waiting {name}")
        time.sleep(AT_REST)
        asked = time.monotonic_ns()
        client.send(name, "approved", TOPIC)
        return asked, hear(hosting.stdout, f"started {name}")

    try:
        measure(approve, samples)
    finally:
        hosting.terminate()
        hosting.wait(20)


if __name__ == "__main__":
    host() if sys.argv[1] == "host" else main(int(sys.argv[1]))
