"""What policies and grants count, where somebody would have them count less."""

import pytest

from approvals import sweep
from approvals.publish import publish_policy
from console.core.clock import now
from console.core.errors import Conflict
from integrations.amend import Wanted, decide_amendments, quarantine
from integrations.describe import describe_integration, give_grant, revoke_grant
from integrations.description import Description
from integrations.models import Grant, Integration
from tests.odd.conftest import THINGS, Shop

TOTAL = """
policy: totals
totals: {spent: {sum: eur, by: [agent], hours: 24}}
rules:
  - {id: small, when: {agent: [trusted], total: {spent: {at_most: 1_000}}}, then: allow}
  - {id: rest, when: {}, then: review, review: {slots: [{group: admins}]}}
"""
PRICED = 'amount: {minor: "${{ arguments.amount }}", currency: eur}'


def test_what_is_below_zero_makes_no_room_in_a_total(shop: Shop) -> None:
    shop.connect(PRICED)
    publish_policy(TOTAL, actor=shop.admin)
    states = [shop.ask(amount=amount).state for amount in (900, -100_000, 99_500, 100, 1)]
    assert states == ["succeeded", "succeeded", "held", "held", "held"]


RENAMED = THINGS.replace("amount:", "total:").replace("MORE", "success: {status: [200]}")


@pytest.mark.parametrize(
    "limits",
    [
        {"arguments": {"amount": {"at_most": 50}}},
        {"sums": [{"argument": "amount", "at_most": 50, "hours": 24}]},
        {"sums": [{"argument": "amount", "at_most": 50, "hours": 24}], "calls": {"at_most": 9, "hours": 1}},
    ],
)
def test_an_argument_that_a_grant_limits_is_not_described_away(limits: dict[str, object], shop: Shop) -> None:
    integration = shop.connect(limits=limits)
    with pytest.raises(Conflict, match="trusted may use make only within limits on amount"):
        describe_integration(RENAMED, base_url=shop.base_url, actor=shop.admin)
    with pytest.raises(Conflict, match="Give that grant anew without make, or end it"):
        adopt_renamed(integration, shop)
    assert shop.ask(amount=51).state == "refused"
    revoke_grant(Grant.objects.get(), actor=shop.admin)
    describe_integration(RENAMED, base_url=shop.base_url, actor=shop.admin)


def adopt_renamed(integration: Integration, shop: Shop) -> None:
    operation = integration.operations.get(slug="make")
    operation.integration = integration
    document = {**operation.description, "arguments": {"total": operation.description["arguments"]["amount"]}}
    quarantine(operation, Description("make", document), None, actor=shop.admin)
    waits = operation.amendments.get(state="quarantined")
    decide_amendments(integration, [Wanted(waits.pk, bytes(waits.digest).hex())], adopt=True, actor=shop.admin)


def test_other_arguments_may_go_and_so_may_those_of_a_grant_that_has_ended(shop: Shop) -> None:
    integration = shop.connect(limits={"calls": {"at_most": 9, "hours": 1}})
    give_grant(grantee="people", operations=["make"], credential=integration.credentials.get(), until=now(),
               limits={"arguments": {"amount": {"at_most": 50}}}, actor=shop.admin)  # fmt: skip
    describe_integration(RENAMED, base_url=shop.base_url, actor=shop.admin)
    assert shop.ask(total=51).state == "succeeded"


def test_what_cannot_move_is_never_in_the_way_of_what_can(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message may be lost, and only the sweep brings it again."""
    woken = list[str]()
    monkeypatch.setattr(sweep, "wake", lambda task, queue, identity: woken.append(identity))
    monkeypatch.setattr(sweep, "GRACE", -sweep.GRACE)
    monkeypatch.setattr(sweep, "AT_ONCE", 2)
    shop.connect()
    shop.connect(grantee="agent:other")
    held = shop.ask(grantee="agent:other", amount=1)
    behind = [shop.propose(grantee="agent:other", after=held.pk, amount=1) for _ in range(3)]
    stuck = [shop.propose(amount=number) for number in range(4)]
    lost = shop.propose(amount=5)
    offered = [sweep.offer_actions() for _ in range(3)]
    assert (offered, woken) == ([2, 2, 1], [*(one.pk for one in stuck), lost.pk])
    assert (held.state, {one.state for one in behind}) == ("held", {"proposed"})
