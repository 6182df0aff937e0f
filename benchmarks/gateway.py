"""What does it cost an agent to go through us instead of calling the system itself? The same requests to the same
upstream, once directly and once as governed calls: token, grant, arguments, policy, permit, ledger, audit and receipt.

One after the other for the time that is added, then from several agents at once for how many a second. The same tool is
then called over MCP through us and through IBM ContextForge, which checks a token and calls, and keeps no ledger.
"""

import contextlib
import datetime as dt
import http.client
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from approvals.publish import publish_policy
from benchmarks import form
from benchmarks.bench import Bench, CouldNotMeasure, say
from benchmarks.caller import Caller
from benchmarks.gateway_peer import contextforge
from benchmarks.ledger import Ledger, read, set_up
from benchmarks.peers import NotInstalled
from console.accounts.models import User
from console.agents.register import create_agent, issue_agent_token
from console.core.clock import now
from console.gateway.tools import tool_name
from integrations.describe import describe_integration, give_grant
from integrations.models import Credential

SAMPLES, QUICK, WARM_UP = 600, 60, 30
RUNS = 3
AGENTS = (1, 4, 16)
SECONDS, QUICK_SECONDS = 10.0, 3.0
POLICY = """
policy: gateway
rules:
  - {id: reads, when: {effect: [read]}, then: allow}
  - {id: notes, when: {operation: [ledger.note]}, then: allow}
  - {id: rest, when: {}, then: review, review: {slots: [{group: finance}]}}
"""
NOTE = """
  note:
    title: Leave a note
    effect: write
    categories: [other]
    trust: reviewed
    method: POST
    path: /entries/{entry}/notes
    body: json
    arguments:
      entry: {in: path, required: true, schema: {type: string, pattern: "^e[0-9]{6}$"}}
      text: {in: body, required: true, schema: {type: string, maxLength: 200}}
    idempotency: {mode: native_key, header: Idempotency-Key, evidence: the upstream answers every repetition alike}
    compensation: null
    success: {status: [201]}
"""
ENTRY, TEXT = "e000001", {"text": "seen"}


@dataclass(frozen=True, slots=True)
class Place:
    upstream: int
    console: int
    secret: str

    def direct(self) -> Caller:
        return Caller(http.client.HTTPConnection("127.0.0.1", self.upstream), {"Content-Type": "application/json"})

    def governed(self) -> Caller:
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json", "Prefer": "wait=30",
                   "Accept": "application/json, text/event-stream"}  # fmt: skip
        return Caller(http.client.HTTPConnection("localhost", self.console), headers)


def ask(caller: Caller, operation: str, arguments: dict[str, object]) -> None:
    told = caller.send("POST", "/api/v1/actions", {"operation": operation, "arguments": arguments})
    if not isinstance(told, dict) or told["state"] != "succeeded":
        raise CouldNotMeasure(f"{operation} did not succeed: {told}")


def read_governed(caller: Caller) -> None:
    ask(caller, "ledger.get_entry", {"entry": ENTRY})


def write_governed(caller: Caller) -> None:
    ask(caller, "ledger.note", {"entry": ENTRY, **TEXT})


