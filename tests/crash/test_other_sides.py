"""Programs that others wrote, behind a proxy that cuts the door off: one effect at most, known as what it is."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from pytest_django.plugin import DjangoDbBlocker

from approvals.models import Action, Review
from approvals.propose import Proposal, propose
from approvals.tasks import drive
from console.core.actor import system
from integrations.describe import describe_integration, give_grant, store_credential
from integrations.models import Call
from tests.crash.place import GRANTEE, Place, Team
from tests.standins.calendars import USER, calendars
from tests.standins.emulators import TOKEN, emulators
from tests.standins.fault_proxy import Fault, FaultProxy

DESCRIBED = yaml.safe_load(Path(__file__).with_name("other_sides.yaml").read_text())
EVENT = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//tests//EN\r
BEGIN:VEVENT\r
UID:{0}\r
DTSTAMP:20260101T000000Z\r
DTSTART:20260102T090000Z\r
SUMMARY:{0}\r
END:VEVENT\r
END:VCALENDAR\r
"""


class Side:
    """One other side as the console knows it, through the proxy, and as it is, behind it."""

    def __init__(self, place: Place, proxy: FaultProxy, name: str) -> None:
        self.place, self.proxy, self.name = place, proxy, name
        self.url = f"http://{proxy.upstream[0]}:{proxy.upstream[1]}"

    def asked(self, operation: str, **arguments: Any) -> Action:
        """Signed, and driven as far as it goes."""
        proposal = Proposal(
            team=self.place.team.operator.team, operation=f"{self.name}.{operation}", arguments=arguments,
            grantee=GRANTEE, makers=[self.place.team.operator.id],
        )  # fmt: skip
        action = propose(proposal, actor=system("worker"))
        drive(action.id)
        self.place.sign(action, "approve")
        return self.driven(action)

    def driven(self, action: Action) -> Action:
        drive(action.id)
        action.refresh_from_db()
        return action

    def get(self, path: str) -> Any:
        answer = httpx.get(f"{self.url}{path}", headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False)
        return answer.raise_for_status().json()

    def post(self, path: str, **body: Any) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        httpx.post(f"{self.url}{path}", json=body, headers=headers, trust_env=False).raise_for_status()


@contextmanager
def connected(team: Team, name: str, url: str) -> Iterator[FaultProxy]:
    address = urlsplit(url)
    with FaultProxy(str(address.hostname), address.port or 0) as proxy:
        text = json.dumps(DESCRIBED[name])
        integration = describe_integration(text, base_url=proxy.base_url, actor=team.admin)
        secret = dict(zip(("user", "password"), USER, strict=True)) if name == "calendar" else TOKEN
        credential = store_credential(integration, name="key", secret=secret, actor=team.admin)
        operations = list(DESCRIBED[name]["operations"])
        give_grant(grantee=GRANTEE, operations=operations, credential=credential, actor=team.admin)
        yield proxy


@pytest.fixture(scope="module")
def proxies(
    team: Team, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[dict[str, FaultProxy]]:
    with (
        emulators(tmp_path_factory.mktemp("emulators"), "resend", "slack", "github") as urls,
        ExitStack() as stack,
        django_db_blocker.unblock(),
    ):
        named = {"mail": "resend", "chat": "slack", "code": "github"}
        yield {name: stack.enter_context(connected(team, name, urls[service])) for name, service in named.items()}


@pytest.fixture(scope="module")
def calendar_proxy(
    team: Team, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[FaultProxy]:
    with (
        calendars(tmp_path_factory.mktemp("calendar")) as url,
        django_db_blocker.unblock(),
        connected(team, "calendar", url) as proxy,
    ):
        yield proxy


def cut(proxy: FaultProxy, moment: str, method: str, path: str) -> Fault:
    return proxy.cut_before(method, path) if moment == "before" else proxy.cut_after(method, path)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_mail_is_sent_once_under_its_key(place: Place, proxies: dict[str, FaultProxy], moment: str) -> None:
    mail = Side(place, proxies["mail"], "mail")
    fault = cut(mail.proxy, moment, "POST", "/emails")
    letter = {"from": "a@x.example", "to": "b@x.example", "subject": f"cut {moment}", "text": "Good morning."}
    action = mail.driven(mail.asked("send", **letter))
    assert (action.state, fault.happened.is_set()) == ("succeeded", True)
    assert [one["subject"] for one in mail.get("/emails")["data"]].count(f"cut {moment}") == 1
    assert Call.objects.get(action=action.id).attempt == 2
    keys = {arrival.headers["idempotency-key"] for arrival in mail.proxy.seen("POST", "/emails")[-2:]}
    assert keys == {action.id}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_message_without_a_key_is_a_question_for_people(
    place: Place, proxies: dict[str, FaultProxy], moment: str
) -> None:
    chat = Side(place, proxies["chat"], "chat")
    cut(chat.proxy, moment, "POST", "/api/chat.postMessage")
    before = len(chat.proxy.seen("POST", "/api/chat.postMessage"))
    action = chat.driven(chat.asked("post", channel="C000000001", text="hello"))
    assert action.state == "in_doubt"
    assert Review.objects.filter(action=action, kind="doubt", state="open").exists()
    assert len(chat.proxy.seen("POST", "/api/chat.postMessage")) == before + 1


def test_a_message_that_is_refused_with_200_was_not_posted(place: Place, proxies: dict[str, FaultProxy]) -> None:
    chat = Side(place, proxies["chat"], "chat")
    action = chat.asked("post", channel="nowhere", text="hello")
    outcome = action.outcome or {}
    assert (action.state, outcome["status"], outcome["body"]["error"]) == ("failed", 200, "channel_not_found")


def test_an_issue_is_found_on_a_later_page(place: Place, proxies: dict[str, FaultProxy]) -> None:
    code = Side(place, proxies["code"], "code")
    code.post("/user/repos", name="notes")
    for number in range(35):
        code.post("/repos/admin/notes/issues", title=f"older {number}")
    cut(code.proxy, "after", "POST", "/repos/admin/notes/issues")
    action = code.driven(code.asked("open", title="the one"))
    assert (action.state, (action.outcome or {})["body"]["number"]) == ("succeeded", 36)
    assert len(code.proxy.seen("POST", "/repos/admin/notes/issues")) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_event_is_added_under_its_condition(place: Place, calendar_proxy: FaultProxy, moment: str) -> None:
    calendar, event = Side(place, calendar_proxy, "calendar"), f"cut-{moment}"
    cut(calendar.proxy, moment, "PUT", "/ana/team/")
    given = {"event": event, "unless": "*", "text": EVENT.format(event)}
    action = calendar.driven(calendar.asked("add", **given))
    assert action.state == "succeeded"
    assert len(calendar.proxy.seen("PUT", f"/ana/team/{event}")) == (2 if moment == "before" else 1)
    again = calendar.asked("add", **given | {"text": EVENT.format(event).replace("SUMMARY:", "SUMMARY:another ")})
    assert (again.state, (again.outcome or {})["status"]) == ("failed", 412)
    stored = httpx.get(f"{calendar.url}/ana/team/{event}.ics", auth=USER, trust_env=False).text
    assert "another" not in stored
