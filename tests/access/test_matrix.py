"""Every route × everybody who has no business there."""

from typing import Any

import pytest
from django.test import Client

from approvals.models import Decision
from audit.models import Record
from examples.demo.people import acting
from tests.access.conftest import BY_ROLE, Looks, Scene, bearer, browser
from tests.factories import PASSWORD
from tests.pages.conftest import everything_but_the_log
from tests.routes import ROUTES, UNANSWERED, names

GUARDED = [name for name, route in ROUTES.items() if route.kind == "guarded"]
OBJECTS = [name for name in GUARDED if ROUTES[name].needs]
CLOSED = [name for name, route in ROUTES.items() if route.kind != "public"]
# Sessions are the library's; reading by token notes when it was last used. Nothing else may change.
MAY_CHANGE = {"django_session", "accounts_apitoken"}


def ask(client: Client, method: str, address: str) -> Any:
    return client.generic(method, address)


def first_method(name: str) -> str:
    return ROUTES[name].methods[0]


def test_table_knows_every_route() -> None:
    assert names() - UNANSWERED == set(ROUTES)


@pytest.mark.parametrize("name", CLOSED)
def test_visitors_are_asked_to_sign_in(scene: Scene, looks: Looks, name: str) -> None:
    address, program = scene.address(name), bearer("cst_" + "x" * 43)
    for method in ROUTES[name].methods:
        seen = looks.answers.get(("", method, name)) or ask(browser(), method, address)
        for answer in (seen, ask(program, method, address)):
            if address.startswith("/api/"):
                assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
            else:
                assert answer.status_code == 302
                assert answer["Location"].startswith("/sign-in/?next=")


@pytest.mark.parametrize("name", GUARDED)
def test_wrong_roles_are_refused_and_right_ones_are_not(scene: Scene, looks: Looks, name: str) -> None:
    """What the right ones may do has tests of its own."""
    route, address, found = ROUTES[name], scene.address(name), {}
    for role, username in BY_ROLE.items():
        for method in route.methods:
            if method != "POST":
                found[role, method] = looks.answers[username, method, name].status_code
            elif role not in route.roles:
                found[role, method] = ask(browser(username), method, address).status_code
    assert found == {(role, method): 200 if role in route.roles else 403 for role, method in found}
    assert {role for role, _ in found} >= BY_ROLE.keys() - route.roles


@pytest.mark.parametrize("name", [name for name, route in ROUTES.items() if route.kind == "agent"])
def test_what_is_for_agents_opens_to_no_person(scene: Scene, name: str) -> None:
    for username in (*BY_ROLE.values(), "olga"):
        for client in (browser(username), *([bearer(scene.tokens[username])] if username in scene.tokens else [])):
            answers = [ask(client, method, scene.address(name)).status_code for method in ROUTES[name].methods]
            assert answers == [403] * len(answers)


@pytest.mark.parametrize("name", CLOSED)
def test_members_without_a_team_see_no_room(scene: Scene, looks: Looks, name: str) -> None:
    statuses = {
        (looks.answers.get(("lea", method, name)) or ask(browser("lea"), method, scene.address(name))).status_code
        for method in ROUTES[name].methods
    }
    if ROUTES[name].kind in ("guarded", "agent"):
        assert statuses == {403}
    else:
        assert statuses <= {200, 302, 404}


@pytest.mark.parametrize("name", [name for name in OBJECTS if ROUTES[name].needs not in {"setup", "tile"}])
def test_rows_of_another_team_do_not_exist(scene: Scene, looks: Looks, name: str) -> None:
    for method in ROUTES[name].methods:
        answer = looks.answers.get(("olga", method, name)) or ask(browser("olga"), method, scene.address(name))
        assert answer.status_code == 404
        assert "Zoë" not in answer.content.decode()


@pytest.mark.parametrize("name", [name for name in GUARDED if name not in OBJECTS and "GET" in ROUTES[name].methods])
def test_lists_of_another_team_are_empty_of_ours(scene: Scene, looks: Looks, name: str) -> None:
    page = looks.answers["olga", "GET", name].content.decode()
    for ours in (scene.run.id, scene.review.id, "billing-care", "Zoë", "Jonas"):
        assert ours not in page