def measure(bench: Bench, *, quick: bool) -> form.Measured:
    upstream = bench.listen_to("upstream", "-m", "benchmarks.upstream")
    port = int(upstream.wait_beginning("port"))
    ledger = set_up(f"http://127.0.0.1:{port}")
    place = Place(port, bench.port, make_agent(ledger, f"http://127.0.0.1:{port}"))
    bench.start("door", "beat")
    bench.start_web()
    bench.start_signed()
    figures = added(place, QUICK if quick else SAMPLES)
    figures |= together(place, QUICK_SECONDS if quick else SECONDS)
    figures |= beside_peer(bench, place, QUICK if quick else SAMPLES // 3)
    goals = [
        form.at_most("a governed write adds, p50", figures["write_added"], 12),
        form.at_most("a governed read adds, p50", figures["read_added"], 12),
        form.at_least("governed writes with 16 agents", figures["writes_16"], 150),
        form.at_least("governed reads with 16 agents", figures["reads_16"], 150),
    ]
    return form.Measured(RUNS, figures, goals)


def make_agent(ledger: Ledger, base_url: str) -> str:
    """Its token. It may read and leave notes, without anybody being asked."""
    admin = ledger.admin
    describe_integration(read("integration.yaml").rstrip() + "\n" + NOTE, base_url=base_url, actor=admin)
    publish_policy(POLICY, actor=admin)
    agent = create_agent("caller", "Caller", owner=User.objects.get(username="operator"), actor=admin)
    give_grant(
        grantee=agent.grantee, operations=["get_entry", "note"], credential=Credential.objects.get(), actor=admin
    )
    return issue_agent_token(agent, expires=now() + dt.timedelta(days=1), actor=admin)[1]


def added(place: Place, samples: int) -> dict[str, form.Figure]:
    """Direct and governed in turn, so that both see the same minutes of the machine."""
    direct, governed = place.direct(), place.governed()
    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "read": (lambda: direct.send("GET", f"/entries/{ENTRY}"), lambda: read_governed(governed)),
        "write": (lambda: direct.send("POST", f"/entries/{ENTRY}/notes", TEXT), lambda: write_governed(governed)),
    }
    figures: dict[str, form.Figure] = {}
    for name, (plain, ours) in pairs.items():
        say(f"{name}: {samples} samples")
        taken = [(timed(plain), timed(ours)) for _ in range(WARM_UP + samples)][WARM_UP:]
        figures |= form.spread(f"{name}_direct", [one for one, _ in taken], RUNS)
        figures |= form.spread(f"{name}_governed", [one for _, one in taken], RUNS)
        medians = [
            form.percentile(through, 0.5) - form.percentile(straight, 0.5)
            for straight, through in zip(
                form.chunks([one for one, _ in taken], RUNS), form.chunks([one for _, one in taken], RUNS), strict=True
            )
        ]
        figures[f"{name}_added"] = form.figure(medians, "ms")
    return figures


def beside_peer(bench: Bench, place: Place, samples: int) -> dict[str, form.Figure]:
    """The write as a tool over MCP, by turns. Where the peer cannot be installed, nothing is compared."""
    try:
        theirs = contextforge.start(bench, f"http://127.0.0.1:{place.upstream}/entries/{ENTRY}/notes")
    except (NotInstalled, CouldNotMeasure) as problem:
        say(f"ContextForge is not measured: {problem}")
        return {}
    ours = place.governed()
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: tool(ours, "/mcp", tool_name("ledger.note"), {"entry": ENTRY, **TEXT}),
        "contextforge": lambda: tool(theirs, "/mcp/", "note", TEXT),
    }
    say(f"over MCP, by turns: {samples} samples")
    taken = [{way: timed(work) for way, work in ways.items()} for _ in range(WARM_UP + samples)][WARM_UP:]
    figures: dict[str, form.Figure] = {}
    for way in ways:
        figures |= form.spread(f"mcp_{way}", [one[way] for one in taken], RUNS)
    bench.stop(contextforge.NAME)
    return figures


def tool(caller: Caller, path: str, name: str, arguments: Mapping[str, object]) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    told = caller.send("POST", path, call)
    if not isinstance(told, dict) or told.get("result", {}).get("isError", "result" not in told):
        raise CouldNotMeasure(f"{name} did not succeed: {told}")


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def together(place: Place, seconds: float) -> dict[str, form.Figure]:
    figures = {}
    for agents in AGENTS:
        for name, call in (("reads", read_governed), ("writes", write_governed)):
            say(f"{name} by {agents} agents at once")
            rates = [rate(place, call, agents, seconds) for _ in range(RUNS)]
            figures[f"{name}_{agents}"] = form.figure(rates, "calls/s")
    return figures


def rate(place: Place, call: Callable[[Caller], None], agents: int, seconds: float) -> float:
    """Calls per second that ended within the time. What one agent meets ends the measurement."""
    counts, problems, end = [0] * agents, list[BaseException](), time.monotonic() + seconds

    def work(number: int) -> None:
        caller = place.governed()
        with contextlib.closing(caller.connection):
            try:
                while time.monotonic() < end:
                    call(caller)
                    counts[number] += 1
            except Exception as problem:  # noqa: BLE001  (told below, in the thread that measures)
                problems.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(agents)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise CouldNotMeasure(str(problems[0]))
    return sum(counts) / (time.monotonic() - began)
