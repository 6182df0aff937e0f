"""The kill switch: from the moment in which it is committed nothing is sent for what it covers, and lifting it lets
nothing happen that was agreed before."""

import datetime as dt

import psycopg
import pytest
from django.core.management import CommandError, call_command

from approvals import authority, tasks
from approvals.halts import halt, lift, standing
from approvals.models import Action, Halt, Permit, Review
from approvals.sweep import offer_actions
from approvals.tasks import drive
from audit.models import Record
from console.core.actor import Actor, Role
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid, NotFound
from console.runs.models import Run
from examples.demo.people import acting
from integrations.models import Call
from tests.spine.attacker import Attacker, alarms
from tests.spine.conftest import World
from tests.standins.fault_proxy import FaultProxy

SCOPES = {"team": "", "workflow": "billing-care", "integration": "stripe"}


def stop_all(scope: str = "team") -> Halt:
    return halt(scope, SCOPES[scope], reason="It refunds too much.", actor=acting("jonas"))


@pytest.mark.parametrize("scope", SCOPES)
def test_what_was_signed_is_void_and_what_is_held_waits_until_it_is_lifted(scope: str, held: World) -> None:
    signed = held.sign(held.review(large=True)).action
    waiting = held.review(large=False)
    made = stop_all(scope)
    signed.refresh_from_db()
    assert (signed.state, (signed.outcome or {})["code"], alarms(signed.id)) == ("stale", "halted", [])
    with pytest.raises(Conflict, match="halted"):
        held.sign_by_password(waiting)
    assert standing(acting("ana")) == [made]
    lift(made.pk, actor=acting("mira"))
    held.sign_by_password(waiting)
    held.settle()
    assert Action.objects.get(pk=waiting.action_id).state == "succeeded"
    assert (held.refunds("large"), len(held.refunds("small"))) == ([], 1)
    drive(signed.id)
    assert held.refunds("large") == []
    kinds = Record.objects.of(made.pk).order_by("at").values_list("kind", flat=True)
    assert list(kinds) == ["approvals:halt:on", "approvals:halt:lifted"]


def test_refusing_goes_on(held: World) -> None:
    review = held.review(large=True)
    stop_all()
    assert held.sign(review, verdict="refuse", reason="No.").state == "refused"


def test_what_is_proposed_waits_and_goes_on_when_it_is_lifted(world: World) -> None:
    made = stop_all("integration")
    run = world.begin()
    world.settle()
    assert set(Action.objects.values_list("state", flat=True)) == {"proposed"}
    Action.objects.update(created_at=made.since)
    assert offer_actions() == 0  # nobody is woken for what waits
    lift(made.pk, actor=acting("mira"))
    world.settle()
    assert Review.objects.filter(state="open").count() == 2
    assert Run.objects.get(pk=run.pk).state == "running"


def test_the_door_sends_nothing_that_was_loaded_before_it(held: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was loaded knows of no halt: the database lets nothing begin."""
    action = held.sign(held.review(large=True)).action
    load = authority.load

    def and_then_halt(identity: str) -> object:
        loaded = load(identity)
        if not Halt.objects.filter(state="on").exists():
            stop_all()
        return loaded

    monkeypatch.setattr("approvals.halts._void", lambda *given: None)  # nor is anything voided
    monkeypatch.setattr("approvals.lease.KNOWN_FOR", 60.0)
    monkeypatch.setattr(tasks, "load", and_then_halt)
    with pytest.raises(Exception, match="it is halted"):
        drive(action.id)
    assert (held.refunds(), Call.objects.exclude(effect="read").count()) == ([], 0)
    assert Permit.objects.filter(consumed_at=None).count() == 1
    monkeypatch.setattr(tasks, "load", load)
    assert Action.objects.filter(put_off=1).update(not_before=None) == 1
    drive(action.id)
    assert Action.objects.get(pk=action.pk).state == "stale"


def test_what_is_in_doubt_is_not_sent_again(held: World, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy.cut_before("POST", "/v1/refunds")
    action = held.sign(held.review(large=True)).action
    drive(action.id)
    assert Action.objects.get(pk=action.pk).state in ("in_doubt", "executing")
    stop_all("workflow")
    monkeypatch.setattr("approvals.recover.now", lambda: now() + dt.timedelta(minutes=5))
    drive(action.id)
    assert Record.objects.filter(kind="integrations:lease:revoked").count() == 1
    assert (held.refunds(), Action.objects.get(pk=action.pk).state) == ([], "in_doubt")
    assert Review.objects.filter(action=action, kind="doubt", state="open").exists()


def test_others_are_not_covered(held: World) -> None:
    halt("workflow", "cancel-subscription", reason="Only that.", actor=acting("jonas"))
    action = held.sign(held.review(large=True)).action
    drive(action.id)
    assert Action.objects.get(pk=action.pk).state == "succeeded"


def test_who_may_and_what_has_to_be_said(held: World) -> None:
    auditor, operator = acting("theo"), acting("jonas")
    with pytest.raises(Forbidden):
        halt("team", reason="x", actor=auditor)
    for scope, name in (("workflow", "nobody"), ("agent", ""), ("integration", "nothing"), ("instance", ""), ("", "")):
        with pytest.raises(Invalid):
            halt(scope, name, reason="x", actor=operator)
    with pytest.raises(Invalid, match="why"):
        halt("team", reason=" ", actor=operator)
    made = stop_all()
    with pytest.raises(Conflict, match="already"):
        stop_all()
    with pytest.raises(Forbidden):
        lift(made.pk, actor=operator)
    stranger = Actor("human", "usr_x", "team_other", "session", "X", frozenset({Role.ADMIN}))
    with pytest.raises(NotFound):
        lift(made.pk, actor=stranger)
    assert standing(stranger) == []
    lift(made.pk, actor=acting("mira"))
    with pytest.raises(Conflict, match="lifted"):
        lift(made.pk, actor=acting("mira"))


def test_the_command_halts_every_team(held: World) -> None:
    action = held.sign(held.review(large=True)).action
    call_command("halt", "The provider is under attack.")
    assert Action.objects.get(pk=action.pk).state == "stale"
    with pytest.raises(CommandError, match="already"):
        call_command("halt", "Again.")
    [made] = standing(acting("ana"))
    with pytest.raises(NotFound):
        lift(made.pk, actor=acting("mira"))
    call_command("halt", "--lift")
    with pytest.raises(CommandError, match="not halted"):
        call_command("halt", "--lift")
    with pytest.raises(CommandError, match="Say why"):
        call_command("halt")
    assert standing(acting("ana")) == []


def test_sql_lifts_nothing_in_silence(held: World, committed: str) -> None:
    made = stop_all()
    with Attacker(committed) as sql:
        with sql.refused(says="permission denied"):
            sql.run("DELETE FROM approvals_halt")
        with pytest.raises(psycopg.Error, match="record"):
            sql.run("UPDATE approvals_halt SET state = 'lifted', lifted_at = now() WHERE id = %s", made.pk)
