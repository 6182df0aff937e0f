"""A team with a ledger to post to: held actions in bulk, runs that keep reading, and a reviewer with a passkey."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from approvals.models import Action, Review
from approvals.propose import Proposal, propose
from approvals.publish import publish_policy
from approvals.signoff import ByPasskey, prepare_decision
from benchmarks.bench import PATIENCE, CouldNotMeasure
from console.accounts.actors import human
from console.accounts.models import Membership
from console.accounts.people import create_team, create_user, set_membership
from console.core.actor import Actor, system
from console.core.telemetry import new_span_id, new_trace_id
from console.runs.models import Run
from console.runs.start import start_run
from console.workflows.models import WorkflowVersion
from console.workflows.publish import publish_workflow
from integrations.describe import describe_integration, give_grant, store_credential
from tests.accounts.authenticator import SoftAuthenticator

FILES = Path(__file__).with_name("ledger_files")
BATCH = 50  # fewer than the door prepares in a second: older ones the sweep would offer a second time
LOOKS = 40  # steps of a busy run


@dataclass
class Ledger:
    admin: Actor
    operator: Actor
    reviewer: Actor
    key: SoftAuthenticator
    survey: WorkflowVersion
    posted: int = 0

    def propose(self, count: int) -> list[str]:
        """Ids of new actions, as a run would propose them."""
        return [self._propose() for _ in range(count)]

    def _propose(self) -> str:
        self.posted += 1
        proposal = Proposal(
            team=self.operator.team,
            operation="ledger.post_entry",
            arguments={"entry": f"e{self.posted:06}", "amount": 4_200},
            grantee="workflow:survey",
            makers=[self.operator.id],
            run="run_of_the_benchmark",
            says="This entry is complete, so I propose to post it.",
            evidence=[{"title": "Entry", "value": {"id": f"e{self.posted:06}", "amount": 4_200}}],
            trace_id=new_trace_id(),
            parent_span_id=new_span_id(),
        )
        return propose(proposal, actor=system("worker")).id

    def hold(self, count: int) -> list[str]:
        """Ids of reviews that wait, their actions prepared by the door."""
        reviews: list[str] = []
        while len(reviews) < count:
            actions = self.propose(min(BATCH, count - len(reviews)))
            asked = Review.objects.filter(action__in=actions, state="open").order_by("opened_at")
            wait_for(lambda asked=asked, actions=actions: asked.count() == len(actions), "the door prepares them")  # type: ignore[misc]
            reviews += asked.values_list("id", flat=True)
        return reviews

    def sign(self, review: str) -> ByPasskey:
        """What the browser would send: the payload that the server prepared, and the passkey's signature of it."""
        prepared = prepare_decision(review, verdict="approve", reason="", actor=self.reviewer)
        return ByPasskey(str(prepared["prepared"]), self.key.sign_options(prepared["options"]))

    def keep_busy(self, runs: int) -> None:
        """Start as many as have ended."""
        for _ in range(runs - Run.objects.filter(state="running").count()):
            start_run(self.survey, inputs={"entry": "e000001"}, actor=self.operator)

    def reads(self) -> int:
        return Action.objects.filter(operation__effect="read", state="succeeded").count()


def set_up(base_url: str) -> Ledger:
    team = create_team("ledger", "Ledger", actor=system("benchmark"))

    def person(username: str, role: str, *groups: str) -> Actor:
        user = create_user(username, username.title(), actor=system("benchmark"))
        membership: Membership = set_membership(user, team, roles=[role], groups=groups, actor=system("benchmark"))
        return human(user, membership, auth="session")

    admin, operator = person("admin", "admin"), person("operator", "operator")
    reviewer, key = person("reviewer", "reviewer", "finance"), SoftAuthenticator()
    key.register(Membership.objects.get(user=reviewer.id).user, reviewer)
    return Ledger(admin, operator, reviewer, key, connect(base_url, admin))


def connect(base_url: str, admin: Actor) -> WorkflowVersion:
    integration = describe_integration(read("integration.yaml"), base_url=base_url, actor=admin)
    credential = store_credential(integration, name="key", secret="a-secret-of-the-benchmark", actor=admin)
    publish_policy(read("policy.yaml"), actor=admin)
    version = publish_workflow(repeated(read("workflow.yaml"), LOOKS), actor=admin)
    give_grant(grantee="workflow:survey", operations=["get_entry", "post_entry"], credential=credential, actor=admin)
    return version


def repeated(source: str, times: int) -> str:
    """The workflow with its one step as many times, each after the one before."""
    document = yaml.safe_load(source)
    [(name, step)] = document["steps"].items()
    document["steps"] = {
        f"{name}_{n}": {**copy.deepcopy(step), **({"after": [f"{name}_{n - 1}"]} if n else {})} for n in range(times)
    }
    return str(yaml.safe_dump(document, sort_keys=False))


def read(name: str) -> str:
    return (FILES / name).read_text()


def wait_for(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise CouldNotMeasure(f"Not within {PATIENCE:g} seconds: {what}")
        time.sleep(0.05)
