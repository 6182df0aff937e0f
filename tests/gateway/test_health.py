"""Health tests: one read by the door tells whether the other side takes a credential; nothing else is kept of it."""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from approvals.models import Action
from approvals.tasks import drive
from audit.models import Record
from console.accounts.models import User
from console.core import lanes
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Conflict, Invalid
from examples.demo.people import acting
from integrations import health
from integrations.describe import describe_integration, give_grant, revoke_credential, store_credential
from integrations.health import GIVEN_UP, PAUSE, ask_test, candidates, offer_tests, run_test
from integrations.models import Credential, HealthTest
from integrations.tasks import run_health_test
from tests.factories import a_grantee
from tests.gateway.conftest import make_agent
from tests.gateway.people import Connected, as_owner, connected, consented, running, server, told
from tests.servers import served
from tests.spine.attacker import APP, Attacker
from tests.spine.attacker import DOOR as ROLE_OF_THE_DOOR
from tests.spine.conftest import World
from tests.standins.authorization_server import AuthorizationServer

__all__ = ["consented", "running", "server"]

DOOR = system("door")
SECRET, ANSWERED = "sk_obvious_for_the_test", "what-the-other-side-answered"
DESK = """
integration: desk
title: Desk
credential: {type: bearer}
operations:
  who: {title: Who am I, effect: read, method: GET, path: /who, trust: reviewed, success: {status: [200], when: ok}}
  find:
    title: Find one
    effect: read
    method: GET
    path: /find
    trust: reviewed
    arguments: {name: {in: query, required: true, schema: {type: string}}}
  unread: {title: Nobody has reviewed it, effect: read, method: GET, path: /unread}
  send: {title: Send, effect: write, method: POST, path: /send, trust: reviewed}
"""


@dataclass
class Desk:
    """An other side that answers as it is told, and the credential for it."""

    address: str = ""
    status: int = 200
    body: dict[str, Any] = field(default_factory=lambda: {"ok": True, "name": ANSWERED})
    seen: list[tuple[str, str]] = field(default_factory=list)  # path and who signed in

    @property
    def credential(self) -> Credential:
        return Credential.objects.select_related("integration").get(name="desk key")

    def ask(self, slug: str = "who", written: str = "") -> HealthTest:
        return ask_test(self.credential, slug, written, actor=acting("mira"))

    def test(self, slug: str = "who", written: str = "") -> HealthTest:
        """As if the last one were long ago."""
        as_owner("UPDATE integrations_healthtest SET asked_at = asked_at - interval '1 hour'")
        done = run_test(self.ask(slug, written).pk, actor=DOOR)
        assert done is not None
        return done


@pytest.fixture
def desk(world: World) -> Iterator[Desk]:
    one = Desk()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            one.seen.append((self.path, self.headers["Authorization"]))
            content = json.dumps(one.body).encode()
            self.send_response(one.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as listener:
        one.address = f"http://127.0.0.1:{listener.server_port}"
        integration = describe_integration(DESK, base_url=one.address, actor=acting("mira"))
        store_credential(integration, name="desk key", secret=SECRET, actor=acting("mira"))
        yield one


@pytest.fixture
def mira(desk: Desk) -> Client:
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="mira"))
    return client


def page(client: Client, address: str) -> str:
    return " ".join(client.get(address).content.decode().split())


def verbs() -> list[str]:
    kinds = Record.objects.filter(kind__startswith="integrations:health_test").order_by("at")
    return [kind.rpartition(":")[2] for kind in kinds.values_list("kind", flat=True)]


