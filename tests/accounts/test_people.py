"""Teams, people and their roles: who may change them, and what the database refuses."""

import json
from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction

from audit.models import Record
from console.accounts.access import access_members, access_passkey, access_team, access_token, access_user
from console.accounts.models import Membership, Team, User
from console.accounts.people import (
    create_team,
    create_user,
    deactivate_user,
    last_admin_of,
    remove_membership,
    set_membership,
)
from console.accounts.signals import user_deactivated
from console.core.actor import Actor, Role
from console.core.errors import Conflict, Forbidden, Invalid, NotFound
from tests.accounts.authenticator import SoftAuthenticator
from tests.accounts.conftest import PASSWORD, SYSTEM, acting, join


def kinds(subject: str) -> list[str]:
    return list(Record.objects.of(subject).order_by("at").values_list("kind", flat=True))


def test_people_are_made_by_acts_that_are_recorded(ada: User, team: Team) -> None:
    assert kinds(ada.id) == ["accounts:user:created", "accounts:membership:set"]
    assert kinds(team.id) == ["accounts:team:created"]


def test_names_stay_out_of_the_leaf(ada: User) -> None:
    leaf = bytes(Record.objects.get(subject=ada.id, kind="accounts:user:created").leaf).decode()
    assert "ada" not in leaf.lower().replace(ada.id, "")


@pytest.mark.parametrize("username", ["", "Ada Lovelace", "-ada", "a" * 65, "ädä"])
def test_odd_usernames_are_refused(db: None, username: str) -> None:
    with pytest.raises(Invalid):
        create_user(username, "Ada", actor=SYSTEM)


def test_usernames_differ_by_more_than_case(ada: User) -> None:
    with pytest.raises(Conflict):
        create_user("ADA", "Another Ada", actor=SYSTEM)


def test_weak_password_is_refused(db: None) -> None:
    with pytest.raises(Invalid, match="too short"):
        create_user("bob", "Bob", password="short", actor=SYSTEM)


def test_unknown_roles_and_odd_groups_are_refused(ada: User, team: Team) -> None:
    with pytest.raises(Invalid, match="no role chief"):
        set_membership(ada, team, roles=["chief"], actor=SYSTEM)
    with pytest.raises(Invalid, match="name for a group"):
        set_membership(ada, team, roles=["admin"], groups=["The Board"], actor=SYSTEM)


def test_membership_is_replaced(ada: User, grace: User, team: Team) -> None:
    set_membership(grace, team, roles=["auditor"], groups=["b", "a"], actor=acting(ada))
    found = Membership.objects.get(user=grace)
    assert (found.roles, found.groups) == (["auditor"], ["a", "b"])


Act = Callable[[User, Team, Actor], object]
ACTS: dict[str, Act] = {
    "create_team": lambda user, team, actor: create_team("new", "New", actor=actor),
    "create_user": lambda user, team, actor: create_user("new", "New", actor=actor),
    "set_membership": lambda user, team, actor: set_membership(user, team, roles=["reviewer"], actor=actor),
    "remove_membership": lambda user, team, actor: remove_membership(user, team, actor=actor),
    "deactivate_user": lambda user, team, actor: deactivate_user(user, actor=actor, why="left"),
}


@pytest.mark.parametrize("act", ACTS)
def test_only_admins_in_a_browser_change_people(ada: User, grace: User, team: Team, act: str) -> None:
    for actor in (acting(grace), acting(ada, auth="token")):
        with pytest.raises(Forbidden):
            ACTS[act](grace, team, actor)
    ACTS[act](grace, team, acting(ada))


@pytest.mark.parametrize("act", ["set_membership", "remove_membership", "deactivate_user"])
def test_admins_of_other_teams_change_nobody_here(grace: User, team: Team, outsider: User, act: str) -> None:
    with pytest.raises(Forbidden):
        ACTS[act](grace, team, acting(outsider))


def test_who_creates_a_team_becomes_its_admin(ada: User) -> None:
    created = create_team("new", "New", actor=acting(ada))
    assert Membership.objects.get(user=ada, team=created).roles == [Role.ADMIN]


