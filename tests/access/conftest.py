"""A team at work, made once: two refunds and a cancellation wait. Tests here are refused or only look and share it."""

import datetime as dt
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import signing
from django.test import Client
from django.urls import reverse
from pytest_django.plugin import DjangoDbBlocker

from approvals.comments import add_comment
from approvals.delegations import Wanted, give_delegation
from approvals.halts import halt
from approvals.models import Action, Drill, Mandate, PostReview, Review
from audit.exports import work_off
from audit.exports.request import request_export
from audit.holds import place_hold
from audit.models import Export, Hold, Record
from audit.move import begin, move
from console.accounts.models import Passkey, Team, User
from console.accounts.tokens import issue_token
from console.agents.proposals import file_proposal
from console.core import presence
from console.core.actor import Actor
from console.core.clock import now
from console.notices.channels import open_channel
from console.notices.models import Channel, RotaEntry
from console.notices.people import SALT, set_address
from console.notices.rota import add_entry
from console.runs.cancel import cancel_run
from console.runs.models import Run
from console.runs.start import start_run
from console.workflows.access import access_version
from examples.demo.charges import seed_charges
from examples.demo.people import acting, seed_people
from examples.demo.seed import connect
from examples.standins.launcher import serving
from integrations.handing_in import hand_in
from integrations.mcp.listing import connect_server
from integrations.models import Credential, Webhook
from tests.audit.conftest import SignedLog, SignerInProcess
from tests.conftest import a_clone
from tests.factories import PASSWORD, PersonFactory
from tests.gateway.conftest import make_agent
from tests.hooks import make_hook
from tests.pages.conftest import everything_but_the_log, outsider
from tests.routes import ROUTES, Needs
from tests.spine.conftest import World

# The demo's people by the one role they have; of the two reviewers only Ana is asked about money.
BY_ROLE = {"reviewer": "ana", "operator": "jonas", "admin": "mira", "auditor": "theo", "none": "noa"}


@dataclass
class Scene:
    world: World
    review: Review
    foreign: Review  # asks the legal group
    own: Review  # its maker is also a reviewer of the group that it asks
    settled: Review  # withdrawn with its run
    run: Run
    record: Record
    export: Export
    hold: Hold
    passkey: Passkey
    agent_token: str
    proposal: str
    credential: str
    handed_in: str
    webhook: Webhook
    halt: str
    mandate: str
    post_review: str
    drill: str
    address_token: str
    channel: Channel
    rota_entry: RotaEntry
    delegation: str
    comment: str
    tokens: dict[str, str] = field(default_factory=dict)

    def address(self, name: str, given: str | None = None) -> str:
        """Of the route for the demo's row, or for the one given."""
        needs = ROUTES[name].needs
        return reverse(name, args=[given if given is not None else self.row(needs)] if needs else [])

    def row(self, needs: Needs) -> str:
        action = self.review.action
        rows = {"review": self.review.id, "run": self.run.id, "workflow": "billing-care", "integration": "stripe",
                "record": str(self.record.pk), "export": self.export.pk, "passkey": self.passkey.id,
                "operation": action.operation_id, "hold": self.hold.pk, "settled": self.settled.id,
                "tile": "0/000.p/1", "agent": "helper", "agent_token": self.agent_token, "action": action.id,
                "server": "spoken-to", "import": self.handed_in, "proposal": self.proposal,
                "webhook": self.webhook.pk, "webhook_secret": self.webhook.secrets.get().pk,
                "halt": self.halt, "post_review": self.post_review, "drill": self.drill,
                "mandate": self.mandate, "policy_version": "1", "setup": "x" * 43,
                "provider": "corp",
                "address": self.address_token, "channel": self.channel.pk, "rota_entry": self.rota_entry.pk,
                "delegation": self.delegation, "comment": self.comment,
                "grant": str(action.grant_id), "credential": self.credential}  # fmt: skip
        return rows[needs]


class Visitor(Client):
    def generic(self, *given: Any, **named: Any) -> Any:
        """Reads to the end what is streamed, as a browser would."""
        answer: Any = super().generic(*given, **named)
        for _ in answer.streaming_content if answer.streaming else ():
            pass
        return answer


def browser(username: str = "", *, csrf: bool = False) -> Client:
    client = Visitor(enforce_csrf_checks=csrf, headers={"host": "localhost"})
    if username:
        client.force_login(User.objects.get(username=username))
    return client


@dataclass
class Looks:
    """What everybody was answered who only looked, everywhere: asked once, and judged by several tests."""

    answers: dict[tuple[str, str, str], Any]  # by who (a visitor is ""), method and name of the route
    before: dict[str, tuple[int, int]]
    after: dict[str, tuple[int, int]]


@pytest.fixture(scope="package")
def looks(scene: Scene) -> Looks:
    people = {who: browser(who) for who in (*BY_ROLE.values(), "olga", "lea", "")}
    programs = {f"program of {who}": bearer(token) for who, token in scene.tokens.items()}
    before = everything_but_the_log()
    answers = {}
    for name, route in ROUTES.items():
        address = scene.address(name)
        for who, client in (people | programs if address.startswith("/api/") else people).items():
            client.raise_request_exception = False  # a fault is an answer too, and fails the tests of its route only
            for method in set(route.methods) - {"POST"}:
                answers[who, method, name] = client.generic(method, address)
    return Looks(answers, before, everything_but_the_log())


def bearer(secret: str) -> Client:
    return Visitor(headers={"host": "localhost", "authorization": f"Bearer {secret}"})


