"""Who a request comes from."""

import datetime as dt
import json
import time
from typing import Any

import pytest
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries

from console.accounts.middleware import ActorMiddleware
from console.accounts.models import ApiToken, Membership, Team, User
from console.accounts.people import deactivate_user, set_membership
from console.accounts.tokens import issue_token, revoke_token
from console.core.actor import ANONYMOUS, Actor, Role
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid
from console.core.web import Request, role_required, signed_in
from tests.accounts.conftest import SYSTEM, acting

TOMORROW = dt.timedelta(days=1)


def see(request: HttpRequest) -> tuple[Actor, HttpResponse]:
    """The request as a view sees it, and the middleware's answer."""
    answer = ActorMiddleware(lambda request: HttpResponse("done"))(request)
    assert isinstance(answer, HttpResponse)
    return vars(request)["actor"], answer


def ask(
    path: str = "/", *, user: User | None = None, token: str = "", method: str = "GET", **session: Any
) -> HttpRequest:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = RequestFactory().generic(method, path, headers=headers)
    request.session = SessionStore()
    if user:
        client = Client()
        client.force_login(user)
        request.session = client.session
    request.session.update(session)
    request.user = get_user(request)
    return request


@pytest.fixture
def token(ada: User, team: Team) -> tuple[ApiToken, str]:
    return issue_token(ada, team, actor=acting(ada), expires=now() + TOMORROW)


def test_nobody_is_anonymous(db: None) -> None:
    assert see(ask())[0] == ANONYMOUS


def test_session_makes_an_interactive_person(ada: User, team: Team) -> None:
    actor, _ = see(ask(user=ada))
    assert actor == Actor(
        kind="human",
        id=ada.id,
        team=team.id,
        auth="session",
        name="Ada Lovelace",
        roles=frozenset({Role.ADMIN, Role.REVIEWER}),
        groups=frozenset({"finance"}),
    )
    assert actor.interactive


def test_person_without_a_team_has_no_roles(ada: User) -> None:
    Membership.objects.all().delete()
    actor, _ = see(ask(user=ada))
    assert (actor.kind, actor.team, actor.roles) == ("human", "", frozenset())


def test_session_chooses_among_the_persons_own_teams(ada: User, team: Team, other_team: Team) -> None:
    assert see(ask(user=ada, team=other_team.id))[0].team == team.id
    set_membership(ada, other_team, roles=["auditor"], actor=SYSTEM)
    chosen, _ = see(ask(user=ada, team=other_team.id))
    assert (chosen.team, chosen.roles) == (other_team.id, frozenset({Role.AUDITOR}))
    assert see(ask(user=ada))[0].team == team.id


def test_step_up_is_the_last_reauthentication_not_the_sign_in(ada: User) -> None:
    at = time.time() - 60
    records: list[dict[str, object]] = [{"method": "password", "at": at}]
    session: dict[str, Any] = {"account_authentication_methods_user": ada.id, "account_authentication_methods": records}
    assert see(ask(user=ada, **session))[0].stepped_up_at is None
    records.append({"method": "password", "at": at, "reauthenticated": True})
    assert see(ask(user=ada, **session))[0].stepped_up_at == dt.datetime.fromtimestamp(at, dt.UTC)


def test_step_up_of_another_person_in_the_same_session_does_not_count(ada: User) -> None:
    records = [{"method": "password", "at": time.time(), "reauthenticated": True}]
    session: dict[str, Any] = {
        "account_authentication_methods_user": "usr_other",
        "account_authentication_methods": records,
    }
    assert see(ask(user=ada, **session))[0].stepped_up_at is None


def test_deactivated_person_is_nobody_at_once(ada: User, grace: User, token: tuple[ApiToken, str]) -> None:
    deactivate_user(ada, actor=SYSTEM)
    assert see(ask(user=ada))[0] == ANONYMOUS
    assert see(ask("/api/v1/runs", token=token[1]))[0] == ANONYMOUS


def test_token_reads_the_api_and_is_never_interactive(ada: User, team: Team, token: tuple[ApiToken, str]) -> None:
    actor, answer = see(ask("/api/v1/runs", token=token[1]))
    assert (actor.id, actor.team, actor.auth, actor.interactive) == (ada.id, team.id, "token", False)
    assert (actor.has(Role.ADMIN), actor.stepped_up_at, answer.status_code) == (True, None, 200)


@pytest.mark.parametrize("path", ["/", "/reviews/", "/apiary/", "/account/"])
def test_token_counts_nowhere_else_and_hides_a_session(ada: User, token: tuple[ApiToken, str], path: str) -> None:
    assert see(ask(path, token=token[1], user=ada))[0] == ANONYMOUS


