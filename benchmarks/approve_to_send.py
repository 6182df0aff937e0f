"""How long after a person approves does the request leave? From `signoff()` entered, with a passkey's signature made
before, to the first byte of the POST at the upstream: the sign-off, the wake-up, the door's checks of every signature
and of the precondition (a request of its own), and the commit of the intent lie in between.

Once idle, and once while eight runs keep the worker and the door busy with reads.
"""

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from approvals.models import Review
from approvals.signoff import signoff
from approvals.tasks import drive
from benchmarks import form, wakeup
from benchmarks.bench import Bench, CouldNotMeasure, Heard, say
from benchmarks.counted import Noted, Query
from benchmarks.ledger import Ledger, set_up
from console.home.processes import ROOT, python

SAMPLES, QUICK, WARM_UP = 1_200, 50, 20
RUNS = 3
BUSY_RUNS = 8
PAUSE = 0.02  # seconds after each sample, for the door to write its receipt: the next one begins at rest
TOP_UP = 10  # samples between two looks at how many runs are still going
COUNTED = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """In milliseconds from `signoff()` entered: its return, and the first byte at the upstream."""

    signed: float
    sent: float


def measure(bench: Bench, *, quick: bool) -> form.Measured:
    samples = QUICK if quick else SAMPLES
    upstream = bench.listen_to("upstream", "-m", "benchmarks.upstream")
    ledger = set_up(f"http://127.0.0.1:{upstream.wait_beginning('port')}")
    figures = count_queries(bench, ledger, upstream)
    bench.start("worker", "door", "beat")
    say(f"preparing {2 * samples + WARM_UP} actions")
    reviews = ledger.hold(2 * samples + WARM_UP)
    figures |= form.spread("wake_up", wake_ups(bench, samples), RUNS)
    for review in reviews[:WARM_UP]:
        take(ledger, upstream, review)
    figures |= spread("idle", idle(ledger, upstream, reviews[WARM_UP:][:samples]))
    figures |= spread("busy", busy(ledger, upstream, reviews[-samples:]))
    goals = [form.at_most("idle, p50 of sign-off to first byte", figures["idle_p50"], 20),
             form.at_most("idle, p99 of sign-off to first byte", figures["idle_p99"], 60)]  # fmt: skip
    return form.Measured(RUNS, figures, goals)


def idle(ledger: Ledger, upstream: Heard, reviews: Sequence[str]) -> list[Sample]:
    say(f"idle: {len(reviews)} samples")
    return [take(ledger, upstream, review) for review in reviews]


def busy(ledger: Ledger, upstream: Heard, reviews: Sequence[str]) -> list[Sample]:
    say(f"busy: {len(reviews)} samples while {BUSY_RUNS} runs read")
    taken = []
    for number, review in enumerate(reviews):
        if number % TOP_UP == 0:
            ledger.keep_busy(BUSY_RUNS)
        taken.append(take(ledger, upstream, review))
    say(f"{ledger.reads()} reads were made meanwhile")
    return taken


def take(ledger: Ledger, upstream: Heard, review: str) -> Sample:
    proof, post = ledger.sign(review), posted(review)
    began = time.monotonic_ns()
    signoff(review, verdict="approve", proof=proof, actor=ledger.reviewer)
    signed = time.monotonic_ns()
    sent = upstream.wait(post)
    time.sleep(PAUSE)
    return Sample((signed - began) / 1e6, (sent - began) / 1e6)


def posted(review: str) -> str:
    """What the upstream says when this review's action arrives."""
    arguments = Review.objects.values_list("action__arguments", flat=True).get(pk=review)
    return f"POST /entries/{arguments['entry']}/postings"


def spread(name: str, samples: Sequence[Sample]) -> dict[str, form.Figure]:
    signed = form.spread(f"{name}_signed", [sample.signed for sample in samples], RUNS)
    return form.spread(name, [sample.sent for sample in samples], RUNS) | signed


def wake_ups(bench: Bench, count: int) -> list[float]:
    """Milliseconds from sending a task to its body, one after the other."""
    say(f"wake-ups alone: {count} samples")
    worker = bench.listen_to("wakeup", *wakeup.WORKER)
    taken = []
    for number in range(WARM_UP + count):
        began = time.monotonic_ns()
        drive.app.send_task("benchmarks.wakeup.note", args=[str(number)], queue=wakeup.QUEUE, retry=False,
                            ignore_result=True)  # fmt: skip
        taken.append((worker.wait(str(number)) - began) / 1e6)
        time.sleep(PAUSE / 2)
    return taken[WARM_UP:]


def count_queries(bench: Bench, ledger: Ledger, upstream: Heard) -> dict[str, form.Figure]:
    """While no door runs: what one sign-off asks of the database, and the door until the request leaves."""
    say("counting queries")
    actions = ledger.propose(COUNTED)
    drive_by_hand(bench, actions)
    signing = []
    for action in actions:
        review, noted = Review.objects.get(action=action).id, Noted()
        proof = ledger.sign(review)
        with connection.execute_wrapper(noted):
            signoff(review, verdict="approve", proof=proof, actor=ledger.reviewer)
        signing.append(float(len(noted.queries)))
    driven = drive_by_hand(bench, actions)
    door = [float(len(before(driven[a], upstream.wait(posted(Review.objects.get(action=a).id))))) for a in actions]
    return {"queries_signoff": form.figure(signing, "queries"), "queries_door": form.figure(door, "queries")}


def drive_by_hand(bench: Bench, actions: Sequence[str]) -> dict[str, list[Query]]:
    done = subprocess.run(python("-m", "benchmarks.counted", *actions), env=bench.environment("door"), cwd=ROOT,
                          capture_output=True, text=True, check=False)  # fmt: skip
    if done.returncode:
        raise CouldNotMeasure(f"The actions could not be driven: {done.stderr[-2000:]}")
    found: dict[str, list[Query]] = json.loads(done.stdout)
    return found


def before(queries: Sequence[Query], moment: int) -> list[Query]:
    return [query for query in queries if query[0] < moment]
