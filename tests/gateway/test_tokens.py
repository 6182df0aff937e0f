"""Tokens (OAuth 2.0): one that is good, however many doors want it, sealed by the door alone."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from console.core.errors import Tampered
from console.core.sealing import seal_for_now
from console.home.processes import ROOT
from integrations import tokens
from integrations.models import AccessToken
from integrations.outbound import NotSent
from integrations.token_request import Denied, Granted
from tests.gateway.people import Connected, connected, consented, running, server, told
from tests.services import services
from tests.spine.attacker import APP, DOOR, Attacker
from tests.spine.conftest import World
from tests.stack import Stack
from tests.standins.authorization_server import AuthorizationServer

__all__ = ["consented", "running", "server"]


@pytest.mark.parametrize("client_auth", ["basic", "body"])
def test_a_client_signs_in_for_itself(client_auth: str, world: World, server: AuthorizationServer) -> None:
    one = connected(server, "oauth2_client", client_auth=client_auth)
    for _ in range(2):
        asked = one.ask()
        assert (asked.state, asked.outcome and asked.outcome["body"]) == ("succeeded", {"sub": "the client itself"})
    assert server.asked() == [["client_credentials", 200]]
    one.expire()
    one.ask()
    assert server.asked() == [["client_credentials", 200]] * 2


def test_a_token_is_renewed_before_its_end_and_after_a_refusal(consented: Connected) -> None:
    consented.connect()
    first = consented.token()
    assert consented.token() == first
    consented.expire()
    second = consented.token()
    assert first is not None
    assert second is not None
    assert (second.version, second.text == first.text) == (2, False)
    consented.server.end_consents()
    refused = consented.ask()
    assert refused.outcome is not None
    assert (refused.state, refused.outcome["status"]) == ("failed", 401)
    last = consented.ask()
    assert (last.state, last.outcome and last.outcome["text"][:49]) == (
        "failed", "The authorization server says invalid_grant: inva")  # fmt: skip


def test_a_refusal_is_an_answer_although_the_token_could_not_be_forgotten(consented: Connected, committed: str) -> None:
    consented.connect()
    consented.server.end_consents()
    with services().superuser(committed) as somebody, somebody.transaction(), connection.cursor() as cursor:
        somebody.execute("SELECT 1 FROM integrations_accesstoken FOR UPDATE")
        cursor.execute("SET lock_timeout = '30ms'")
        refused = consented.ask()
    assert (refused.state, refused.outcome and refused.outcome["status"]) == ("failed", 401)
    assert consented.token()  # which the next refusal makes the door forget
    assert [(one.state, (one.outcome or {})["code"]) for one in (consented.ask(), consented.ask())] == [
        ("failed", "rejected"), ("failed", "unreachable")]  # fmt: skip


def test_one_that_the_server_takes_no_more_is_dead_told_once_and_shown(consented: Connected) -> None:
    consented.connect()
    consented.server.end_consents()
    consented.expire()
    for says in ("invalid_grant", "connect it again"):
        with pytest.raises(NotSent, match=says):
            consented.token()
    why = "The authorization server says invalid_grant: invalid refresh token."
    died = {"integration": consented.credential.integration_id, "name": "directory", "why": why}
    assert told("integrations:credential:died") == [died]
    page = consented.mira.get("/integrations/people/").content.decode()
    assert '<span class="tag stop">ended there</span>' in page
    assert why in page
    consented.connect()
    assert consented.ask().state == "succeeded"
    assert "ended there" not in consented.mira.get("/integrations/people/").content.decode()


def test_doors_that_want_a_token_at_once_ask_for_one(consented: Connected) -> None:
    """The server ends the consent of whoever uses a refresh token twice."""
    consented.connect()
    for turn in range(1, 4):
        consented.expire()
        with ThreadPoolExecutor(8) as doors:
            found = list(doors.map(lambda _: in_a_thread(consented), range(8)))
        assert {token.version for token in found} == {turn + 1}
        assert len({token.text for token in found}) == 1
    assert consented.server.asked() == [["authorization_code", 200], *[["refresh_token", 200]] * 3]


def in_a_thread(consented: Connected) -> tokens.Token:
    try:
        token = consented.token()
        assert token is not None
        return token
    finally:
        connection.close()


PROGRAM = """
import sys, django; django.setup()
from concurrent.futures import ThreadPoolExecutor
from django.db import connection
from console.core.sealing import unseal
from integrations import tokens
from integrations.models import Credential
def token(_):
    credential = Credential.objects.select_related("integration").get(pk=sys.argv[1])
    try:
        return tokens.token_for(credential, credential.integration, unseal(credential.seal)).version
    finally:
        connection.close()
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(4) as threads:
    print(*threads.map(token, range(4)))
