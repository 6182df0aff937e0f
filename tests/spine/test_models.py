"""A policy that names models of authenticators: asked when somebody signs, and by the door from what was stored."""

from typing import Any

import pytest

from approvals.models import Action, PolicyVersion, Review
from approvals.publish import publish_policy
from console.accounts.models import User
from console.core.errors import Forbidden
from examples.demo.people import acting
from tests.accounts.authenticator import BE, UP, UV, SoftAuthenticator
from tests.accounts.makers import MODEL, OTHER_MODEL, Maker
from tests.services import services
from tests.spine.attacker import alarms, ends_unsent
from tests.spine.conftest import World
from tests.standins.fault_proxy import FaultProxy


def asks(change: str) -> None:
    """Of whoever signs for much money."""
    source = PolicyVersion.objects.order_by("-number")[0].source
    money = "id: money\n    when: {categories: [financial]}\n    then: review\n    review: {slots: [{group: finance"
    assert money in source
    publish_policy(source.replace(money, f"{money}, {change}"), actor=acting("mira"))


def named(*models: object) -> str:
    return f"authenticators: [{', '.join(map(str, models))}]"


@pytest.fixture
def maker(settings: Any) -> Maker:
    made = Maker()
    settings.AUTHENTICATOR_ROOTS = made.root
    return made


@pytest.fixture
def waiting(world: World, maker: Maker) -> World:
    asks(named(OTHER_MODEL, MODEL))
    world.keys["ana"] = SoftAuthenticator(aaguid=MODEL, maker=maker)
    world.begin()
    world.settle()
    return world


def signing(world: World) -> Review:
    key = world.keys["ana"]
    key.register(User.objects.get(username="ana"), acting("ana"))
    return world.sign(world.review(large=True))


def test_a_model_that_is_named_signs_and_it_is_sent(waiting: World) -> None:
    action = signing(waiting).action
    waiting.settle()
    assert Action.objects.get(pk=action.pk).state == "succeeded"
    assert len(waiting.refunds()) == 1


OTHERS: dict[str, Any] = {
    "a model that is not named": lambda maker: SoftAuthenticator(maker=Maker(names=None, key=maker.key)),
    "a model that nobody vouches for": lambda maker: SoftAuthenticator(aaguid=MODEL),
    "a model that somebody unknown vouches for": lambda maker: SoftAuthenticator(aaguid=MODEL, maker=Maker()),
}


@pytest.mark.parametrize("which", OTHERS)
def test_another_model_may_refuse_and_not_approve(waiting: World, maker: Maker, which: str) -> None:
    waiting.keys["ana"] = OTHERS[which](maker)
    with pytest.raises(Forbidden, match="of a model that the policy names") as refusal:
        signing(waiting)
    assert refusal.value.code == "model_needed"
    review = waiting.sign(waiting.review(large=True), verdict="refuse", reason="No.")
    assert review.state == "refused"


def test_the_door_asks_the_maker_again(waiting: World, proxy: FaultProxy, settings: Any) -> None:
    action = signing(waiting).action
    settings.AUTHENTICATOR_ROOTS = Maker().root
    assert ends_unsent(waiting, proxy, action).state == "stale"
    assert alarms(action.pk) == ["There are fewer valid signatures than the policy asks for."]


def test_the_columns_beside_the_attestation_prove_nothing(waiting: World, proxy: FaultProxy, committed: str) -> None:
    """Somebody who has all of PostgreSQL takes the maker's words out: what the row states is not enough."""
    action = signing(waiting).action
    none = SoftAuthenticator(aaguid=MODEL).attest(b"c" * 32)["response"]["attestationObject"]  # type: ignore[index]
    with services().superuser(committed) as connection:
        connection.execute("SET session_replication_role = replica")  # for them the triggers are only advice
        connection.execute("UPDATE accounts_passkey SET attestation_object = %s", [none.encode()])
    ends_unsent(waiting, proxy, action)
    assert alarms(action.pk) != []


def test_a_policy_that_names_models_after_the_signature_stops_it(held: World, proxy: FaultProxy, maker: Maker) -> None:
    action = held.sign(held.review(large=True)).action
    asks(named(MODEL))
    after = ends_unsent(held, proxy, action)
    assert (after.state, (after.outcome or {})["code"]) == ("stale", "policy_changed")


def test_whether_a_passkey_stays_on_its_device_is_read_from_what_it_signed(world: World, committed: str) -> None:
    """A synced one is called otherwise by somebody who has all of PostgreSQL: what it signed says that it is synced."""
    asks("signature: device")
    world.keys["ana"] = SoftAuthenticator(flags=UP | UV | BE)
    world.begin()
    world.settle()
    with pytest.raises(Forbidden, match="never leaves its device"):
        signing(world)
    with services().superuser(committed) as connection:
        connection.execute("SET session_replication_role = replica")  # for them the triggers are only advice
        connection.execute("UPDATE accounts_passkey SET backup_eligible = false")
    with pytest.raises(Forbidden, match="never leaves its device"):
        world.sign(world.review(large=True))
