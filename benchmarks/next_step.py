"""How long after a person approves does the next step begin? From `signoff()` entered, with a passkey's signature made
before. The sign-off, the wake-up of the door, its checks of every signature and of the policy, its permit, and the
records of it all lie in between.

Three times: until the start of what was approved is committed, its permit used and its intent written; nothing leaves
for it, as an agent does it itself. Until the permission is in that agent's hands. And for a run, until the start of the
step after the approved one is committed; the approved call, to a server of this machine, lies in between.
"""

import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import psycopg

from approvals.models import Review
from approvals.publish import publish_policy
from approvals.signoff import signoff
from benchmarks import form
from benchmarks.bench import PATIENCE, Bench, CouldNotMeasure, Heard, say
from benchmarks.gateway import NOTE
from benchmarks.ledger import Ledger, read, wait_for
from benchmarks.peers import NotInstalled, python_of
from console.accounts.models import User
from console.agents.register import create_agent, issue_agent_token
from console.core.clock import now
from console.home.cluster import SUPERUSER
from console.home.embedded import provision
from console.home.processes import DATABASE, ROOT
from console.runs.start import start_run
from console.workflows.models import WorkflowVersion
from console.workflows.publish import publish_workflow
from integrations.describe import describe_integration, give_grant, store_credential
from integrations.models import Credential
from integrations.permission import AGENT

TURNS, WARM_UP, AT_REST = 3, 10, 0.05  # AT_REST in seconds: until whoever waits does wait
OURS = ("begun", "agent", "run")
POLICY = """
policy: next-step
rules:
  - {id: reads, when: {effect: [read]}, then: allow}
  - {id: rest, when: {}, then: review, review: {slots: [{group: finance}], signature: passkey, expires_minutes: 240}}
"""
OWN = """
integration: own
title: What the agent does itself
credential: {type: none}
operations:
  note:
    title: Take a note
    effect: write
    categories: [other]
    trust: proven
    method: POST
    path: /Note
    body: json
    arguments: {text: {in: body, required: true, schema: {type: string, maxLength: 200}}}
    idempotency: {mode: native_key, header: Idempotency-Key, evidence: The permission is given once per action.}
    sentence: "Let the agent note ${{ arguments.text }}"
    facts: [{label: Text, shows: text, becomes: "${{ arguments.text }}"}]
"""
WORKFLOW = """
workflow: note
title: Leave a note and go on
inputs: {entry: {type: string}}
steps:
  approved: {call: ledger.note, arguments: {entry: "${{ inputs.entry }}", text: seen}}
  next: {after: [approved], sleep: {seconds: 3600}}
"""
# Told once the transaction is committed that lets the action, or the step, begin.
STARTS = """
CREATE FUNCTION benchmark_tells() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('started', to_jsonb(NEW) ->> TG_ARGV[0]); RETURN NULL; END $$;
CREATE TRIGGER benchmark_tells AFTER UPDATE OF state ON runs_step FOR EACH ROW
WHEN (NEW.state = 'running' AND NEW.name = 'next') EXECUTE FUNCTION benchmark_tells('run_id');
CREATE TRIGGER benchmark_tells AFTER UPDATE OF state ON approvals_action FOR EACH ROW
WHEN (NEW.state = 'executing' AND NEW.run = '') EXECUTE FUNCTION benchmark_tells('id');
"""
Take = Callable[[int], list[float]]  # so many times; milliseconds


def next_steps(bench: Bench, ledger: Ledger, upstream: str, samples: int) -> dict[str, form.Figure]:
    """Each way in turn, so that whatever else this machine does is spread over all."""
    with psycopg.connect(bench.postgres.url(SUPERUSER, DATABASE), autocommit=True) as database:
        database.execute(STARTS)
        database.execute("LISTEN started")
        ways = ours(bench, ledger, upstream, database) | peers(bench)
        taken: dict[str, list[list[float]]] = {name: [] for name in ways}
        for turn in range(TURNS):
            for name, take in ways.items():
                say(f"approval to next step, {name}: {samples} samples ({turn + 1} of {TURNS})")
                taken[name].append(take(samples)[WARM_UP if name in OURS else 0 :])
    return figures(taken)


def ours(bench: Bench, ledger: Ledger, upstream: str, database: psycopg.Connection) -> dict[str, Take]:
    workflow, secret = describe(ledger, upstream)
    bench.start("worker", "door", "beat")
    bench.start_web()
    return {
        "begun": lambda samples: [permit(ledger, agent, database)[0] for agent in agents(bench, secret, samples)],
        "agent": lambda samples: [permit(ledger, agent, database)[1] for agent in agents(bench, secret, samples)],
        "run": lambda samples: [go_on(ledger, workflow, database) for _ in range(WARM_UP + samples)],
    }