def test_an_admin_tests_it_on_its_page_and_everybody_sees_what_came_of_it(desk: Desk, mira: Client) -> None:
    address = f"/integrations/credentials/{desk.credential.pk}/"
    assert "no test is chosen" in page(mira, address)
    assert "no test chosen" in page(mira, "/integrations/desk/")
    assert mira.post(f"{address}test/", {"operation": "who", "arguments": ""}).url == address  # type: ignore[attr-defined]
    assert 'hx-trigger="every 1s"' in page(mira, address)
    assert run_health_test.name == health.TASK
    lanes._task(health.TASK)(HealthTest.objects.get().pk)
    assert desk.seen == [("/who", f"Bearer {SECRET}")]
    theo = Client(headers={"host": "localhost"})
    theo.force_login(User.objects.get(username="theo"))
    for shown in (page(mira, address), page(theo, address)):
        assert '<span class="tag good">accepted</span> <span class="dim">answered 200</span>' in shown
        assert User.objects.get(username="mira").name in shown
        assert "hx-trigger" not in shown.partition('id="tests"')[2].partition("</section>")[0]
    assert '<span class="tag good">accepted</span>' in page(theo, "/integrations/desk/")
    assert '<option value="who" selected>' in page(mira, address)
    assert "Test it" not in page(theo, address)
    assert verbs() == ["asked", "trying", "accepted"]


def test_of_the_answer_nothing_is_kept_but_its_status(desk: Desk) -> None:
    test = desk.test("find", f"name: {ANSWERED[:8]}")
    assert desk.seen == [(f"/find?name={ANSWERED[:8]}", f"Bearer {SECRET}")]
    assert (test.state, test.status, test.problem) == ("accepted", 200, "")
    leaves = b"".join(bytes(leaf) for leaf in Record.objects.values_list("leaf", flat=True))
    rows = json.dumps(list(HealthTest.objects.values_list("state", "problem", "status")))
    assert ANSWERED not in leaves.decode() + rows


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"ok": True}, ("accepted", 200)), (200, {"ok": False}, ("unclear", 200)), (401, {}, ("refused", 401)),
        (403, {}, ("refused", 403)), (404, {}, ("unclear", 404)), (302, {}, ("unclear", 302)),
        (503, {}, ("unclear", 503)),
    ],
)  # fmt: skip
def test_it_is_told_by_the_answer(desk: Desk, status: int, body: dict[str, Any], expected: tuple[str, int]) -> None:
    desk.status, desk.body = status, body
    test = desk.test()
    assert (test.state, test.status) == expected
    assert verbs() == ["asked", "trying", expected[0]]


def test_the_real_stand_in_accepts_the_demos_key(world: World) -> None:
    credential = Credential.objects.select_related("integration").get(name="billing key")
    test = run_test(ask_test(credential, "list_charges", "", actor=acting("mira")).pk, actor=DOOR)
    assert test is not None
    assert (test.state, test.status) == ("accepted", 200)


def test_who_does_not_answer_is_not_reachable(desk: Desk) -> None:
    as_owner("UPDATE integrations_integration SET base_url = 'http://127.0.0.1:9' WHERE slug = 'desk'")
    describe_integration(DESK, base_url="http://127.0.0.1:9", actor=acting("mira"))
    test = desk.test()
    assert (test.state, test.status, desk.seen) == ("unreachable", None, [])
    assert "refused" in test.problem


@pytest.mark.parametrize("slug", ["send", "unread", "create_refund", "", "nothing"])
def test_nothing_but_a_read_that_a_person_has_reviewed(desk: Desk, mira: Client, slug: str) -> None:
    with pytest.raises(Invalid, match="only looks"):
        desk.ask(slug)
    answer = mira.post(f"/integrations/credentials/{desk.credential.pk}/test/", {"operation": slug})
    assert (answer.status_code, b"Nothing was tested." in answer.content) == (422, True)
    assert not HealthTest.objects.exists()


@pytest.mark.parametrize("written", ["", "name: 3", "other: x", "- a", "name: [", 'name: "\\0"'])
def test_arguments_have_to_fit(desk: Desk, written: str) -> None:
    with pytest.raises(Invalid):
        desk.ask("find", written)


def test_what_needs_nothing_is_proposed_first(desk: Desk) -> None:
    assert [one.slug for one in candidates(desk.credential.integration)] == ["who", "find"]


