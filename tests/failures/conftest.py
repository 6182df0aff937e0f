"""A world in which two refunds of a run wait, and an agent that may ask for more, on a database of one's own."""

from collections.abc import Iterator

import pytest

from approvals.models import Action
from approvals.tasks import drive
from examples.demo.people import acting
from integrations.describe import give_grant
from integrations.models import Credential
from tests.gateway.conftest import GRANTED, Asking, make_agent
from tests.pages.conftest import ana, at_the_office, enter, furnished, hold, office
from tests.spine.attacker import Attacker
from tests.spine.conftest import World, held, proxy, running_standin, standin, world
from tests.spine.scene import Scene
from tests.standins.fault_proxy import FaultProxy
from tests.units.test_outbound import peer

__all__ = [
    "ana", "at_the_office", "enter", "furnished", "held", "hold", "office", "peer", "proxy", "running_standin",
    "standin", "world",
]  # fmt: skip


@pytest.fixture
def scene(held: World, proxy: FaultProxy, committed: str) -> Scene:
    """Anew for each test, other side included: with a defence away, something may be sent."""
    held.authenticator("ana")
    proxy.requests.clear()
    return Scene(held, proxy, committed)


@pytest.fixture
def sql(scene: Scene) -> Iterator[Attacker]:
    with Attacker(scene.database) as attacker:
        yield attacker


@pytest.fixture
def asking(scene: Scene) -> Asking:
    agent, token, secret = make_agent()
    give_grant(grantee=agent.grantee, operations=GRANTED, credential=Credential.objects.get(), actor=acting("mira"))
    return Asking(scene.world, agent, token, secret)


def refund(asking: Asking, which: str = "large") -> Action:
    """What the agent asks for, as far as the door takes it at once."""
    asked = asking.refund(which).json()["id"]
    drive(asked)
    return Action.objects.get(pk=asked)


def end_of(action: Action) -> tuple[str, str]:
    action.refresh_from_db()
    return action.state, str((action.outcome or {}).get("code", ""))