def test_a_team_keeps_an_admin(ada: User, team: Team) -> None:
    for attempt in (
        lambda: set_membership(ada, team, roles=["reviewer"], actor=acting(ada)),
        lambda: remove_membership(ada, team, actor=acting(ada)),
    ):
        with pytest.raises(Conflict, match="at least one admin"):
            attempt()
    assert Membership.objects.get(user=ada).roles == ["admin", "reviewer"]


def test_deactivation_is_told_inside_the_transaction(ada: User, grace: User) -> None:
    told: list[tuple[object, object]] = []

    def listen(user: User, actor: Actor, **_: object) -> None:
        told.append((user.id, connection.in_atomic_block))

    user_deactivated.connect(listen)
    try:
        deactivate_user(grace, actor=acting(ada), why="left")
    finally:
        user_deactivated.disconnect(listen)
    assert (told, kinds(grace.id)[-1]) == ([(grace.id, True)], "accounts:user:deactivated")
    told_of = json.loads(bytes(Record.objects.of(grace.id).get(kind="accounts:user:deactivated").leaf))
    assert (told_of["actor"]["id"], set(told_of["c"])) == (ada.id, {"why"})
    with pytest.raises(Conflict):
        deactivate_user(grace, actor=acting(ada), why="left")


def test_nobody_closes_their_own_account_or_says_no_reason(ada: User, grace: User, team: Team) -> None:
    set_membership(grace, team, roles=["admin"], actor=SYSTEM)
    for user, why, refusal, text in (
        (ada, "left", Forbidden, "their own"),
        (grace, " ", Invalid, "Say why"),
        (join("eve", "Eve"), "left", Forbidden, "not in your team"),
    ):
        with pytest.raises(refusal, match=text):
            deactivate_user(user, actor=acting(ada), why=why)
    assert not User.objects.exclude(is_active=True).exists()


def test_last_admin_is_known_by_the_teams_that_would_have_none(
    ada: User, grace: User, team: Team, other_team: Team
) -> None:
    set_membership(ada, other_team, roles=["admin"], actor=SYSTEM)
    assert (last_admin_of(ada), last_admin_of(grace)) == (["billing", "legal"], [])
    set_membership(grace, team, roles=["admin"], actor=SYSTEM)
    assert last_admin_of(ada) == ["legal"]
    deactivate_user(grace, actor=SYSTEM)
    assert last_admin_of(ada) == ["billing", "legal"]


BROKEN = {
    "accounts_user_username": "UPDATE accounts_user SET username = 'Ada'",
    "accounts_user_name": "UPDATE accounts_user SET name = ''",
    "accounts_user_deactivated": "UPDATE accounts_user SET is_active = false",
    "accounts_team_name": "UPDATE accounts_team SET name = ''",
    "accounts_membership_roles": "UPDATE accounts_membership SET roles = '{chief}'",
    "accounts_membership_once": "INSERT INTO accounts_membership"
    " (id, user_id, team_id, roles, groups, source, attestation)"
    " SELECT 'mem_2', user_id, team_id, roles, groups, source, attestation FROM accounts_membership",
    "accounts_proofing_told": 'INSERT INTO accounts_proofing (id, user_id, team_id, by_id, legal_name, how, "on", '
    "attestation) SELECT 'prf_1', m.user_id, m.team_id, u.id, '', 'seen', now(), convert_to(repeat('x', 64), 'UTF8')"
    " FROM accounts_membership m, accounts_user u WHERE u.id <> m.user_id LIMIT 1",
    "accounts_proofing_by_another": "INSERT INTO accounts_proofing (id, user_id, team_id, by_id, legal_name, how, "
    "\"on\", attestation) SELECT 'prf_1', user_id, team_id, user_id, 'Ada', 'seen', now(),"
    " convert_to(repeat('x', 64), 'UTF8') FROM accounts_membership",
    "accounts_proofing_attested": "INSERT INTO accounts_proofing (id, user_id, team_id, by_id, legal_name, how, "
    "\"on\", attestation) SELECT 'prf_1', m.user_id, m.team_id, u.id, 'Ada', 'seen', now(), ''"
    " FROM accounts_membership m, accounts_user u WHERE u.id <> m.user_id LIMIT 1",
    "accounts_identity_named": "INSERT INTO accounts_identity (id, user_id, issuer, subject, attestation)"
    " SELECT 'idn_2', id, 'https://id.example', '', convert_to(repeat('x', 64), 'UTF8') FROM accounts_user",
    "accounts_identity_attested": "INSERT INTO accounts_identity (id, user_id, issuer, subject, attestation)"
    " SELECT 'idn_2', id, 'https://id.example', 'k-1', '' FROM accounts_user",
    "accounts_identity_once": "INSERT INTO accounts_identity (id, user_id, issuer, subject, attestation)"
    " SELECT 'idn_' || n, id, 'https://id.example', 'k-1', convert_to(repeat('x', 64), 'UTF8')"
    " FROM accounts_user, generate_series(1, 2) AS n WHERE username = 'ada'",
}


