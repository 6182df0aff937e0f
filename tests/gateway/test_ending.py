"""A revoked credential's tokens: ended at the authorization server (RFC 7009), dropped here, and told if that fails."""

import datetime as dt

import httpx
import pytest

from console.core import lanes
from console.core.actor import system
from console.core.sealing import unseal
from examples.demo.people import acting
from integrations import sweep, tokens
from integrations.describe import revoke_credential
from integrations.ending import MOST_TRIES, end_tokens
from integrations.models import AccessToken, Integration
from integrations.outbound import NotSent
from integrations.sweep import offer_ends
from integrations.tasks import end_tokens as task
from tests.gateway.people import Connected, connected, running, server, told
from tests.spine.conftest import World
from tests.standins.authorization_server import AuthorizationServer

__all__ = ["running", "server"]

DOOR = system("door")


@pytest.fixture
def consented(world: World, server: AuthorizationServer) -> Connected:
    one = connected(server, "oauth2_code", revoke_url=server.revoke_url)
    one.connect()
    return one


def revoked(one: Connected) -> str:
    """Its access token, which whoever copied it has still."""
    token = one.token()
    assert token is not None
    revoke_credential(one.fresh(), actor=acting("mira"))
    return token.text


def status(one: Connected, token: str) -> int:
    return httpx.get(f"{one.server.address}/who", headers={"Authorization": f"Bearer {token}"}).status_code


def one_told(one: Connected, **detail: object) -> list[dict[str, object]]:
    return [{"integration": one.credential.integration_id, "name": "directory", **detail}]


@pytest.mark.parametrize("client_auth", ["basic", "body"])
def test_what_was_given_is_ended_there_and_dropped_here(
    client_auth: str, world: World, server: AuthorizationServer
) -> None:
    one = connected(server, "oauth2_code", revoke_url=server.revoke_url, client_auth=client_auth)
    one.connect()
    copied = revoked(one)
    assert status(one, copied) == 200
    server.forget()
    assert task.name == sweep.END_TOKENS
    lanes._task(sweep.END_TOKENS)(one.credential.pk)
    assert (status(one, copied), server.asked()) == (401, [["revoke", 200]] * 2)
    row = AccessToken.objects.get()
    assert (bytes(row.content), row.problem, row.ended_at is not None) == (b"", "", True)
    assert told("integrations:credential:ended") == one_told(one, there=True)
    end_tokens(one.credential.pk, actor=DOOR)
    assert server.asked() == [["revoke", 200]] * 2
    assert "its tokens are dropped" in one.mira.get("/integrations/people/").content.decode()


def test_a_clients_own_token_is_ended_too(world: World, server: AuthorizationServer) -> None:
    one = connected(server, "oauth2_client", revoke_url=server.revoke_url)
    copied = revoked(one)
    end_tokens(one.credential.pk, actor=DOOR)
    assert (status(one, copied), server.asked()[-1]) == (401, ["revoke", 200])


def test_without_an_address_they_are_dropped_and_nobody_is_asked(world: World, server: AuthorizationServer) -> None:
    one = connected(server, "oauth2_client")
    copied = revoked(one)
    end_tokens(one.credential.pk, actor=DOOR)
    assert (status(one, copied), server.asked()) == (200, [["client_credentials", 200]])
    assert bytes(AccessToken.objects.get().content) == b""
    assert told("integrations:credential:ended") == one_told(one, there=False)


def test_it_is_tried_again_and_then_told_that_it_failed(consented: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    revoked(consented)
    monkeypatch.setattr(sweep, "GRACE", dt.timedelta())
    for left in reversed(range(MOST_TRIES)):
        consented.server.fail(503)
        end_tokens(consented.credential.pk, actor=DOOR)
        assert offer_ends() == (1 if left else 0)
    assert told("integrations:credential:ended") == []
    why = "The authorization server answered 503."
    assert told("integrations:credential:not_ended") == one_told(consented, why=why)
    assert bytes(AccessToken.objects.get().content) == b""
    page = consented.mira.get("/integrations/people/").content.decode()
    assert '<span class="tag stop">perhaps not ended there</span>' in page
    assert why in page


def test_one_that_fails_once_is_ended_the_next_time(consented: Connected) -> None:
    copied = revoked(consented)
    consented.server.fail(503)
    end_tokens(consented.credential.pk, actor=DOOR)
    assert status(consented, copied) == 200
    end_tokens(consented.credential.pk, actor=DOOR)
    assert (status(consented, copied), told("integrations:credential:not_ended")) == (401, [])


def test_what_is_not_revoked_is_left_alone(consented: Connected) -> None:
    consented.server.forget()
    end_tokens(consented.credential.pk, actor=DOOR)
    assert (consented.server.asked(), offer_ends(), consented.ask().state) == ([], 0, "succeeded")


def test_an_address_that_sql_wrote_gets_nothing(consented: Connected) -> None:
    copied = revoked(consented)
    consented.server.forget()
    elsewhere = {**Integration.objects.get(slug="people").credential_settings, "revoke_url": "https://evil.example/"}
    Integration.objects.filter(slug="people").update(credential_settings=elsewhere)
    for _ in range(MOST_TRIES):
        end_tokens(consented.credential.pk, actor=DOOR)
    assert (status(consented, copied), consented.server.asked()) == (200, [])
    assert len(told("console:alarm:tampered")) == MOST_TRIES
    assert len(told("integrations:credential:not_ended")) == 1


def test_no_token_is_got_for_one_that_is_revoked(consented: Connected) -> None:
    credential = consented.fresh()
    consented.expire()
    revoke_credential(consented.fresh(), actor=acting("mira"))
    with pytest.raises(NotSent, match="revoked meanwhile"):
        tokens.token_for(credential, credential.integration, unseal(credential.seal))
