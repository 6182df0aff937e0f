"""A leaked value is known again, and nothing of it is kept."""

import base64
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client

from audit.models import Record
from console.accounts.models import Team
from examples.demo.people import acting
from integrations.describe import revoke_credential, store_credential
from integrations.models import Credential, Integration
from integrations.webhooks.set_up import end_webhook, open_webhook
from tests.pages.conftest import Enter

SECRET = "sk_test_8hKq/Zp+4vN=x"
ADDRESS = "/integrations/leaks/look-up/"


@pytest.fixture
def mira(office: Team, enter: Enter) -> Client:
    store_credential(Integration.objects.get(slug="stripe"), name="leaky", secret=SECRET, actor=acting("mira"))
    return enter("mira")


@pytest.mark.parametrize(
    "found",
    [
        SECRET, f"  {SECRET}\n", f"Authorization: Bearer {SECRET}", f"https://a.example/?key={quote(SECRET, safe='')}",
        base64.b64encode(f"{SECRET}".encode()).decode(), f"Basic {base64.b64encode(f'me:{SECRET}'.encode()).decode()}",
        f'"{SECRET}"', f"user:{SECRET}",
    ],
)  # fmt: skip
def test_it_is_known_again_however_it_was_found(mira: Client, found: str) -> None:
    page = mira.post(ADDRESS, {"value": found}).content.decode()
    assert "<bdi>leaky</bdi>" in page
    assert SECRET not in page


def test_what_is_not_ours_is_told_so(mira: Client) -> None:
    for value in (SECRET[:-1], SECRET.swapcase(), "something else entirely"):
        assert "It is none of your team’s." in mira.post(ADDRESS, {"value": value}).content.decode()
    stripe = Integration.objects.get(slug="stripe")
    store_credential(stripe, name="short", secret="1234567", actor=acting("mira"))
    assert "Of 1 nobody can tell" in mira.post(ADDRESS, {"value": "1234567x"}).content.decode()


def test_a_revoked_one_is_told_as_such(mira: Client) -> None:
    revoke_credential(Credential.objects.get(name="leaky"), actor=acting("mira"))
    page = mira.post(ADDRESS, {"value": SECRET}).content.decode()
    assert '<span class="tag">revoked</span>' in page
    assert "Revoke leaky" not in page


def test_a_secret_of_a_webhook_is_known_too(mira: Client) -> None:
    stripe, how = Integration.objects.get(slug="stripe"), {"header": "X-Token"}
    webhook = open_webhook(
        stripe, slug="events", scheme="token", settings=how, secret=SECRET[::-1], actor=acting("mira")
    )
    looked = [f'/integrations/webhooks/{webhook.pk}/secret/"', '<span class="tag stop">in use</span>']
    page = mira.post(ADDRESS, {"value": f"X-Token: {SECRET[::-1]}"}).content.decode()
    assert [one in page for one in looked] == [True, True]
    end_webhook(webhook, actor=acting("mira"))
    page = mira.post(ADDRESS, {"value": SECRET[::-1]}).content.decode()
    assert [one in page for one in (*looked, '<span class="tag">ended</span>')] == [False, False, True]
    [first, _] = Record.objects.filter(kind="integrations:credential:looked_up").order_by("at")
    assert webhook.secrets.get().pk.encode() in bytes(first.leaf)


def test_the_question_is_in_the_log_and_the_value_nowhere(mira: Client) -> None:
    mira.post(ADDRESS, {"value": SECRET})
    [asked] = Record.objects.filter(kind="integrations:credential:looked_up")
    assert Credential.objects.get(name="leaky").pk.encode() in bytes(asked.leaf)
    with connection.cursor() as cursor:
        cursor.execute("SELECT leaf FROM audit_log UNION ALL SELECT prints::text::bytea FROM integrations_credential")
        assert not any(SECRET.encode() in bytes(row[0]) for row in cursor.fetchall())


def test_guessing_and_others_are_refused(mira: Client, enter: Enter) -> None:
    assert mira.post(ADDRESS, {"value": "1234567"}).status_code == 422
    for who in ("ana", "jonas", "theo"):
        assert enter(who).post(ADDRESS, {"value": SECRET}).status_code == 403


def test_another_teams_secret_is_not_told_of(mira: Client, stranger: Client) -> None:
    assert "<bdi>leaky</bdi>" not in stranger.post(ADDRESS, {"value": SECRET}).content.decode()
