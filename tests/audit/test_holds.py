"""Legal holds: one person places, another releases, and both say why."""

import datetime as dt
import json
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from audit.holds import MAX_REASON, place_hold, release_hold, touching
from audit.models import Disclosure, Hold, Record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.errors import Conflict, Forbidden, Invalid, NotFound
from tests.audit.past import person

pytestmark = pytest.mark.django_db

DAY = dt.date(2026, 3, 14)
THEO, MIRA = person("theo", Role.AUDITOR), person("mira", Role.ADMIN)


def told(kind: Kind) -> list[tuple[str, str, dict[str, Any]]]:
    leaves = [json.loads(bytes(one.leaf)) for one in Record.objects.filter(kind=kind).order_by("at")]
    return [(leaf["actor"]["id"], leaf["object"], leaf["detail"]) for leaf in leaves]


def reasons() -> list[str]:
    return [str(one.value) for one in Disclosure.objects.filter(path="reason").order_by("pk")]


def test_a_hold_is_placed_by_one_and_released_by_another() -> None:
    hold = place_hold(THEO, DAY, None, "  Claim 17 ")
    assert told(Kind.HOLD_PLACED) == [("usr_theo", hold.id, {"since": "2026-03-14", "until": ""})]
    released = release_hold(MIRA, hold.id, "Settled")
    assert told(Kind.HOLD_RELEASED) == [("usr_mira", hold.id, {})]
    assert reasons() == ["Claim 17", "Settled"]
    row = Hold.objects.get()
    assert (row.state, row.placed_by, row.released_by) == ("released", "usr_theo", "usr_mira")
    assert row.released_at == released.released_at
    assert not any(b"Claim" in bytes(one.leaf) for one in Record.objects.all())


def test_whoever_placed_it_cannot_release_it() -> None:
    hold = place_hold(THEO, DAY, DAY, "Claim 17")
    with pytest.raises(Forbidden, match="somebody else"):
        release_hold(THEO, hold.id, "Settled")
    assert Hold.objects.get().state == "placed"


def test_it_is_released_once() -> None:
    hold = place_hold(THEO, DAY, DAY, "Claim 17")
    release_hold(MIRA, hold.id, "Settled")
    with pytest.raises(Conflict):
        release_hold(MIRA, hold.id, "Settled")
    assert len(told(Kind.HOLD_RELEASED)) == 1


@pytest.mark.parametrize(
    "who",
    [
        person("ana", Role.REVIEWER),
        person("jonas", Role.OPERATOR),
        person("noa"),
        Actor("human", "usr_theo", "team_ours", "token", "Theo", frozenset({Role.AUDITOR})),
    ],
)
def test_others_neither_place_nor_release(who: Actor) -> None:
    hold = place_hold(THEO, DAY, DAY, "Claim 17")
    with pytest.raises(Forbidden):
        place_hold(who, DAY, None, "x")
    with pytest.raises(Forbidden):
        release_hold(who, hold.id, "x")
    assert Hold.objects.get().state == "placed"


def test_a_hold_of_another_team_does_not_exist() -> None:
    hold = place_hold(THEO, DAY, DAY, "Claim 17")
    olga = person("olga", *Role, team="team_theirs")
    with pytest.raises(NotFound):
        release_hold(olga, hold.id, "x")
    with pytest.raises(NotFound):
        release_hold(MIRA, "hld_nothing", "x")
    assert [one for one, _, detail in told(Kind.ACCESS_REFUSED) if detail["page"] == "hold"] == ["usr_olga"]


@pytest.mark.parametrize("reason", ["", "  \n", "x" * (MAX_REASON + 1)])
def test_without_a_reason_nothing_happens(reason: str) -> None:
    with pytest.raises(Invalid):
        place_hold(THEO, DAY, None, reason)
    hold = place_hold(THEO, DAY, None, "Claim 17")
    with pytest.raises(Invalid):
        release_hold(MIRA, hold.id, reason)
    assert Hold.objects.get().state == "placed"


def test_a_hold_does_not_end_before_it_begins() -> None:
    with pytest.raises(Invalid, match="before it begins"):
        place_hold(THEO, DAY, DAY - dt.timedelta(1), "Claim 17")
    with pytest.raises(IntegrityError, match="audit_hold_days"), transaction.atomic():
        Hold.objects.create(team="t", since=DAY, until=DAY - dt.timedelta(1), placed_by="x")


def test_the_database_refuses_a_release_by_nobody_and_without_a_record() -> None:
    hold = place_hold(THEO, DAY, None, "Claim 17")
    with pytest.raises(DatabaseError, match="audit_hold_released_iff_by_somebody"), transaction.atomic():
        Hold.objects.filter(pk=hold.pk).update(state="released")
    release_hold(MIRA, hold.id, "Settled")
    with transaction.atomic():
        point = transaction.savepoint()
        Hold.objects.filter(pk=hold.pk).update(state="placed", released_by="", released_at=None)
        with pytest.raises(DatabaseError, match="is not an allowed move"):
            connection.check_constraints()  # as COMMIT would
        transaction.savepoint_rollback(point)
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_hold")


@pytest.mark.parametrize(
    ("since", "until", "held"),
    [
        ("2026-03-31", "2026-03-31", True),
        ("2026-03-01", "2026-03-01", True),
        ("2026-04-01", None, False),
        ("2026-02-01", "2026-02-28", False),
        ("2026-02-01", None, True),
        ("2025-01-01", "2027-01-01", True),
    ],
)
def test_a_month_is_touched_by_a_day_of_it(since: str, until: str | None, held: bool) -> None:
    hold = Hold(since=dt.date.fromisoformat(since), until=until and dt.date.fromisoformat(until))
    assert touching([hold], dt.date(2026, 3, 1), dt.date(2026, 4, 1)) == ([hold] if held else [])
