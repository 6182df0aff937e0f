"""A team, its things, and doors that die: one action after the other is taken to its end, and looked at."""

import datetime as dt
import itertools
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import connections

from approvals import alarm
from approvals import execute as execution
from approvals import recover as recovery
from approvals.authority import load
from approvals.models import Action, Review
from approvals.prepare import prepare
from approvals.propose import Proposal, propose
from approvals.publish import publish_policy
from approvals.signoff import ByPasskey, prepare_decision, signoff
from approvals.tasks import drive
from audit.models import Record
from audit.vocabulary import Kind
from console.accounts.actors import human
from console.accounts.models import User
from console.accounts.people import create_team, create_user, set_membership
from console.core import presence, wake
from console.core.actor import Actor, system
from console.core.clock import now
from console.core.telemetry import new_span_id, new_trace_id
from integrations import calls, outbound
from integrations.describe import describe_integration, give_grant, store_credential
from integrations.models import Call
from tests.accounts.authenticator import SoftAuthenticator
from tests.crash.lines import Killed, Lines, Stop
from tests.factories import a_grantee
from tests.standins.upstream import Upstream

DOOR = system("door")
DESCRIBED = Path(__file__).with_name("things.yaml").read_text()
POLICY = """
policy: things
rules:
  - {id: trusted, when: {workflow: [trusted]}, then: allow}
  - {id: everything-else, when: {}, then: review, review: {slots: [{group: admins}]}}
"""
GRANTEE, TRUSTED = "workflow:things", "workflow:trusted"  # what the second asks for needs nobody
UNREPEATABLE = ("none", "unknown")
_numbers = itertools.count(1)


def described() -> str:
    """Each write also without its probe (`_blind`), and as a person has reviewed it (`_reviewed`)."""
    document = yaml.safe_load(DESCRIBED)
    writes = {slug: one for slug, one in document["operations"].items() if one["effect"] != "read"}
    for slug, one in writes.items():
        blind = {name: value for name, value in one.items() if name != "probe"}
        document["operations"] |= {
            f"{slug}_blind": blind,
            f"{slug}_reviewed": {**one, "trust": "reviewed"},
            f"{slug}_reviewed_blind": {**blind, "trust": "reviewed"},
        }
    return json.dumps(document)  # which is YAML, without the aliases that a dump of YAML would have


@dataclass
class Team:
    upstream: Upstream
    admin: Actor
    operator: Actor
    reviewer: Actor
    key: SoftAuthenticator = field(default_factory=SoftAuthenticator)


def set_up(upstream: Upstream) -> Team:
    team = create_team("things", "Things", actor=system("tests"))

    def person(name: str, role: str, *groups: str) -> Actor:
        user = create_user(name, name.title(), actor=system("tests"))
        membership = set_membership(user, team, roles=[role], groups=groups, actor=system("tests"))
        return human(user, membership, auth="session")

    admin = person("mira", "admin")
    made = Team(upstream, admin, person("jonas", "operator"), person("ana", "reviewer", "admins"))
    made.key.register(User.objects.get(pk=made.reviewer.id), made.reviewer)
    integration = describe_integration(described(), base_url=upstream.base_url, actor=admin)
    credential = store_credential(integration, name="key", secret="a secret of the tests", actor=admin)
    operations = list(integration.operations.values_list("slug", flat=True))
    for grantee in (GRANTEE, TRUSTED):
        give_grant(grantee=a_grantee(grantee, admin), operations=operations, credential=credential, actor=admin)
    publish_policy(POLICY, actor=admin)
    return made


