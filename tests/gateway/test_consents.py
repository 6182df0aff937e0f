"""A person's consent (OAuth 2.0): asked for in their session, taken once, and exchanged by the door."""

from typing import Any

import pytest

from audit.models import Record
from console.core.sealing import seal_for_now
from examples.demo.people import acting
from integrations import tokens
from integrations.authorize import exchange_code, offer_exchanges
from integrations.describe import revoke_credential
from integrations.models import AccessToken, Authorization, Credential
from tests.gateway.people import BACK, DOOR_ITSELF, Connected, as_owner, connected, consented, running, server
from tests.spine.attacker import APP, Attacker, alarms
from tests.spine.conftest import World
from tests.standins.authorization_server import AuthorizationServer

__all__ = ["consented", "running", "server"]


def test_an_agents_read_goes_out_with_the_token_that_a_person_consented_to(consented: Connected) -> None:
    before = consented.ask()
    assert (before.state, before.outcome and before.outcome["text"]) == ("failed", tokens.NOT_CONNECTED)
    assert consented.connect().state == "connected"
    after = consented.ask()
    assert (after.state, after.outcome and after.outcome["body"]) == ("succeeded", {"sub": "ada"})
    assert consented.server.asked() == [["authorization_code", 200]]
    kinds = [kind for kind in Record.objects.order_by("at").values_list("kind", flat=True) if "authorization" in kind]
    assert [kind.rpartition(":")[2] for kind in kinds] == ["started", "received", "exchanging", "connected"]


def test_the_page_asks_once_more_and_looking_at_it_takes_nothing(consented: Connected) -> None:
    browser = consented.mira
    back = consented.start(browser)
    page = browser.get(BACK, back).content.decode()
    assert "Yes, connect it" in page
    assert Authorization.objects.get().state == "started"
    assert browser.post(BACK, back).status_code == 302
    assert Authorization.objects.get().state == "received"
    assert browser.post(BACK, back).status_code == 404  # once


@pytest.mark.parametrize("who", ["another session", "another person", "too late", "another state"])
def test_what_somebody_else_began_is_nobodys_here(who: str, consented: Connected) -> None:
    browser = consented.mira
    back = consented.start(browser)
    if who == "another session":
        browser = consented.mira
    elif who == "another person":
        as_owner("UPDATE integrations_authorization SET person = %s", acting("ana").id)
    elif who == "too late":
        as_owner("UPDATE integrations_authorization SET started_at = started_at - interval '11 min'")
    else:
        back["state"] = back["state"][:-1]
    assert "You have not asked for this in this session" in browser.get(BACK, back).content.decode()
    assert browser.post(BACK, back).status_code == 404
    assert Authorization.objects.get().state == "started"


@pytest.mark.parametrize(
    ("issuer", "iss", "says"),
    [
        ("", "{}", ""),
        ("", "https://other.example", "Another server has answered than the one that was asked."),
        ("https://named.example", "https://named.example", ""),
        ("https://named.example", "{}", "Another server has answered than the one that was asked."),
    ],
)
def test_the_server_that_answers_has_to_be_the_one_that_was_asked(
    issuer: str, iss: str, says: str, world: World, server: AuthorizationServer
) -> None:
    """RFC 9207."""
    one = connected(server, "oauth2_code", **({"issuer": issuer} if issuer else {}))
    browser = one.mira
    back = {**one.start(browser), "iss": iss.format(server.address)}
    browser.post(BACK, back)
    row = Authorization.objects.get()
    assert (row.state, row.problem) == ("failed" if says else "received", says)


def test_a_person_who_declines_is_told_so_and_nothing_is_connected(consented: Connected) -> None:
    browser = consented.mira
    back = consented.start(browser, action="deny")
    assert back["error"] == "access_denied"
    assert "The authorization server says access_denied." in browser.get(BACK, back).content.decode()
    browser.post(BACK, back)
    assert (Authorization.objects.get().state, AccessToken.objects.count()) == ("failed", 0)
    page = consented.mira.get("/integrations/people/").content.decode()
    assert "The authorization server says access_denied." in page


def test_a_code_is_exchanged_once_and_by_what_was_signed(consented: Connected, committed: str) -> None:
    browser = consented.mira
    browser.post(BACK, consented.start(browser))
    row = Authorization.objects.get()
    with Attacker(committed, APP) as sql:
        sql.alter("UPDATE integrations_authorization SET code = %s", seal_for_now("mine", place=row.place("code")))
    done = exchange_code(row.pk, actor=DOOR_ITSELF)
    assert done is not None
    assert (done.state, consented.server.asked()) == ("failed", [])
    assert alarms(row.pk) == ["The authorization does not carry this console's signature."]
    assert exchange_code(row.pk, actor=DOOR_ITSELF) is None


def test_the_secret_goes_to_no_address_that_sql_wrote(consented: Connected, committed: str) -> None:
    browser = consented.mira
    browser.post(BACK, consented.start(browser))
    with Attacker(committed, APP) as sql:
        sql.alter("UPDATE integrations_integration SET credential_settings = jsonb_set(credential_settings,"
                  " '{token_url}', '\"http://127.0.0.1:9/\"') WHERE slug = 'people'")  # fmt: skip
    row = exchange_code(Authorization.objects.get().pk, actor=DOOR_ITSELF)
    assert row is not None
    assert (row.state, alarms(row.pk)) == ("failed", ["How one signs in at people is not what the console signed."])
    page = consented.mira.post(f"/integrations/credentials/{consented.credential.pk}/authorization/")
    assert b"This does not match what was signed" in page.content


def test_a_door_that_died_with_a_code_leaves_a_consent_that_failed(consented: Connected) -> None:
    browser = consented.mira
    browser.post(BACK, consented.start(browser))
    row = Authorization.objects.get()
    as_owner("UPDATE integrations_authorization SET moved_at = moved_at - interval '2 s'")
    assert offer_exchanges() == 1
    as_owner("ALTER TABLE integrations_authorization DISABLE TRIGGER USER")
    as_owner("UPDATE integrations_authorization SET state = 'exchanging', moved_at = now() - interval '3 min'")
    as_owner("ALTER TABLE integrations_authorization ENABLE TRIGGER USER")
    exchange_code(row.pk, actor=DOOR_ITSELF)
    assert (Authorization.objects.get().state, offer_exchanges()) == ("failed", 0)


def test_a_plain_address_that_is_not_listed_is_not_asked(consented: Connected, settings: Any) -> None:
    browser = consented.mira
    browser.post(BACK, consented.start(browser))
    settings.ALLOWED_NETWORKS = []
    row = exchange_code(Authorization.objects.get().pk, actor=DOOR_ITSELF)
    assert row is not None
    assert (row.state, "neither public nor allowed" in row.problem) == ("failed", True)


def test_what_needs_no_consent_or_is_revoked_is_not_connected(consented: Connected) -> None:
    stripe = Credential.objects.exclude(pk=consented.credential.pk).get()
    mira = consented.mira
    assert mira.post(f"/integrations/credentials/{stripe.pk}/authorization/").status_code == 409
    browser = consented.mira
    browser.post(BACK, consented.start(browser))
    revoke_credential(consented.credential, actor=acting("mira"))
    assert mira.post(f"/integrations/credentials/{consented.credential.pk}/authorization/").status_code == 409
    row = Authorization.objects.get()
    exchange_code(row.pk, actor=DOOR_ITSELF)
    assert (Authorization.objects.get().problem, consented.server.asked()) == (
        "The credential was revoked meanwhile.", [])  # fmt: skip