def test_token_wins_over_a_session(ada: User, grace: User, token: tuple[ApiToken, str]) -> None:
    assert see(ask("/api/v1/runs", token=token[1], user=grace))[0].id == ada.id


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_token_changes_nothing(token: tuple[ApiToken, str], method: str) -> None:
    _, answer = see(ask("/api/v1/runs", token=token[1], method=method))
    assert (answer.status_code, json.loads(answer.content)["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "change", [{"expires_at": now() - TOMORROW, "created_at": now() - 2 * TOMORROW}, {"revoked_at": now()}]
)
def test_ended_token_is_nobody(token: tuple[ApiToken, str], change: dict[str, Any]) -> None:
    ApiToken.objects.update(**change)
    assert see(ask("/api/v1/runs", token=token[1]))[0] == ANONYMOUS


def test_token_of_somebody_who_left_the_team_is_nobody(token: tuple[ApiToken, str]) -> None:
    Membership.objects.all().delete()
    assert see(ask("/api/v1/runs", token=token[1]))[0] == ANONYMOUS


@pytest.mark.parametrize("secret", ["cst_", "cst_" + "A" * 43, "cst_short", "cst_" + "é" * 43])
def test_made_up_token_is_nobody(db: None, secret: str) -> None:
    assert see(ask("/api/v1/runs", token=secret))[0] == ANONYMOUS


def test_reading_by_token_is_noted_at_most_once_a_minute(
    token: tuple[ApiToken, str], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    see(ask("/api/v1/runs", token=token[1]))
    request = ask("/api/v1/runs", token=token[1])
    with django_assert_num_queries(2):
        see(request)


def test_session_costs_two_queries(ada: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    request = ask(user=ada)
    with django_assert_num_queries(1):  # and one for the person, which `ask` has read
        see(request)


def test_secret_is_not_kept(token: tuple[ApiToken, str]) -> None:
    row, secret = token
    assert secret not in str(vars(row))
    assert len(bytes(row.sha256)) == 32


def test_tokens_are_made_by_the_person_for_their_own_team(ada: User, grace: User, team: Team, other_team: Team) -> None:
    until = now() + TOMORROW
    for actor, where in ((acting(grace), team), (acting(ada, auth="token"), team), (acting(ada), other_team)):
        with pytest.raises(Forbidden):
            issue_token(ada, where, actor=actor, expires=until)
    for wrong in (now() - TOMORROW, now() + dt.timedelta(days=400)):
        with pytest.raises(Invalid):
            issue_token(ada, team, actor=acting(ada), expires=wrong)


def test_token_is_revoked_by_its_owner_or_an_admin_once(
    ada: User, grace: User, outsider: User, token: tuple[ApiToken, str]
) -> None:
    for stranger in (grace, outsider):
        with pytest.raises(Forbidden):
            revoke_token(token[0], actor=acting(stranger))
    revoke_token(token[0], actor=acting(ada))
    with pytest.raises(Conflict):
        revoke_token(token[0], actor=acting(ada))


@signed_in
def any_page(request: Request) -> HttpResponse:
    return HttpResponse(request.actor.name)


@role_required(Role.ADMIN, Role.OPERATOR)
def admin_page(request: Request) -> HttpResponse:
    return HttpResponse("secret")


def visit(view: Any, path: str, actor: Actor = ANONYMOUS, headers: dict[str, str] | None = None) -> HttpResponse:
    request = RequestFactory().get(path, headers=headers)
    vars(request)["actor"] = actor
    answer = view(request)
    assert isinstance(answer, HttpResponse)
    return answer


@pytest.mark.parametrize("view", [any_page, admin_page])
def test_anonymous_visitors_are_led_to_sign_in_and_back(view: Any) -> None:
    assert visit(view, "/runs/?state=failed")["Location"] == "/sign-in/?next=/runs/%3Fstate%3Dfailed"
    assert visit(view, "/api/v1/runs").status_code == 401
    piece = visit(view, "/rail", headers={"HX-Request": "true", "HX-Current-URL": "http://localhost/runs/?a=1"})
    assert piece["HX-Redirect"] == "/sign-in/?next=/runs/%3Fa%3D1"


def test_views_without_the_middleware_see_nobody() -> None:
    assert any_page(RequestFactory().get("/")).status_code == 302


def test_wrong_role_is_forbidden_and_right_role_passes(ada: User, grace: User) -> None:
    with pytest.raises(Forbidden, match="admin or operator"):
        visit(admin_page, "/", acting(grace))
    assert visit(admin_page, "/", acting(ada)).content == b"secret"
    assert visit(any_page, "/", acting(grace)).content == b"Grace Hopper"