class Doors:
    """One is alive at a time, whatever others go on doing: a door that loses its presence may not know."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.alive, self._own = 1, threading.local()
        patch.setattr(presence, "number", lambda: getattr(self._own, "number", self.alive))
        patch.setattr(presence, "alive", lambda: {self.alive})

    def replaced(self) -> None:
        """This thread plays the new door."""
        self.alive += 1
        self._own.number = self.alive


def lose_connection() -> None:
    """As PostgreSQL sees the end of a process: nothing is rolled back by anybody but itself."""
    session = connections["default"].connection
    del connections["default"]
    if session is not None:
        session.close()


class Place:
    def __init__(self, team: Team, patch: pytest.MonkeyPatch) -> None:
        self.team, self.upstream, self.doors = team, team.upstream, Doors(patch)
        self.later = dt.timedelta()
        for module in (alarm, calls, execution, recovery):  # one clock for what is sent and what is waited for
            patch.setattr(module, "now", lambda: now() + self.later)

    def thing(self) -> str:
        return f"t{next(_numbers)}"

    def propose(self, operation: str, grantee: str = GRANTEE, run: str = "") -> Action:
        mode = operation.split("_reviewed")[0].removesuffix("_blind")
        arguments = {"thing": self.thing()}
        arguments |= {"version": "1"} if mode.startswith("conditional") else {}
        arguments |= {"value": "blue"} if mode in ("conditional", "set_semantics") else {}
        proposal = Proposal(
            team=self.team.operator.team, operation=f"things.{operation}", arguments=arguments, grantee=grantee,
            makers=[self.team.operator.id], trace_id=new_trace_id(), parent_span_id=new_span_id(), run=run,
        )  # fmt: skip
        return propose(proposal, actor=system("worker"))

    def permitted(self, operation: str, grantee: str = GRANTEE, run: str = "") -> Action:
        """Signed, and about to be sent."""
        action = prepare(load(self.propose(operation, grantee, run=run).id), actor=DOOR)
        self.sign(action, "approve")
        action.refresh_from_db()
        assert action.state == "permitted", action.outcome
        return action

    def sign(self, action: Action, verdict: str) -> None:
        review = Review.objects.get(action=action, state="open")
        given: dict[str, Any] = {"verdict": verdict, "reason": "As I see it.", "actor": self.team.reviewer}
        prepared = prepare_decision(review.id, **given)
        proof = ByPasskey(str(prepared["prepared"]), self.team.key.sign_options(prepared["options"]))
        signoff(review.id, proof=proof, **given)

    def answer_truthfully(self, action: Action) -> None:
        """Somebody who waits until nothing can come any more, looks at the other side, and says what is there."""
        self.upstream.catch_up()
        self.sign(action, "approve" if self.effects(action) else "refuse")

    def effects(self, action: Action) -> int:
        return self.upstream.effects(action.arguments["thing"])

    def dies_at(self, stop: Stop | None, act: Callable[[], object]) -> Lines:
        """The door does this, dies there if it comes so far, and another one takes its place. It has just started, and
        has no connections yet: one that stands or not, by the time that has passed, would lead to other lines."""
        outbound._pool.cache_clear()
        lines = Lines(stop)
        try:
            with lines:
                act()
        except Killed:
            lose_connection()
            wake._started = threading.Lock()  # which a death on the way out of it would leave locked
        self.doors.replaced()
        return lines

    def pass_time(self) -> None:
        """More than any door has patience."""
        self.upstream.catch_up()
        self.later += dt.timedelta(minutes=3)

    def recover(self, action: Action) -> Action:
        """Sweeps until the end, with people who answer what they are asked."""
        for _ in range(12):
            drive(action.id)
            action.refresh_from_db()
            if action.settled:
                self.later = dt.timedelta()
                return action
            if Review.objects.filter(action=action, state="open").exists():
                self.answer_truthfully(action)
            else:
                self.pass_time()
        raise AssertionError(f"{action.id} never ends: {action.state}")

    def check_end(self, action: Action) -> None:
        """One effect at most, known as what it is, with everything on the record."""
        self.check_so_far(action)
        assert action.settled
        assert self.effects(action) == (action.state == "succeeded")
        states = list(Call.objects.filter(action=action.id).values_list("state", flat=True))
        assert states == [action.state] * (action.state in ("succeeded", "failed"))
        assert not Review.objects.filter(action=action, state="open").exists()

    def check_so_far(self, action: Action) -> None:
        action.refresh_from_db()
        assert self.effects(action) <= 1
        calls = list(Call.objects.filter(action=action.id))
        assert len(calls) <= 1
        rows: list[Action | Call] = [action, *calls]
        for row in rows:
            check_recorded(row)
        if action.operation.idempotency in UNREPEATABLE:
            assert self.upstream.requests(action.arguments["thing"]) <= 1
            assert [call.attempt for call in calls] in ([], [1])


def check_recorded(row: Action | Call) -> None:
    """Each state that it went through has its record, and each move was a legal one."""
    kinds = Record.objects.of(row.pk).filter(kind__startswith=f"{row.KIND}:").order_by("at", "id")
    kinds = kinds.exclude(kind=Kind.CALL_ANSWERED_LATE)  # which is no move
    states = ["initial", *(kind.rpartition(":")[2] for kind in kinds.values_list("kind", flat=True))]
    assert states[-1] == row.state
    assert [pair for pair in itertools.pairwise(states) if pair[1] not in row.TRANSITIONS[pair[0]]] == []