@pytest.mark.parametrize("name", [name for name in OBJECTS if ROUTES[name].needs == "review"])
def test_reviews_of_another_group_do_not_exist_for_a_reviewer(scene: Scene, name: str) -> None:
    for username, review in (("ana", scene.foreign), ("sam", scene.review)):
        answer = ask(browser(username), first_method(name), scene.address(name, review.id))
        assert answer.status_code == 404


def test_passkey_of_somebody_else_does_not_exist(scene: Scene) -> None:
    address = scene.address("account_remove_passkey")
    for username in ("jonas", "theo", "noa", "olga", "lea"):
        client = browser(username)
        reauthenticate(client)
        assert [ask(client, method, address).status_code for method in ("GET", "POST")] == [404, 404]
    assert type(scene.passkey).objects.get().revoked_at is None


def reauthenticate(client: Client) -> None:
    """The library asks for the password before the row is looked for."""
    answer = client.post("/confirm/", {"password": PASSWORD, "next": "/account/"})
    assert answer["Location"] == "/account/"


def test_whoever_started_it_cannot_sign_it(scene: Scene) -> None:
    otto, address = browser("otto"), scene.address("review_decision", scene.own.id)
    told = otto.post(scene.address("review_challenge", scene.own.id), {"verdict": "approve"})
    assert (told.status_code, told.json()["code"]) == (403, "own_request")
    for given in ({"verdict": "approve", "password": "x"}, {"verdict": "refuse", "reason": "x"}):
        answer = otto.post(address, given)
        assert answer.status_code == 403
        assert "You started this, so somebody else has to decide." in answer.content.decode()
    assert not Decision.objects.exists()


@pytest.mark.parametrize("role", ["operator", "admin", "auditor"])
def test_only_reviewers_decide(scene: Scene, role: str) -> None:
    answer = browser(BY_ROLE[role]).post(scene.address("review_decision"), {"verdict": "refuse", "reason": "x"})
    assert answer.status_code == 403
    assert not Decision.objects.exists()


@pytest.mark.parametrize("name", list(ROUTES))
def test_wrong_method_is_told_so_and_does_nothing(scene: Scene, name: str) -> None:
    methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - set(ROUTES[name].methods)
    mira, before = browser("mira"), everything_but_the_log()
    answers = {method: ask(mira, method, scene.address(name)).status_code for method in sorted(methods)}
    assert answers == dict.fromkeys(sorted(methods), 405)
    assert everything_but_the_log() == before


@pytest.mark.parametrize("name", [name for name, route in ROUTES.items() if route.kind != "agent"])
def test_token_reads_the_api_and_is_nobody_elsewhere(scene: Scene, name: str) -> None:
    route, address = ROUTES[name], scene.address(name)
    before = Decision.objects.count()
    for role, username in BY_ROLE.items():
        client = bearer(scene.tokens[username])
        answers = {method: ask(client, method, address) for method in ("GET", "POST")}
        if address.startswith("/api/"):
            allowed = route.kind == "public" or role in route.roles
            assert [answers[method].status_code for method in answers] == [200 if allowed else 403, 403]
        elif route.kind != "public":
            for method in route.methods:
                answer = answers.get(method) or ask(client, method, address)
                assert answer["Location"].startswith("/sign-in/")
        assert "_auth_user_id" not in client.session
    assert Decision.objects.count() == before


def test_token_hides_the_session_that_came_along(scene: Scene) -> None:
    client = browser("ana")
    header = {"authorization": f"Bearer {scene.tokens['ana']}"}
    assert client.get("/reviews/").status_code == 200
    assert client.get("/reviews/", headers=header)["Location"].startswith("/sign-in/")
    address = scene.address("review_decision")
    assert client.post(address, {"verdict": "refuse", "reason": "x"}, headers=header)["Location"].startswith(
        "/sign-in/"
    )
    assert not Decision.objects.exists()


def test_looking_changes_nothing_but_the_log(looks: Looks) -> None:
    assert {who for who, _, _ in looks.answers} >= {*BY_ROLE.values(), "olga", "lea", "", "program of theo"}
    assert unchangeable(looks.after) == unchangeable(looks.before)


def unchangeable(tables: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {name: state for name, state in tables.items() if name not in MAY_CHANGE}


def test_attempt_on_the_log_is_in_the_log(scene: Scene) -> None:
    otto = browser("otto")
    for name in ("audit", "record", "audit"):
        otto.get(scene.address(name))
    assert Record.objects.filter(kind="audit:access:refused", actor=acting("otto").id).count() == 2
