"""The demo's world on a database of one's own, with the real payment stand-in behind it."""

import atexit
import functools
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import pytest

from approvals.models import Action, Review
from approvals.signoff import ByPasskey, ByPassword, prepare_decision, signoff
from approvals.tasks import drive
from console.accounts.models import User
from console.core.actor import system
from console.dispatch.tasks import work
from console.runs.models import Run
from examples.demo.access import begin_access_run, connect_access, seed_access
from examples.demo.charges import SeededCharges, refunds, seed_charges
from examples.demo.people import acting, seed_people
from examples.demo.seed import begin_run, connect
from examples.standins.launcher import serving
from tests.accounts.authenticator import SoftAuthenticator
from tests.conftest import speaking_with
from tests.hooks import Sender, make_hook
from tests.prepared import beginnings
from tests.services import services
from tests.standins.fault_proxy import FaultProxy

PASSWORD = "obvious-test-password"
DOOR = system("door")


@pytest.fixture(scope="session")
def running_standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("standin")) as base_url:
        yield base_url


@pytest.fixture
def standin(running_standin: str) -> str:
    httpx.delete(f"{running_standin}/_config/data").raise_for_status()
    return running_standin


@dataclass
class World:
    """Drives workers and door by hand, in this process, so that tests choose the order of events."""

    standin: str
    seeded: SeededCharges
    keys: dict[str, SoftAuthenticator] = field(default_factory=dict)

    def begin(self) -> Run:
        return begin_run()

    def settle(self) -> None:
        """Until nothing moves: workers take steps, the door takes actions, as their messages would have them."""
        for _ in range(20):
            before = self._states()
            work()
            for identity in Action.objects.values_list("pk", flat=True):
                drive(identity)
            if self._states() == before:
                return

    def _states(self) -> list[object]:
        return [*Action.objects.order_by("pk").values_list("pk", "state"), *Run.objects.values_list("pk", "state")]

    def review(self, *, large: bool) -> Review:
        amount = {"amount_minor": 48_000} if large else {"amount_minor": 4_200}
        return Review.objects.select_related("action").get(action__in=Action.objects.filter(**amount), state="open")

    def sign(self, review: Review, who: str = "ana", verdict: str = "approve", reason: str = "") -> Review:
        actor, key = acting(who), self.authenticator(who)
        prepared = prepare_decision(review.id, verdict=verdict, reason=reason, actor=actor)
        assertion = key.sign_options(prepared["options"])
        proof = ByPasskey(str(prepared["prepared"]), assertion)
        return signoff(review.id, verdict=verdict, reason=reason, proof=proof, actor=actor)

    def sign_by_password(self, review: Review, who: str = "ana") -> Review:
        user = User.objects.get(username=who)
        user.set_password(PASSWORD)
        user.save(update_fields=["password", "password_attestation"])
        return signoff(review.id, verdict="approve", proof=ByPassword(PASSWORD), actor=acting(who))

    def authenticator(self, who: str) -> SoftAuthenticator:
        if who not in self.keys:
            self.keys[who] = SoftAuthenticator()
            self.keys[who].register(User.objects.get(username=who), acting(who))
        return self.keys[who]

    def refunds(self, which: str = "large") -> list[dict[str, object]]:
        return refunds(self.standin, self.seeded.pair(which).later)


@functools.cache
def address() -> socket.socket:
    """Of each test's proxy in turn: integrations are connected to it once."""
    listening = socket.create_server(("127.0.0.1", 0))
    atexit.register(listening.close)
    return listening


@functools.cache
def connected() -> str:
    """A database with the demo's team, and the stand-in as its admin connected it."""
    name = services().clone()
    with speaking_with(name):
        seed_people()
        connect(f"http://127.0.0.1:{address().getsockname()[1]}")
    return name


beginnings["world"] = connected


@pytest.fixture
def proxy(standin: str) -> Iterator[FaultProxy]:
    """Between the door and the stand-in, to fail on demand."""
    upstream = urlsplit(standin)
    assert upstream.hostname
    assert upstream.port
    with FaultProxy(upstream.hostname, upstream.port, address()) as proxy:
        yield proxy


@pytest.fixture
def world(committed: str, standin: str, proxy: FaultProxy) -> World:
    return World(standin, seed_charges(standin))


@pytest.fixture
def held(world: World) -> World:
    """A run of the billing workflow with both refunds waiting for a signature."""
    world.begin()
    world.settle()
    return world


@pytest.fixture(scope="session")
def running_access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("access"), "access") as base_url:
        yield base_url


@pytest.fixture
def access(running_access: str) -> str:
    httpx.post(f"{running_access}/moto-api/reset").raise_for_status()
    seed_access(running_access)
    return running_access


@pytest.fixture
def gate(access: str) -> Iterator[FaultProxy]:
    address = urlsplit(access)
    with FaultProxy(str(address.hostname), address.port or 0) as proxy:
        yield proxy


@pytest.fixture
def asked(world: World, gate: FaultProxy) -> World:
    """The console as the demo has it; the workflow has proposed, and the policy waits for a signature."""
    connect_access(gate.base_url)
    begin_access_run()
    world.settle()
    return world


def the_access_review() -> Review:
    return Review.objects.select_related("action__operation").get(
        state="open", action__operation__slug="attach_user_policy"
    )


@pytest.fixture
def sender(committed: str) -> Sender:
    """Of a system that tells the demo's team of events, and is not there to be called."""
    seed_people()
    connect("http://127.0.0.1:9")
    return Sender(make_hook())