@pytest.mark.parametrize("constraint", BROKEN)
def test_database_refuses_contradictions(ada: User, grace: User, constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(BROKEN[constraint])


def test_people_of_other_teams_do_not_exist(ada: User, grace: User, outsider: User, team: Team) -> None:
    assert [one.user for one in access_members(acting(ada))] == [ada, grace]
    assert access_user(grace.id, actor=acting(ada)) == grace
    assert access_team(acting(grace)) == team
    for stranger in (outsider.id, "usr_unknown"):
        with pytest.raises(NotFound):
            access_user(stranger, actor=acting(ada))


def test_passkeys_are_reached_by_their_owner_and_the_teams_admins(ada: User, grace: User, outsider: User) -> None:
    hers = SoftAuthenticator().register(grace, acting(grace))
    adas = SoftAuthenticator().register(ada, acting(ada))
    assert access_passkey(hers.id, actor=acting(grace)) == access_passkey(hers.id, actor=acting(ada)) == hers
    for actor, passkey in ((acting(outsider), hers), (acting(grace), adas)):
        with pytest.raises(NotFound):
            access_passkey(passkey.id, actor=actor)


def test_tokens_of_others_do_not_exist(grace: User) -> None:
    with pytest.raises(NotFound):
        access_token("tok_unknown", actor=acting(grace))


def test_same_person_may_have_different_roles_in_two_teams(ada: User, other_team: Team) -> None:
    set_membership(ada, other_team, roles=["auditor"], actor=SYSTEM)
    assert [one.roles for one in ada.memberships.order_by("created_at")] == [["admin", "reviewer"], ["auditor"]]


def test_without_a_password_nobody_signs_in(db: None) -> None:
    assert not create_user("robot", "Robot", actor=SYSTEM).has_usable_password()
    assert join("eve", "Eve", create_team("t", "T", actor=SYSTEM)).check_password(PASSWORD)


GRANTED = {
    ("countersign_app", "accounts_passkey"): {"SELECT", "INSERT"},
    ("countersign_app", "accounts_user"): {"SELECT", "INSERT", "UPDATE"},
    ("countersign_app", "accounts_membership"): {"SELECT", "INSERT", "UPDATE", "DELETE"},
    ("countersign_app", "accounts_apitoken"): {"SELECT", "INSERT", "UPDATE"},
    ("countersign_app", "accounts_identity"): {"SELECT", "INSERT", "DELETE"},
    ("countersign_door", "accounts_identity"): set(),
    ("countersign_sequencer", "accounts_identity"): set(),
    ("countersign_app", "accounts_proofing"): {"SELECT", "INSERT"},
    ("countersign_door", "accounts_proofing"): {"SELECT"},
    ("countersign_sequencer", "accounts_proofing"): set(),
    ("countersign_door", "accounts_passkey"): {"SELECT"},
    ("countersign_door", "accounts_user"): {"SELECT"},
    ("countersign_door", "accounts_apitoken"): set(),
    ("countersign_sequencer", "accounts_user"): set(),
}


@pytest.mark.parametrize(("role", "table"), GRANTED)
def test_each_role_gets_the_rows_it_needs(db: None, role: str, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p FROM unnest(%s::text[]) AS p WHERE has_table_privilege(%s, %s, p)",
            [["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"], role, table],
        )
        assert {row[0] for row in cursor.fetchall()} == GRANTED[role, table]
