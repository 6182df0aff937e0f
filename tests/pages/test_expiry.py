"""The end of a credential at the other side: known from a person or its certificate, shown, and told once in time."""

import datetime as dt
import json

import pytest
from django.utils.html import escape

from audit.models import Record
from console.accounts.models import Team
from console.core.clock import now
from console.core.errors import Invalid
from examples.demo.people import acting
from integrations.describe import describe_integration, revoke_credential, store_credential
from integrations.expiry import due, last_moment, tell_ends
from integrations.models import Credential, Integration
from tests.pages.conftest import Enter
from tests.units.test_client_certificates import Authority

AT = dt.datetime(2027, 1, 31, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("left", "told", "expected"),
    [
        (15 * DAY, None, None), (14 * DAY, None, 14), (14 * DAY, 14, None), (4 * DAY, 14, None), (3 * DAY, 14, 3),
        (3 * DAY, None, 3), (3 * DAY, 3, None), (dt.timedelta(), 3, 0), (-9 * DAY, None, 0), (-9 * DAY, 0, None),
    ],
)  # fmt: skip
def test_each_notice_is_due_once_and_the_last_one_alone(left: dt.timedelta, told: int | None, expected: int) -> None:
    assert due(AT + left, told, AT) == expected


@pytest.mark.parametrize("day", ["tomorrow", "2026-13-01", "2020-01-01"])
def test_what_is_no_day_to_come_is_refused(day: str) -> None:
    with pytest.raises(Invalid, match="Ends on"):
        last_moment(day)


def told() -> list[tuple[str, str, object]]:
    """Verb, name, days ahead: of all notices, in order."""
    found = Record.objects.filter(kind__startswith="integrations:credential:expir").order_by("at")
    leaves = [json.loads(bytes(record.leaf)) for record in found]
    return [(leaf["action"].rpartition(":")[2], leaf["detail"]["name"], leaf["detail"].get("days")) for leaf in leaves]


def store(name: str, ends: dt.datetime | None) -> Credential:
    mira = acting("mira")
    return store_credential(
        Integration.objects.get(slug="stripe"), name=name, secret="sk_x", expires_at=ends, actor=mira
    )


def test_it_is_told_in_time_and_each_notice_once(office: Team) -> None:
    soon = store("soon", now() + 10 * DAY)
    store("later", now() + 20 * DAY)
    store("never", None)
    revoke_credential(store("revoked", now() + DAY), actor=acting("mira"))
    assert (tell_ends(), tell_ends()) == (1, 0)
    assert told() == [("expiring", "soon", 14)]
    assert Credential.objects.get(pk=soon.pk).told_days == 14


def test_an_end_that_nobody_was_told_of_is_told_as_what_it_is(office: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    store("short", now() + 2 * DAY)
    assert tell_ends() == 1
    monkeypatch.setattr("integrations.expiry.now", lambda: now() + 3 * DAY)
    assert (tell_ends(), tell_ends()) == (1, 0)
    assert told() == [("expiring", "short", 3), ("expired", "short", None)]


def test_a_certificate_says_when_it_ends_and_the_earlier_word_counts(office: Team) -> None:
    mira = acting("mira")
    text = "{integration: peers, title: Peers, credential: {type: mtls}, operations: {look: {title: L, effect: read,"
    integration = describe_integration(
        f"{text} method: GET, path: /}}}}}}", base_url="https://peers.example", actor=mira
    )
    pair = Authority().issue("client")
    parts = {"certificate": pair.certificate, "private_key": pair.key}
    of_itself = store_credential(integration, name="of itself", secret=parts, actor=mira)
    assert of_itself.expires_at is not None
    earlier = of_itself.expires_at - dt.timedelta(hours=1)
    known = store_credential(integration, name="known", secret=parts, expires_at=earlier, actor=mira)
    late = store_credential(integration, name="late", secret=parts, expires_at=of_itself.expires_at + DAY, actor=mira)
    assert (known.expires_at, late.expires_at) == (earlier, of_itself.expires_at)


def test_the_page_takes_the_day_and_marks_what_ends_soon(office: Team, enter: Enter) -> None:
    mira, day = enter("mira"), (now() + 9 * DAY).date()
    given = {"name": "short", "part-token": "sk_x", "ends_on": day.isoformat()}
    assert mira.post("/integrations/stripe/credential/", given).status_code == 302
    assert Credential.objects.get(name="short").expires_at == dt.datetime.combine(day, dt.time.max, dt.UTC)
    page = mira.get("/integrations/stripe/").content.decode()
    assert page.count('<span class="tag wait"><time') == 1
    refused = mira.post("/integrations/stripe/credential/", {**given, "name": "past", "ends_on": "2020-01-01"})
    assert refused.status_code == 422
    assert escape("Ends on: this day has passed.") in refused.content.decode()
    assert not Credential.objects.filter(name="past").exists()
