"""Break-glass: one person asks, another signs, and the secret can be read in one browser, for minutes."""

import datetime as dt
import json
from base64 import urlsafe_b64encode

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection, transaction
from django.test import Client

from approvals.authority import question
from approvals.care.aftersheet import proposed_policy
from approvals.care.afterwards import owed_by
from approvals.care.asking_afterwards import ask_about_openings
from approvals.models import Action, PostReview, Review
from approvals.opening import ask_opening
from approvals.policies.decide import FALLBACK, decide
from approvals.policies.document import parse
from audit.models import Disclosure, Record
from audit.vocabulary import Kind
from console.accounts.models import Membership, Team, User
from console.accounts.people import set_membership
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid, Tampered
from console.core.handing_over import NONCE, POINT
from examples.demo.people import acting
from integrations.amend import replace_description
from integrations.describe import built_in, describe_integration, give_grant, revoke_credential
from integrations.description import Description
from integrations.here import HERE, OPEN_CREDENTIAL, SLUG, do_here, verify_here
from integrations.models import Call, Credential, Grant, Integration, Opening
from integrations.openings import end_openings
from integrations.render import render
from tests.spine.attacker import APP, DOOR, Attacker
from tests.spine.conftest import World

WHY = "The payment provider is down, and their support asks for the key."


class Browser:
    """What `static/js/opening.js` does with WebCrypto."""

    def __init__(self) -> None:
        self.own = ec.generate_private_key(ec.SECP256R1())
        point = self.own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.key = urlsafe_b64encode(point).rstrip(b"=").decode()

    def read(self, content: bytes, place: str) -> dict[str, str]:
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), content[:POINT])
        shared = self.own.exchange(ec.ECDH(), theirs)
        key = HKDF(SHA256(), 32, salt=None, info=place.encode()).derive(shared)
        nonce, sealed = content[POINT : POINT + NONCE], content[POINT + NONCE :]
        found: dict[str, str] = json.loads(AESGCM(key).decrypt(nonce, sealed, place.encode()))
        return found


@pytest.fixture
def credential(world: World) -> Credential:
    return Credential.objects.select_related("integration").get(integration__slug="stripe")


@pytest.fixture
def chrome() -> Browser:
    return Browser()


def enter(username: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=username))
    return client


def ask(credential: Credential, browser: Browser, world: World, why: str = WHY) -> Action:
    action = ask_opening(credential, why=why, key=browser.key, username="mira", actor=acting("mira"))
    world.settle()
    action.refresh_from_db()
    return action


def review_of(action: Action) -> Review:
    return Review.objects.get(action=action)


def opened(credential: Credential, browser: Browser, world: World) -> Opening:
    action = ask(credential, browser, world)
    world.sign(review_of(action), "sam")
    world.settle()
    return Opening.objects.get(action=action.pk)


def test_it_is_read_by_whoever_asked_once_somebody_else_has_signed(
    credential: Credential, chrome: Browser, world: World
) -> None:
    action = ask(credential, chrome, world)
    assert (action.state, action.sentence) == ("held", "Show the secret of billing key (stripe) to mira")
    assert [fact["format"] for fact in action.facts if fact["format"] == "undecoded"] == []
    slot = review_of(action).slots.get()
    assert slot.asks == FALLBACK.slots[0]
    page = f"/integrations/credentials/{credential.pk}/open/"
    assert "It waits for a signature" in enter("mira").get(page).content.decode()

    world.sign(review_of(action), "sam")
    world.settle()
    action.refresh_from_db()
    opening = Opening.objects.get()
    assert (action.state, opening.action, opening.asker.username) == ("succeeded", action.pk, "mira")
    secret = chrome.read(bytes(opening.content), opening.place)
    assert list(secret) == ["token"]
    with pytest.raises(InvalidTag):
        chrome.read(bytes(opening.content), "opening/act_another")
    assert Call.objects.get(action=action.pk).state == "succeeded"
    told = Record.objects.get(kind=Kind.CREDENTIAL_OPENED)
    assert (told.subject, told.actor, told.team) == (credential.pk, "door", action.team_id)

    text = enter("mira").get(page).content.decode()
    assert "Show the secret" in text
    assert chrome.key in text
    assert "It has been opened" in text
    listed = " ".join(enter("ana").get("/integrations/").content.decode().split())
    assert "for <bdi>Mira Okafor</bdi>, who may have it still" in listed
    others = Membership.objects.get(user__username="sam")
    set_membership(others.user, others.team, roles=("reviewer", "admin"), groups=others.groups, actor=system("tests"))
    assert "data-opened" not in enter("sam").get(page).content.decode()
    everything = json.dumps([*Action.objects.values_list("outcome"), *Call.objects.values_list("receipt"),
                             *Disclosure.objects.values_list("value")], default=str)  # fmt: skip
    leaves = b"".join(bytes(leaf) for leaf in Record.objects.values_list("leaf", flat=True))
    assert secret["token"] not in everything
    assert secret["token"].encode() not in leaves


