"""Queries whose SQL is made once: the same rows as Django's own, for whatever values they are asked with."""

import pytest
from django.db import transaction
from django.db.models import Count, QuerySet
from django.db.transaction import TransactionManagementError

from console.accounts.models import Membership, Team, User
from console.core.compiled import Compiled
from tests.factories import PersonFactory, TeamFactory


@pytest.fixture
def teams(db: None) -> list[Team]:
    teams: list[Team] = [TeamFactory() for _ in range(2)]
    for number, name in enumerate(("ada", "grace", "lin")):
        PersonFactory(username=name, team=teams[number % 2], roles=("reviewer",))
    return teams


def of(team: str, names: list[str]) -> QuerySet[Membership]:
    chosen = Membership.objects.filter(team=team, user__username__in=names).select_related("user", "team")
    return chosen.annotate(others=Count("team__memberships")).order_by("user__username")


def test_rows_related_and_annotated_are_as_django_makes_them(teams: list[Team]) -> None:
    compiled, found = Compiled(of), []
    for team in teams:
        for names in (["ada"], ["grace"], ["ada", "lin"], ["lin", "ada"], ["grace", "nobody"]):
            rows = compiled(team.id, names)
            assert [told(row) for row in rows] == [told(row) for row in of(team.id, names)]
            found.append([row.user.username for row in rows])
    assert found == [["ada"], [], ["ada", "lin"], ["ada", "lin"], [], [], ["grace"], [], [], ["grace"]]


def told(row: Membership) -> dict[str, object]:
    own = {name: value for name, value in vars(row).items() if name != "_state"}
    related = {name: value for name, value in vars(row.user).items() if name != "_state"}
    return own | {"user": related, "cached": sorted(row._state.fields_cache)}


def test_rows_are_locked_in_a_transaction_only(committed: str) -> None:
    lock = Compiled(lambda name: User.objects.filter(username=name).select_for_update())
    with transaction.atomic():
        assert lock("ada") == []
    with pytest.raises(TransactionManagementError, match="in a transaction"):
        lock("ada")


def test_value_that_its_lookup_changes_is_refused(db: None) -> None:
    search = Compiled(lambda part: Team.objects.filter(name__contains=part))
    with pytest.raises(TypeError, match="changes its value"):
        search("a")