"""


def test_processes_that_want_a_token_at_once_ask_for_one(consented: Connected, committed: str, tmp_path: Any) -> None:
    consented.connect()
    consented.expire()
    env = {**Stack(committed, tmp_path).environment("door"), "DJANGO_SETTINGS_MODULE": "console.settings"}
    doors = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, consented.credential.pk], env=env, cwd=ROOT, text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(3)
    ]  # fmt: skip
    for door in doors:
        assert door.stdout is not None
        assert door.stdout.readline() == "ready\n"
    for door in doors:
        assert door.stdin is not None
        door.stdin.write("go\n")
        door.stdin.flush()
    assert [door.communicate(timeout=60)[0] for door in doors] == ["2 2 2 2\n"] * 3
    assert consented.server.asked() == [["authorization_code", 200], ["refresh_token", 200]]


def test_a_consent_that_was_given_meanwhile_is_not_overwritten(consented: Connected) -> None:
    """By what an older refresh token brought."""
    consented.connect()
    credential = consented.fresh()
    consented.connect()
    newest = consented.token()
    assert tokens.keep(credential, Granted("of the former consent"), over=1) is None
    assert consented.token() == newest


def test_an_invalid_grant_of_a_door_that_came_too_late_kills_nothing(consented: Connected) -> None:
    """As when its turn was lost with its session, and another door has renewed the token in the meantime."""
    consented.connect()
    credential = consented.fresh()
    before = AccessToken.objects.get()
    consented.expire()
    fresh = consented.token()
    assert tokens._denied(credential, before, Denied("invalid_grant", "It was used."), True) == fresh
    assert AccessToken.objects.get().died_at is None


def test_tokens_are_the_doors_alone_and_nothing_that_sql_wrote_is_sent(consented: Connected, committed: str) -> None:
    consented.connect()
    row, credential = AccessToken.objects.get(), consented.fresh()
    assert row.content != b""
    with Attacker(committed, APP) as sql, sql.refused():
        sql.run("UPDATE integrations_accesstoken SET content = ''")
    with Attacker(committed, DOOR) as sql:
        forged = seal_for_now('{"access": "mine", "refresh": ""}', place=f"integrations_accesstoken/{credential.pk}/1")
        sql.alter("UPDATE integrations_accesstoken SET content = %s", forged)
    with pytest.raises(Tampered):
        consented.token()
    stopped = consented.ask()
    assert stopped.outcome is not None
    assert (stopped.state, stopped.outcome["code"]) == ("refused", "tampered")


def test_no_token_is_anywhere_but_under_the_seal(consented: Connected, committed: str) -> None:
    consented.connect()
    token = consented.token()
    assert token is not None
    consented.ask()
    with services().superuser(committed) as sql:
        named = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        tables = [name for (name,) in sql.execute(named)]
        holding = [
            name for name in tables
            if sql.execute(f'SELECT 1 FROM "{name}" AS t WHERE strpos(t::text, %s) > 0', [token.text]).fetchone()
        ]  # fmt: skip
    assert (len(tables) > 30, holding) == (True, [])