def test_one_at_a_time_and_not_one_after_the_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = desk.ask()
    with pytest.raises(Conflict, match="a moment ago"):
        desk.ask()
    monkeypatch.setattr("integrations.health.PAUSE", dt.timedelta())
    with pytest.raises(Conflict, match="being tested"):
        desk.ask()
    run_test(first.pk, actor=DOOR)
    assert desk.ask().state == "asked"
    assert PAUSE.seconds == 10


def test_of_two_doors_one_tries_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    test = desk.ask()
    inside: list[HealthTest | None] = []
    read = HealthTest.attested

    def meanwhile(self: HealthTest) -> dict[str, object]:
        if not inside:
            inside.append(run_test(test.pk, actor=DOOR))
        return read(self)

    monkeypatch.setattr(HealthTest, "attested", meanwhile)
    run_test(test.pk, actor=DOOR)
    assert (inside, desk.seen) == ([None], [("/who", f"Bearer {SECRET}")])
    assert run_test(test.pk, actor=DOOR) is None


def test_one_whose_door_died_ends_and_can_be_asked_again(desk: Desk) -> None:
    test = desk.ask()
    health._claim(test.pk, DOOR)
    as_owner("UPDATE integrations_healthtest SET moved_at = %s", now() - GIVEN_UP)
    assert offer_tests() == 1
    run_test(test.pk, actor=DOOR)
    row = HealthTest.objects.get()
    assert (row.state, row.problem, offer_tests(), desk.seen) == (
        "untried", "The door that tried it is gone. Test it again.", 0, [])  # fmt: skip


def test_what_was_revoked_in_the_meantime_is_not_opened(desk: Desk) -> None:
    test = desk.ask()
    revoke_credential(desk.credential, actor=acting("mira"))
    done = run_test(test.pk, actor=DOOR)
    assert (done and done.state, desk.seen) == ("untried", [])
    with pytest.raises(Conflict, match="revoked"):
        desk.test()


@pytest.mark.parametrize("altered", ["arguments = '{\"name\": \"x\"}'", "asked_by_id = (SELECT id FROM accounts_user"
                                     " WHERE username = 'jonas')", "attestation = ''"])  # fmt: skip
def test_one_that_sql_wrote_opens_nothing_and_is_an_alarm(desk: Desk, altered: str) -> None:
    test = desk.ask()
    as_owner(f"UPDATE integrations_healthtest SET {altered}")
    done = run_test(test.pk, actor=DOOR)
    assert (done and done.state, desk.seen) == ("untried", [])
    assert Record.objects.filter(kind="console:alarm:tampered", subject=test.pk).count() == 1


def test_a_refused_test_is_told_once_where_an_end_is_told(desk: Desk, mira: Client) -> None:
    desk.status = 401
    desk.test()
    desk.test()
    refused = {"integration": desk.credential.integration_id, "name": "desk key"}
    assert told("integrations:credential:refused") == [refused]
    assert '<span class="tag stop">refused there</span>' in page(mira, "/integrations/desk/")
    desk.status = 200
    desk.test()
    assert '<span class="tag good">usable</span>' in page(mira, "/integrations/desk/")
    desk.status = 401
    desk.test()
    assert told("integrations:credential:refused") == [refused] * 2


def test_three_refusals_in_a_row_in_use_are_told_once(desk: Desk) -> None:
    agent, _, token = make_agent("looker")
    give_grant(grantee=agent.grantee, operations=["who"], credential=desk.credential, actor=acting("mira"))

    def use(status: int) -> int:
        desk.status = status
        browser = Client(headers={"host": "localhost", "authorization": f"Bearer {token}"})
        body = {"operation": "desk.who", "arguments": {}, "says": "To look."}
        assert browser.post("/api/v1/actions", body, content_type="application/json").status_code == 202
        drive(Action.objects.latest("created_at").pk)
        return desk.credential.refusals

    assert [use(status) for status in (401, 401, 200, 401, 500, 401, 401, 401, 200)] == [1, 2, 0, 1, 1, 2, 3, 4, 0]
    refused = {"integration": desk.credential.integration_id, "name": "desk key"}
    assert told("integrations:credential:refused") == [refused]