@pytest.fixture(scope="package")
def scene(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    with (
        serving(tmp_path_factory.mktemp("provider")) as standin,
        pytest.MonkeyPatch.context() as patch,
        django_db_blocker.unblock(),
        a_clone(),
    ):
        patch.setattr(presence, "number", lambda: 1)
        patch.setattr(presence, "alive", lambda: {1})
        patch.setattr(project, "PASSWORD_HASHERS", [f"{MD5PasswordHasher.__module__}.MD5PasswordHasher"])
        yield arrange(standin, tmp_path_factory.mktemp("signer"))


def arrange(standin: str, state: Path) -> Scene:
    world = World(standin, seed_charges(standin))
    team = seed_people()
    connect(standin)
    connect_server(
        slug="spoken-to",
        title="Spoken to",
        address="http://127.0.0.1:9/mcp",
        credential_type="none",
        actor=acting("mira"),
    )
    outsider()
    PersonFactory(username="otto", team=team, roles=("operator", "reviewer"), groups=("finance",))
    PersonFactory(username="lea")  # in no team
    for user in User.objects.all():
        user.set_password(PASSWORD)
        user.save(update_fields=["password", "password_attestation"])
    world.authenticator("ana")
    run = world.begin()
    world.settle()
    cancel = start("cancel-subscription", "jonas", subscription=world.seeded.subscriptions["studio"], reason="moved")
    own = start("billing-care", "otto")
    cancelled = start("billing-care", "jonas")
    world.settle()
    cancel_run(cancelled, actor=acting("jonas"))
    world.settle()
    agent, agent_token, _ = make_agent()
    asker = Actor(kind="agent", id=agent.id, team=team.pk, auth="token")
    return Scene(
        world=world,
        review=Review.objects.get(action__run=run.id, action__amount_minor=48_000),
        foreign=Review.objects.get(action__run=cancel.id),
        own=Review.objects.get(action__run=own.id, action__amount_minor=48_000),
        settled=Review.objects.get(action__run=cancelled.id, action__amount_minor=48_000),
        run=run,
        record=Record.objects.filter(run=run.id).order_by("at")[0],
        export=export(state),
        hold=place_hold(acting("mira"), dt.date(2026, 1, 1), None, "The hold of Zoë"),
        passkey=Passkey.objects.get(),
        agent_token=agent_token.id,
        proposal=file_proposal(agent, ["stripe.get_charge"], actor=asker).id,
        credential=Credential.objects.filter(integration__slug="stripe").get().id,
        handed_in=hand_in(
            b"{",
            slug="parcels",
            title="Parcels",
            base_url=standin,
            credential_type="none",
            credential_settings={},
            actor=acting("mira"),
        ).pk,
        webhook=make_hook(),
        halt=halt("agent", "helper", reason="It went wild.", actor=acting("mira")).pk,
        mandate=mandate(Review.objects.get(action__run=cancelled.id, action__amount_minor=48_000).action),
        post_review=post_review(Review.objects.get(action__run=cancelled.id, action__amount_minor=48_000).action),
        drill=drill(Review.objects.get(action__run=cancelled.id, action__amount_minor=48_000).action),
        address_token=signing.dumps(set_address("zoe@people.example", actor=acting("ana")).pk, salt=SALT),
        channel=open_channel(kind="webhook", name="Zoë", url="https://hooks.example/x", actor=acting("mira")),
        rota_entry=add_entry(
            group="finance",
            person=User.objects.get(username="ana").pk,
            begins=now(),
            ends=now() + dt.timedelta(days=1),
            actor=acting("mira"),
        ),
        delegation=delegation("ana", "otto"),
        comment=add_comment(
            Review.objects.get(action__run=run.id, action__amount_minor=48_000).pk, "Zoë?", actor=acting("ana")
        ).pk,
        tokens={name: token(name, team) for name in BY_ROLE.values()},
    )


def delegation(delegator: str, delegate: str) -> str:
    ends, who = now() + dt.timedelta(days=1), User.objects.get(username=delegate).pk
    actor = replace(acting(delegator), stepped_up_at=now())
    return give_delegation(Wanted(who, now(), ends), actor=actor).pk


def mandate(action: Action) -> str:
    """A row, as of one that people have signed."""
    made = Mandate(team=action.team, action=action, operation=action.operation, grantee=action.grantee,
                   until=now() + dt.timedelta(days=1))  # fmt: skip
    begin(made, actor=acting("mira"))
    return made.pk


def post_review(action: Action) -> str:
    """A row, as of something that was done."""
    asked = PostReview(team=action.team, action=action, cause="opening", groups=["finance"], not_by=action.makers)
    begin(asked, actor=acting("mira"))
    return asked.pk


def drill(action: Action) -> str:
    """A row, as of one that Ana has decided."""
    at = now()
    made = Drill(team=action.team, reviewer=User.objects.get(username="ana"), like=action, planted="", told="Nothing.",
                 shown={"sentence": action.sentence}, opened_at=at, expires_at=at)  # fmt: skip
    begin(made, actor=acting("mira"))
    move(made, "right", actor=acting("ana"), closed_at=at)
    return made.pk


def start(workflow: str, who: str, **inputs: str) -> Run:
    return start_run(access_version(acting(who), workflow), inputs=inputs, actor=acting(who))


def export(state: Path) -> Export:
    """One that is ready: of a log that is signed, as the publisher wrote it."""
    SignedLog(SignerInProcess(state)).sequence()
    asked = request_export(acting("theo"), form="jsonl", filter={})
    assert work_off(threading.Event())
    return Export.objects.get(pk=asked.pk)


def token(username: str, team: Team) -> str:
    user = User.objects.get(username=username)
    ends = now() + dt.timedelta(days=1)
    return issue_token(user, team, actor=acting(username), expires=ends, label="tests")[1]
