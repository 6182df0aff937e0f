"""Programs that others wrote, behind a proxy that cuts the door off: one effect at most, known as what it is."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
import httpx
import pytest
import yaml
from pytest_django.plugin import DjangoDbBlocker

from approvals.models import Action, Review
from approvals.propose import Proposal, propose
from approvals.tasks import drive
from console.core.actor import system
from examples.standins.launcher import serving
from integrations.describe import describe_integration, give_grant, store_credential
from integrations.models import Call
from tests.crash.place import GRANTEE, Place, Team
from tests.standins.calendars import USER, calendars
from tests.standins.emulators import TOKEN, emulators
from tests.standins.fault_proxy import Fault, FaultProxy

DESCRIBED = yaml.safe_load(Path(__file__).with_name("other_sides.yaml").read_text())
for _name in ("pay", "machines"):  # of whose key a person has only read, and where nothing can be looked up
    _make = DESCRIBED[_name]["operations"]["make"]
    _blind = {name: value for name, value in _make.items() if name != "probe"} | {"trust": "reviewed"}
    DESCRIBED[_name]["operations"]["make_blind"] = _blind
KEY_PAIR = ("an-access-key-id", "a-secret-access-key")
SECRETS: dict[str, Any] = {
    "bearer": TOKEN,
    "basic": dict(zip(("user", "password"), USER, strict=True)),
    "sigv4": dict(zip(("access_key_id", "secret_access_key"), KEY_PAIR, strict=True)),
}
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
        secret = SECRETS[DESCRIBED[name]["credential"]["type"]]
        credential = store_credential(integration, name="key", secret=secret, actor=team.admin)
        operations = list(DESCRIBED[name]["operations"])
        give_grant(grantee=GRANTEE, operations=operations, credential=credential, actor=team.admin)
        yield proxy


@pytest.fixture(scope="module")
def proxies(
    team: Team, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[dict[str, FaultProxy]]:
    with (
        emulators(tmp_path_factory.mktemp("emulators"), "resend", "slack", "github", "stripe") as urls,
        ExitStack() as stack,
        django_db_blocker.unblock(),
    ):
        named = {"mail": "resend", "chat": "slack", "code": "github", "pay": "stripe"}
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


def cloud(url: str, service: str) -> Any:
    """The library of those whose services these are."""
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", aws_access_key_id=KEY_PAIR[0],
                        aws_secret_access_key=KEY_PAIR[1])  # fmt: skip


@pytest.fixture(scope="module")
def cloud_proxies(
    team: Team, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[dict[str, FaultProxy]]:
    """One program plays all of them: it knows by the signature who is meant."""
    with (
        serving(tmp_path_factory.mktemp("cloud"), "access") as url,
        ExitStack() as stack,
        django_db_blocker.unblock(),
    ):
        cloud(url, "s3").create_bucket(Bucket="notes")
        cloud(url, "sqs").create_queue(QueueName="jobs.fifo", Attributes={"FifoQueue": "true"})
        start_machine(url, "the first", "takes its time")
        yield {name: stack.enter_context(connected(team, name, url)) for name in ("store", "queue", "machines")}


def start_machine(url: str, name: str, key: str) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "name", "Value": name}]}]
    cloud(url, "ec2").run_instances(ImageId="ami-12c6146b", InstanceType="t3.nano", MinCount=1, MaxCount=1,
                                    ClientToken=key, TagSpecifications=tags)  # fmt: skip


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


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_object_is_replaced_under_its_condition(
    place: Place, cloud_proxies: dict[str, FaultProxy], moment: str
) -> None:
    store, name = Side(place, cloud_proxies["store"], "store"), f"cut-{moment}"
    bucket = cloud(store.url, "s3")
    was = bucket.put_object(Bucket="notes", Key=name, Body=b"as it was")["ETag"]
    cut(store.proxy, moment, "PUT", "/notes/")
    action = store.driven(store.asked("replace", name=name, was=was, text="as it shall be"))
    assert action.state == "succeeded"
    assert len(store.proxy.seen("PUT", f"/notes/{name}")) == (2 if moment == "before" else 1)
    again = store.asked("replace", name=name, was=was, text="another")
    assert (again.state, (again.outcome or {})["status"]) == ("failed", 412)
    assert bucket.get_object(Bucket="notes", Key=name)["Body"].read() == b"as it shall be"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_message_is_queued_once_under_its_key(
    place: Place, cloud_proxies: dict[str, FaultProxy], moment: str
) -> None:
    queue = Side(place, cloud_proxies["queue"], "queue")

    def waiting() -> int:
        url = f"{queue.url}/123456789012/jobs.fifo"
        told = cloud(queue.url, "sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(told["ApproximateNumberOfMessages"])

    before = waiting()
    fault = cut(queue.proxy, moment, "POST", "/123456789012/")
    action = queue.driven(queue.asked("send", text="hello"))
    assert (action.state, fault.happened.is_set()) == ("succeeded", True)
    assert waiting() == before + 1
    assert Call.objects.get(action=action.id).attempt == 2
    sent = [dict(parse_qsl(one.body.decode())) for one in queue.proxy.seen("POST", "/123456789012/")[-2:]]
    assert [one["MessageDeduplicationId"] for one in sent] == [action.id] * 2


class Ignoring(Side):
    """One whose stand-in does not honour the key of what it makes."""

    @property
    def path(self) -> str:
        return "/v1/customers" if self.name == "pay" else "/"

    def made(self, name: str) -> int:
        if self.name == "pay":
            return [one["name"] for one in self.get("/v1/customers?limit=100")["data"]].count(name)
        filters = [{"Name": "tag:name", "Values": [name]}]
        return len(cloud(self.url, "ec2").describe_instances(Filters=filters)["Reservations"])

    def make_twice(self, name: str) -> None:
        """With one key, past the console."""
        for _ in range(2):
            if self.name == "pay":
                headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": name}
                httpx.post(f"{self.url}/v1/customers", data={"name": name}, headers=headers, trust_env=False)
            else:
                start_machine(self.url, name, name)

    def requests(self) -> int:
        return len(self.proxy.seen("POST", self.path))


@pytest.fixture(params=["pay", "machines"])
def ignoring(request: pytest.FixtureRequest, place: Place) -> Ignoring:
    proxies: dict[str, FaultProxy] = request.getfixturevalue("proxies" if request.param == "pay" else "cloud_proxies")
    return Ignoring(place, proxies[request.param], request.param)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_look_keeps_what_ignores_its_key_from_being_made_twice(ignoring: Ignoring, moment: str) -> None:
    ignoring.make_twice(f"twice, {moment}")
    assert ignoring.made(f"twice, {moment}") == 2  # what a repetition of the key alone would lead to
    cut(ignoring.proxy, moment, "POST", ignoring.path)
    before = ignoring.requests()
    action = ignoring.driven(ignoring.asked("make", name=f"looked for, {moment}"))
    assert (action.state, ignoring.made(f"looked for, {moment}")) == ("succeeded", 1)
    assert ignoring.requests() - before == (2 if moment == "before" else 1)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_ignores_its_key_and_cannot_be_looked_for_is_a_question_for_people(
    ignoring: Ignoring, moment: str
) -> None:
    cut(ignoring.proxy, moment, "POST", ignoring.path)
    before = ignoring.requests()
    action = ignoring.driven(ignoring.asked("make_blind", name=f"blind, {moment}"))
    assert action.state == "in_doubt"
    assert ignoring.requests() - before == 1
    happened = ignoring.made(f"blind, {moment}")
    assert happened == (moment == "after")
    ignoring.place.sign(action, "approve" if happened else "refuse")
    assert ignoring.driven(action).state == ("succeeded" if happened else "failed")
    assert (ignoring.requests() - before, ignoring.made(f"blind, {moment}")) == (1, happened)