def test_what_the_authorization_server_denies_is_refused(consented: Connected) -> None:
    mira = acting("mira")
    with pytest.raises(Conflict, match="Connect it first"):
        ask_test(consented.fresh(), "look", "", actor=mira)
    consented.connect()
    consented.server.end_consents()
    consented.expire()
    test = run_test(ask_test(consented.fresh(), "look", "", actor=mira).pk, actor=DOOR)
    assert test is not None
    assert (test.state, test.status) == ("refused", None)
    assert test.problem.startswith("The authorization server says invalid_grant")


def test_a_client_of_its_own_is_tested_with_a_token(world: World, server: AuthorizationServer) -> None:
    one = connected(server, "oauth2_client")
    test = run_test(ask_test(one.fresh(), "look", "", actor=acting("mira")).pk, actor=DOOR)
    assert (test and test.state, server.asked()) == ("accepted", [["client_credentials", 200]])


def test_before_it_is_revoked_the_page_says_what_stops(desk: Desk, mira: Client) -> None:
    agent, _, token = make_agent("looker")
    for grantee in (a_grantee("workflow:counting", acting("mira")), agent.grantee):
        give_grant(grantee=grantee, operations=["who"], credential=desk.credential, actor=acting("mira"))
    browser = Client(headers={"host": "localhost", "authorization": f"Bearer {token}"})
    body = {"operation": "desk.who", "arguments": {}, "says": "To look."}
    browser.post("/api/v1/actions", body, content_type="application/json")
    own = f"/integrations/credentials/{desk.credential.pk}/"
    stops = page(mira, f"{own}revoke/")
    assert 'What stops <span class="n">2</span>' in stops
    assert '<a href="/agents/looker/">' in stops
    assert "Nothing was asked for by it in the last 90 days." in stops
    assert "Last asked for: <code>who</code>" in stops
    assert 'At work by it now <span class="n">1</span>' in stops
    assert '<span class="tag">proposed</span>' in stops
    assert mira.post(f"{own}revoke/").url == "/integrations/desk/"  # type: ignore[attr-defined]
    assert "It is revoked already" in page(mira, f"{own}revoke/")
    shown = page(mira, own)
    assert '<span class="tag">revoked</span>' in shown
    assert "Test it" not in shown


def test_the_page_asks_as_often_for_thirty_grants_as_for_one(desk: Desk, mira: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert mira.get(f"/integrations/credentials/{desk.credential.pk}/").status_code == 200
        return len(captured)

    def give(number: int) -> None:
        grantee = a_grantee(f"workflow:flow-{number}", acting("mira"))
        give_grant(grantee=grantee, operations=["who"], credential=desk.credential, actor=acting("mira"))

    give(0)
    queries()
    few = queries()
    for number in range(1, 30):
        give(number)
    assert queries() == few


def test_the_door_alone_says_what_came_of_it_and_web_alone_asks(desk: Desk, committed: str) -> None:
    test = desk.ask()
    with Attacker(committed, APP) as web, Attacker(committed, ROLE_OF_THE_DOOR) as door:
        with web.refused():
            web.run("UPDATE integrations_healthtest SET state = 'accepted' WHERE id = %s", test.pk)
        with web.refused():
            web.run("UPDATE integrations_credential SET refusals = 0")
        with door.refused():
            door.run("INSERT INTO integrations_healthtest SELECT * FROM integrations_healthtest")
        door.alter("UPDATE integrations_credential SET refusals = 1, refused_at = now()")
        door.alter("UPDATE integrations_healthtest SET problem = 'as the door may'")
        door.run("UPDATE integrations_accesstoken SET end_tries = 1, ended_at = now()")
        web.run("SELECT 1 FROM integrations_call FOR UPDATE")
        web.run("UPDATE integrations_call SET revoked_at = now() WHERE state IN ('sending', 'in_doubt')")
        with web.refused():
            web.run("UPDATE integrations_call SET credential_id = NULL")
