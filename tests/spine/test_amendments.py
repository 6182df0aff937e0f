"""A description that changes voids what was agreed by the old one: nothing is sent, whoever had signed."""
# ruff: noqa: F811  (parameters bear the names of imported fixtures, as pytest wants it)

import pytest
from django.db import connection, transaction
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from approvals.models import Action, Review
from approvals.propose import Proposal, propose
from approvals.sweep import void_reviews
from approvals.tasks import drive
from console.accounts.models import Team
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Conflict, Tampered
from examples.demo.people import acting
from integrations.amend import Wanted, decide_amendments, quarantine, review_operation
from integrations.description import Description
from integrations.models import Amendment, Operation
from tests.services import services
from tests.spine.attacker import APP, DOOR, REFUSED, UNRECORDED, Attacker, alarms, ends_unsent, writes
from tests.spine.conftest import World
from tests.spine.scene import Scene, prepared_scene, scene, sql  # noqa: F401  (fixtures)
from tests.standins.fault_proxy import FaultProxy


def amend(slug: str = "create_refund", title: str = "Give money back, otherwise") -> Amendment:
    """As a newer document would."""
    with transaction.atomic():
        operation = Operation.objects.select_related("integration").get(slug=slug)
        described = Description(slug, {**operation.description, "title": title})
        quarantine(operation, described, None, actor=acting("mira"))
    return operation.amendments.get(state="quarantined")


def decide(amendment: Amendment, *, adopt: bool) -> None:
    wanted = [Wanted(amendment.id, bytes(amendment.digest).hex())]
    decide_amendments(amendment.operation.integration, wanted, adopt=adopt, actor=acting("mira"))


def ended(action: Action) -> tuple[str, str]:
    action.refresh_from_db()
    return action.state, (action.outcome or {}).get("code", "")


def ask(world: World) -> Action:
    arguments = {"charge": world.seeded.pair("apart").later, "amount": 6_500}
    proposal = Proposal(Team.objects.get().id, "stripe.create_refund", arguments, "workflow:billing-care", ["usr_m"])
    return propose(proposal, actor=system("worker"))


@pytest.mark.parametrize("decision", ["none", "adopted", "declined"])
def test_what_was_signed_before_a_change_is_never_sent(decision: str, scene: Scene) -> None:
    action = scene.world.sign(scene.world.review(large=True)).action
    amendment = amend()
    if decision in ("adopted", "declined"):
        decide(amendment, adopt=decision == "adopted")
    ends_unsent(scene.world, scene.proxy, action)
    assert ended(action) == ("stale", "description_changed")
    assert alarms(action.id) == []


def test_what_waits_for_a_signature_is_void_within_a_sweep(held: World) -> None:
    small, large = held.review(large=False), held.review(large=True)
    assert void_reviews() == 0
    amend()
    assert void_reviews() == 2
    assert [ended(one.action) for one in (small, large)] == [("stale", "description_changed")] * 2
    assert set(Review.objects.filter(pk__in=[small.pk, large.pk]).values_list("state", flat=True)) == {"withdrawn"}
    assert void_reviews() == 0


def test_a_persons_own_review_voids_as_well(held: World) -> None:
    action, operation = held.review(large=True).action, Operation.objects.get(slug="create_refund")
    said = {name: value for name, value in operation.description.items() if name in ("effect", "reads", "probe")}
    review_operation(operation, said, seen=bytes(operation.digest).hex(), actor=acting("mira"))
    assert void_reviews() == 2
    assert ended(action) == ("stale", "description_changed")


def test_nothing_is_proposed_while_a_change_waits_and_again_once_it_is_decided(held: World, proxy: FaultProxy) -> None:
    amendment = amend()
    before = writes(proxy)
    assert ended(ask(held)) == ("refused", "quarantined")
    decide(amendment, adopt=True)
    action = ask(held)
    drive(action.id)
    assert ended(action) == ("held", "")
    assert Operation.objects.get(slug="create_refund").title == "Give money back, otherwise"
    assert writes(proxy) == before


def test_a_change_of_what_it_reads_stops_it_too(scene: Scene) -> None:
    action = scene.world.sign(scene.world.review(large=True)).action
    reading = next(iter(action.operation.description["reads"].values()))["operation"]
    amend(reading)
    ends_unsent(scene.world, scene.proxy, action)
    assert ended(action) == ("stale", "description_changed")


def test_nobody_ends_a_quarantine_by_sql(scene: Scene) -> None:
    amendment = amend()
    for role, sqlstate in ((APP, UNRECORDED), (DOOR, REFUSED)):
        with Attacker(connection.settings_dict["NAME"], role) as attacker:
            with attacker.refused(sqlstate):
                attacker.run("UPDATE integrations_amendment SET state = 'declined', settled_at = %s WHERE id = %s",
                             now(), amendment.id)  # fmt: skip
            with attacker.refused(REFUSED):
                attacker.run("DELETE FROM integrations_amendment")
            with attacker.refused(REFUSED):
                attacker.run("UPDATE integrations_amendment SET after = before")


@pytest.mark.parametrize("column", ["after", "digest"])
def test_what_a_superuser_altered_is_not_adopted(column: str, scene: Scene) -> None:
    amendment = amend()
    altered = Jsonb({**amendment.after, "path": "/elsewhere"}) if column == "after" else b"0" * 32
    with services().superuser(connection.settings_dict["NAME"]) as superuser:
        statement = SQL("UPDATE integrations_amendment SET {} = %s WHERE id = %s").format(Identifier(column))
        superuser.execute(statement, (altered, amendment.id))
    amendment.refresh_from_db()
    with pytest.raises((Conflict, Tampered)):
        decide(amendment, adopt=True)
    assert Operation.objects.get(slug="create_refund").description["path"] != "/elsewhere"
