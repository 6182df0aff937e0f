"""Nobody cheated, yet what was agreed no longer holds: nothing is sent, and the action says why."""
# ruff: noqa: F811  (parameters bear the names of imported fixtures, as pytest wants it)

import datetime as dt
from collections.abc import Callable

import pytest

from approvals import authority, ruling
from approvals.authority import Loaded
from approvals.execute import check_still_true
from approvals.models import Action, PolicyVersion
from approvals.policies.slots import Requirement, SlotSpec, Way
from approvals.propose import Proposal, propose
from approvals.publish import publish_policy
from approvals.sweep import void_reviews
from approvals.tasks import drive
from console.accounts.models import Team
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Invalid
from examples.demo.charges import alter_charge, refund_by_hand
from examples.demo.people import acting
from examples.demo.seed import EXAMPLES
from integrations.describe import describe_integration, give_grant, revoke_credential, revoke_grant
from integrations.models import Credential, Grant
from tests.factories import a_grantee
from tests.spine.attacker import alarms, ends_unsent, writes
from tests.spine.conftest import World
from tests.spine.scene import Scene, prepared_scene, scene, sql  # noqa: F401  (fixtures)
from tests.standins.fault_proxy import FaultProxy

CHANGES: dict[str, tuple[Callable[[World, str], object], str]] = {
    "a refund by hand": (lambda world, charge: refund_by_hand(world.standin, charge, 100), "precondition_changed"),
    "another amount": (lambda world, charge: alter_charge(world.standin, charge, amount=1), "precondition_changed"),
    "another currency": (
        lambda world, charge: alter_charge(world.standin, charge, currency="usd"),
        "precondition_changed",
    ),
    "another description": (
        lambda world, charge: alter_charge(world.standin, charge, description="Order Z"),
        "facts_changed",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_charge_that_changed_upstream_is_not_refunded(change: str, held: World, proxy: FaultProxy) -> None:
    action = held.sign(held.review(large=True)).action
    alter, code = CHANGES[change]
    alter(held, held.seeded.pair("large").later)
    after = ends_unsent(held, proxy, action)
    assert (after.state, after.outcome and after.outcome["code"]) == ("stale", code)
    assert alarms(action.id) == []


def test_a_base_url_described_anew_sends_nothing_to_either_place(scene: Scene) -> None:
    action = scene.world.sign(scene.world.review(large=True)).action
    text = (EXAMPLES / "integrations/stripe.yaml").read_text()
    describe_integration(text, base_url=scene.proxy.base_url + "/elsewhere", actor=acting("mira"))
    assert ends_unsent(scene.world, scene.proxy, action).state == "stale"


@pytest.mark.parametrize("ended", [Grant, Credential])
def test_a_grant_revoked_after_the_signature_ends_it(ended: type[Grant] | type[Credential], scene: Scene) -> None:
    action = scene.world.sign(scene.world.review(large=True)).action
    ended.objects.update(revoked_at=now())
    after = ends_unsent(scene.world, scene.proxy, action)
    assert (after.state, after.outcome and after.outcome["code"]) == ("stale", "grant_ended")


@pytest.mark.parametrize("ended", [revoke_grant, revoke_credential])
def test_what_waits_for_a_signature_is_void_once_its_grant_is_taken_back(
    ended: Callable[..., object], held: World
) -> None:
    review = held.review(large=True)
    assert void_reviews() == 0
    row = review.action.grant if ended is revoke_grant else Credential.objects.get()
    ended(row, actor=acting("mira"))
    assert void_reviews() == 2
    review.refresh_from_db()
    review.action.refresh_from_db()
    assert (review.state, review.action.state) == ("withdrawn", "stale")
    assert (review.action.outcome or {})["code"] == "grant_ended"


def test_a_grant_that_ran_out_after_the_signature_ends_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    until = now() + dt.timedelta(minutes=30)
    brief = a_grantee("workflow:brief", acting("mira"))
    give_grant(grantee=brief, operations=["create_refund"], credential=Credential.objects.get(), until=until,
               actor=acting("mira"))  # fmt: skip
    arguments = {"charge": scene.world.seeded.pair("apart").later, "amount": 6_500}
    proposal = Proposal(Team.objects.get().id, "stripe.create_refund", arguments, "workflow:brief", ["usr_maker"])
    action = propose(proposal, actor=system("worker"))
    drive(action.id)
    scene.world.sign(action.reviews.get())
    monkeypatch.setattr(authority, "now", lambda: until)
    after = ends_unsent(scene.world, scene.proxy, action)
    assert (after.state, after.outcome and after.outcome["code"]) == ("stale", "grant_ended")


STRICTER = {
    "another group": ("group: finance", "group: legal", "policy_changed"),
    "a passkey": ("signature: password", "signature: passkey", "policy_changed"),
    "a statement first": ("signature: password", "signature: password, states: [amount]", "policy_changed"),
    "nobody": ("review: {slots: [{group: finance}], signature: password, expires_minutes: 240}", "", "denied"),
}


@pytest.mark.parametrize("stricter", STRICTER)
def test_a_policy_that_became_stricter_after_the_signature_stops_it(stricter: str, scene: Scene) -> None:
    action = scene.world.sign_by_password(scene.world.review(large=False)).action
    old, new, code = STRICTER[stricter]
    source = PolicyVersion.objects.get().source.replace(old, new)
    if stricter == "nobody":
        source = source.replace("at_most: 5000}}\n    then: review", "at_most: 5000}}\n    then: deny")
    assert source != PolicyVersion.objects.get().source
    publish_policy(source, actor=acting("mira"))
    after = ends_unsent(scene.world, scene.proxy, action)
    assert (after.state, after.outcome and after.outcome["code"]) == ("stale", code)
    assert alarms(action.id) == []


def test_a_policy_that_became_stricter_while_the_door_reads_stops_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = scene.world.sign_by_password(scene.world.review(large=False)).action
    stricter = PolicyVersion.objects.get().source.replace("group: finance", "group: legal")

    def reading(loaded: Loaded) -> None:
        publish_policy(stricter, actor=acting("mira"))
        check_still_true(loaded)

    monkeypatch.setattr("approvals.execute.check_still_true", reading)
    monkeypatch.setattr("approvals.execute.KNOWN_FOR", 0.0)
    after = ends_unsent(scene.world, scene.proxy, action)
    assert (after.state, after.outcome and after.outcome["code"]) == ("stale", "policy_changed")


def test_a_policy_for_more_signatures_than_were_given_stops_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Policies ask for one today; the door counts all the same."""
    action = scene.world.sign(scene.world.review(large=True)).action
    rule = ruling.rule

    def two(*given: object) -> object:
        version, answer = rule(*given)  # type: ignore[arg-type]
        wanted = Requirement((SlotSpec((Way("finance", 2),)),))
        object.__setattr__(answer, "requirement", wanted)
        return version, answer

    monkeypatch.setattr("approvals.execute.rule", two)
    assert ends_unsent(scene.world, scene.proxy, action).state == "stale"


@pytest.mark.parametrize("huge", [1e16, 1e300, 2**53])
def test_a_number_that_the_database_gives_back_as_another_is_refused_when_proposed(huge: float, scene: Scene) -> None:
    """Otherwise the door could not read what was signed, and would try for ever."""
    proposal = Proposal(
        Team.objects.get().id, "stripe.list_charges", {"limit": huge}, "workflow:billing-care", ["usr_m"]
    )
    with pytest.raises(Invalid):
        propose(proposal, actor=system("worker"))
    assert (Action.objects.filter(makers=["usr_m"]).count(), writes(scene.proxy)) == (0, [])