def test_what_was_opened_goes_after_minutes_and_the_credential_after_a_day(
    credential: Credential, chrome: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = opened(credential, chrome, world)
    assert end_openings() == 0
    assert (opening.until - opening.opened_at, opening.replace_by - opening.opened_at) == (
        dt.timedelta(minutes=15), dt.timedelta(hours=24),
    )  # fmt: skip
    later = now() + dt.timedelta(minutes=16)
    monkeypatch.setattr("integrations.openings.now", lambda: later)
    assert (end_openings(), end_openings()) == (1, 0)
    opening.refresh_from_db()
    credential.refresh_from_db()
    assert (bytes(opening.content), credential.revoked_at) == (b"", None)
    later = now() + dt.timedelta(hours=25)
    assert (end_openings(), end_openings()) == (1, 0)
    credential.refresh_from_db()
    assert credential.revoked_at is not None
    told = Record.objects.get(kind=Kind.CREDENTIAL_REVOKED)
    assert (told.subject, told.actor, told.team) == (credential.pk, "beat", credential.integration.team_id)


def test_it_is_revoked_a_day_after_the_first_opening_and_pages_say_so(
    credential: Credential, chrome: Browser, world: World
) -> None:
    first, second = opened(credential, chrome, world), opened(credential, Browser(), world)
    assert first.replace_by < second.replace_by
    for page in (f"/integrations/credentials/{credential.pk}/", f"/integrations/credentials/{credential.pk}/open/"):
        response = enter("mira").get(page)
        assert (response.context.get("first") or response.context["opened"]) == first


def test_nobody_signs_for_themselves(credential: Credential, chrome: Browser, world: World) -> None:
    mira = Membership.objects.get(user__username="mira")
    set_membership(mira.user, mira.team, roles=("admin", "reviewer"), groups=("admins",), actor=system("tests"))
    action = ask(credential, chrome, world)
    with pytest.raises(Forbidden):
        world.sign(review_of(action), "mira")


def test_no_policy_allows_it_or_asks_for_less(credential: Credential, world: World) -> None:
    built_in(acting("mira"))
    operation = Integration.objects.get(slug=SLUG).operations.select_related("integration").get(slug=OPEN_CREDENTIAL)
    asked = question(operation, "people", None, "")
    lax = parse("policy: lax\nrules:\n- {id: all, when: {integration: [countersign]}, then: allow}\n"
                "- {id: rest, when: {}, then: deny}\n")  # fmt: skip
    easy = parse("policy: easy\nrules:\n- {id: rest, when: {}, then: review,"
                 " review: {slots: [{group: finance}], signature: password}}\n")  # fmt: skip
    for document in (lax, easy):
        answer = decide(document, asked)
        assert (answer.outcome, answer.requirement) == ("review", FALLBACK)
    assert decide(parse("policy: never\nrules:\n- {id: rest, when: {}, then: deny}\n"), asked).outcome == "deny"


@pytest.mark.parametrize("grantee", ["workflow:billing-care", "agent:helper"])
def test_no_agent_and_no_workflow_can_be_granted_it(grantee: str, world: World, team_agent: str) -> None:
    credential = built_in(acting("mira")).credentials.get()
    with pytest.raises(Invalid, match="for people"):
        give_grant(grantee=grantee, operations=["open_credential"], credential=credential, actor=acting("mira"))
    assert set(Grant.objects.filter(integration__slug=SLUG).values_list("grantee", flat=True)) == {"people"}


@pytest.fixture
def team_agent(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("integrations.describe.check_grantee", lambda team, grantee: None)
    return "agent:helper"


def test_nobody_else_is_bound_to_the_consoles_place(world: World) -> None:
    for address in (HERE, f"{HERE}/", "http://countersign.invalid:80/x", "https://COUNTERSIGN.invalid"):
        with pytest.raises(Invalid, match="own place"):
            describe_integration("integration: x", base_url=address, actor=acting("mira"))


def test_its_name_may_be_taken_and_then_nothing_is_opened(
    credential: Credential, chrome: Browser, world: World
) -> None:
    Integration.objects.create(team=Team.objects.get(), slug=SLUG, title="Ours", base_url="https://api.example")
    with pytest.raises(Conflict, match="console's own"):
        ask(credential, chrome, world)


def test_it_is_set_up_once_and_described_anew_when_it_was_changed(world: World) -> None:
    first, again = built_in(acting("mira")), built_in(acting("mira"))
    assert (first.pk, first.credentials.count(), first.grants.count()) == (again.pk, 1, 1)
    revoke_credential(first.credentials.get(), actor=acting("mira"))
    built_in(acting("mira"))
    assert first.credentials.filter(revoked_at=None).count() == 1
    operation = first.operations.select_related("integration").get(slug=OPEN_CREDENTIAL)
    verify_here(operation)
    operation.digest = b"\0" * 32
    with pytest.raises(Tampered):
        verify_here(operation)
    operation.integration.base_url = "https://api.example"
    verify_here(operation)


def told_mildly() -> None:
    """An admin describes the operation in other words."""
    operation = built_in(acting("mira")).operations.select_related("integration").get(slug=OPEN_CREDENTIAL)
    mild = Description(operation.slug, {**operation.description, "sentence": "Look at the weather"})
    with transaction.atomic():
        replace_description(operation, mild, None, cause="description", actor=acting("mira"))


def test_signers_are_told_nothing_but_what_the_console_says(
    credential: Credential, chrome: Browser, world: World
) -> None:
    told_mildly()
    action = ask(credential, chrome, world)
    assert (action.state, action.sentence) == ("held", "Show the secret of billing key (stripe) to mira")


def test_the_door_asks_nobody_about_what_the_console_does_not_say(
    credential: Credential, chrome: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_mildly()
    monkeypatch.setattr("approvals.opening.built_in", lambda actor: None)
    action = ask(credential, chrome, world)
    assert (action.settled, Review.objects.count(), Opening.objects.count()) == (True, 0, 0)
    assert Record.objects.filter(kind=Kind.ALARM_TAMPERED, subject=action.pk).exists()


def test_whoever_asked_is_still_an_admin_when_it_is_opened(
    credential: Credential, chrome: Browser, world: World
) -> None:
    action = ask(credential, chrome, world)
    world.sign(review_of(action), "sam")
    mira = Membership.objects.get(user__username="mira")
    set_membership(mira.user, mira.team, roles=("operator",), groups=(), actor=system("tests"))
    world.settle()
    action.refresh_from_db()
    assert (action.state, Opening.objects.count()) == ("failed", 0)
    assert (action.outcome or {})["body"] == {"error": "Whoever asked is no admin of the team any more."}


def test_a_revoked_credential_is_opened_for_nobody(credential: Credential, chrome: Browser, world: World) -> None:
    action = ask(credential, chrome, world)
    revoke_credential(credential, actor=acting("mira"))
    world.sign(review_of(action), "sam")
    world.settle()
    action.refresh_from_db()
    assert (action.state, Opening.objects.count()) == ("failed", 0)
    credential.refresh_from_db()
    with pytest.raises(Conflict, match="revoked"):
        ask(credential, Browser(), world)


def test_it_is_opened_once_however_often_it_is_sent(credential: Credential, chrome: Browser, world: World) -> None:
    action = ask(credential, chrome, world)
    here, operation = action.operation.integration, action.operation
    rendered = render(
        Description(operation.slug, operation.description), action.arguments, base_url=HERE, key=action.pk
    )
    first, again = (do_here(here, rendered, expected=rendered.digest, key="act_x", first=None) for _ in range(2))
    assert (first, Opening.objects.count()) == (again, 1)
    with pytest.raises(Tampered):
        do_here(here, rendered, expected=b"\0" * 32, key="act_x", first=None)
    assert do_here(here, rendered, expected=rendered.digest, key="", first=None).status == 404


@pytest.mark.parametrize("key", ["", "x", "é", "A" * 87, "_" * 87])
def test_what_is_no_key_is_refused_before_anything_is_asked(key: str, credential: Credential, world: World) -> None:
    with pytest.raises(Invalid):
        ask_opening(credential, why=WHY, key=key, username="mira", actor=acting("mira"))
    assert not Action.objects.filter(operation__slug="open_credential").exists()


def test_it_needs_a_reason_and_an_admin_and_one_question_at_a_time(
    credential: Credential, chrome: Browser, world: World
) -> None:
    with pytest.raises(Invalid, match="Say why"):
        ask(credential, chrome, world, why=" ")
    with pytest.raises(Forbidden):
        ask_opening(credential, why=WHY, key=chrome.key, username="sam", actor=acting("sam"))
    ask(credential, chrome, world)
    with pytest.raises(Conflict, match="already"):
        ask(credential, Browser(), world)


def test_only_the_door_opens_and_the_rest_only_drops(credential: Credential, chrome: Browser, world: World) -> None:
    opened(credential, chrome, world)
    name = connection.settings_dict["NAME"]
    with Attacker(name, APP) as sql:
        with sql.refused("42501"):
            sql.run("INSERT INTO integrations_opening (id, action) VALUES ('opn_x', 'act_x')")
        with sql.refused("42501"):
            sql.run("UPDATE integrations_opening SET until = now()")
    with Attacker(name, DOOR) as sql, sql.refused("42501"):
        sql.run("UPDATE integrations_opening SET content = ''")


def test_each_opening_is_owed_a_look_by_somebody_who_neither_asked_nor_signed(
    credential: Credential, chrome: Browser, world: World
) -> None:
    opening = opened(credential, chrome, world)
    assert (ask_about_openings(), ask_about_openings()) == (1, 0)
    owed = PostReview.objects.get()
    assert (owed.action_id, owed.cause, owed.groups) == (opening.action, "opening", ["admins"])
    assert owed.not_by == sorted([acting("mira").id, acting("sam").id])
    assert [owed_by(acting(who)).count() for who in ("mira", "sam", "ana", "theo")] == [0, 0, 0, 1]
    assert 'class="n">1<span class="unseen"> waiting' in enter("theo").get("/reviews/").content.decode()
    page = f"/reviews/afterwards/{owed.pk}/"
    said = enter("theo").get(page).content.decode()
    assert [part in said for part in (WHY, "Sam", "A credential was opened for a person")] == [True, True, True]
    assert "You had a part in it" in enter("mira").get(page).content.decode()
    assert enter("theo").post(page, {"judgement": "disagree", "why": "Nobody had called them."}).status_code == 302
    owed.refresh_from_db()
    assert (owed.state, owed.reviewer and owed.reviewer.username) == ("disagreed", "theo")
    assert (owed_by(acting("theo")).count(), ask_about_openings(), proposed_policy(owed)) == (0, 0, "")


def test_what_is_owed_does_not_vanish(credential: Credential, chrome: Browser, world: World) -> None:
    opened(credential, chrome, world)
    ask_about_openings()
    for role in (APP, DOOR):
        with Attacker(connection.settings_dict["NAME"], role) as sql, sql.refused():
            sql.run("DELETE FROM approvals_postreview")
    with Attacker(connection.settings_dict["NAME"], APP) as sql, sql.refused("23514"):
        sql.run("UPDATE approvals_postreview SET state = 'agreed', closed_at = now(), reviewer_id = asker_id"
                " FROM integrations_opening")  # fmt: skip