def peers(bench: Bench) -> dict[str, Take]:
    """Celery is the product's own; the others are not measured where their programs cannot be installed."""
    provision(bench.postgres, "peers")
    pythons = {"celery": sys.executable}
    try:
        pythons |= dict.fromkeys(("dbos", "langgraph"), str(python_of("approval_peers", bench.state)))
    except NotInstalled as problem:
        say(f"DBOS and LangGraph are not measured: {problem}")
    return {name: lambda samples, name=name: peer(bench, pythons[name], name, samples) for name in pythons}  # type: ignore[misc]


def describe(ledger: Ledger, upstream: str) -> tuple[WorkflowVersion, str]:
    """The run's workflow, and the agent's token."""
    admin = ledger.admin
    describe_integration(read("integration.yaml").rstrip() + "\n" + NOTE, base_url=upstream, actor=admin)
    own = describe_integration(OWN, base_url=AGENT, actor=admin)
    publish_policy(POLICY, actor=admin)
    workflow = publish_workflow(WORKFLOW, actor=admin)
    key = Credential.objects.get()
    give_grant(grantee="workflow:note", operations=["note"], credential=key, actor=admin)
    agent = create_agent("caller", "Caller", owner=User.objects.get(username="operator"), actor=admin)
    none = store_credential(own, name="none", secret="", actor=admin)
    give_grant(grantee=agent.grantee, operations=["note"], credential=none, actor=admin)
    return workflow, issue_agent_token(agent, expires=now() + dt.timedelta(days=1), actor=admin)[1]


def agents(bench: Bench, secret: str, samples: int) -> Sequence[Heard]:
    """The one agent, as often as it asks."""
    times = WARM_UP + samples
    program = ["-m", "benchmarks.waiting_agent", str(bench.port), str(times)]
    return [bench.listen_to("agent", *program, more={"BENCH_AGENT_TOKEN": secret})] * times


def permit(ledger: Ledger, agent: Heard, database: psycopg.Connection) -> tuple[float, float]:
    """Until it has begun, and until the agent has it."""
    action = agent.wait_beginning("asked")
    asked = approve(ledger, opened(action=action))
    began = begun(database, action)
    return (began - asked) / 1e6, (agent.wait(f"permitted {action}") - asked) / 1e6


def go_on(ledger: Ledger, workflow: WorkflowVersion, database: psycopg.Connection) -> float:
    run = start_run(workflow, inputs={"entry": "e000001"}, actor=ledger.operator)
    asked = approve(ledger, opened(action__run=run.pk))
    return (begun(database, run.pk) - asked) / 1e6


def begun(database: psycopg.Connection, what: str) -> int:
    """When it was told."""
    told = next(database.notifies(timeout=PATIENCE, stop_after=1), None)
    began = time.monotonic_ns()
    if told is None or told.payload != what:
        raise CouldNotMeasure(f"{what} did not begin.")
    return began


def opened(**of: str) -> str:
    """The id of the review, once it waits."""
    found = Review.objects.filter(state="open", **of)
    wait_for(found.exists, "the door prepares it")
    return str(found.get().pk)


def approve(ledger: Ledger, review: str) -> int:
    """The moment right before."""
    proof = ledger.sign(review)
    time.sleep(AT_REST)
    asked = time.monotonic_ns()
    signoff(review, verdict="approve", proof=proof, actor=ledger.reviewer)
    return asked


def peer(bench: Bench, python: str, name: str, samples: int) -> list[float]:
    place = {"PEER_DATABASE_URL": bench.postgres.url(SUPERUSER, "peers"), "PYTHONPATH": str(ROOT)}
    program = [python, "-m", f"benchmarks.approval_peers.with_{name}", str(samples)]
    done = subprocess.run(program, env={**bench.environment("worker"), **place}, cwd=ROOT, capture_output=True,
                          text=True, check=False)  # fmt: skip
    if done.returncode:
        raise CouldNotMeasure(f"{name} could not be measured: {done.stderr[-2000:]}")
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def figures(taken: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, form.Figure]:
    """By way, of its turns: percentiles, and of each of ours how many times a peer's median it takes."""
    found: dict[str, form.Figure] = {}
    medians = {name: [form.percentile(turn, 0.5) for turn in turns] for name, turns in taken.items()}
    for name, turns in taken.items():
        found[f"next_step_{name}_p50"] = form.figure(medians[name], "ms")
        found[f"next_step_{name}_p99"] = form.figure([form.percentile(turn, 0.99) for turn in turns], "ms")
    for own in OURS:
        for other in medians.keys() - set(OURS):
            times = [one / beside for one, beside in zip(medians[own], medians[other], strict=True)]
            found[f"{own}_to_{other}"] = form.figure(times, "times")
    return found
