"""Deliveries of other systems: stored before they are answered, judged by the door, known again, and kept so."""

import datetime as dt
import hmac
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from audit.models import Record
from console.core import wake
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid
from console.dispatch.models import Wake
from console.gateway import hooks
from examples.demo.people import acting
from integrations.models import Delivery, Integration, Webhook, WebhookSecret
from integrations.webhooks import judge, receive, upkeep
from integrations.webhooks.judge import judge_delivery
from integrations.webhooks.set_up import end_secret, end_webhook, open_webhook, rotate_secret
from tests.hooks import DOOR, SECRET, STANDARD, Sender, judge_all, make_hook, send
from tests.services import services
from tests.spine.attacker import APP, Attacker
from tests.spine.attacker import DOOR as DOOR_ROLE

OTHER = "whsec_b3RoZXIgc2VjcmV0IG9mIHRlc3Rz"
MIB = 1024 * 1024


@pytest.fixture
def address(sender: Sender) -> str:
    return f"/hooks/{sender.hook.address}"


def kinds(prefix: str = "integrations:") -> list[str]:
    return list(Record.objects.filter(kind__startswith=prefix).order_by("at").values_list("kind", flat=True))


def detail(kind: str) -> list[dict[str, Any]]:
    found = Record.objects.filter(kind=kind).order_by("at").values_list("leaf", flat=True)
    return [json.loads(bytes(leaf))["detail"] for leaf in found]


def test_a_genuine_delivery_is_verified_and_in_the_log(sender: Sender) -> None:
    body, headers = sender.event("invoice.paid", identity="msg_a", amount=3)
    told = send(f"/hooks/{sender.hook.address}", body, headers)
    assert (told.status, told.body, told.headers["cache-control"]) == (202, b"", "no-store")
    [waiting] = Delivery.objects.all()
    assert (waiting.outcome, bytes(waiting.body or b""), waiting.type) == ("", body, "")
    judge_all()
    [row] = Delivery.objects.all()
    assert (row.outcome, row.name, row.type, bytes(row.headers)) == ("verified", "msg_a", "invoice.paid", b"")
    assert detail("integrations:delivery:verified") == [
        {"webhook": sender.hook.pk, "body": bytes(row.digest).hex(), "size": len(body)}
    ]
    [record] = Record.objects.filter(subject=row.pk)
    assert b"invoice.paid" not in bytes(record.leaf)  # a stranger's words can be erased
    assert Wake.objects.filter(delivery=row.pk).count() == 1


def test_headers_are_sealed_until_they_are_judged_and_only_those_that_are_needed(sender: Sender) -> None:
    """A fixed token is the secret itself."""
    stripe = Integration.objects.get(slug="stripe")
    secret = "a token that somebody chose"
    hook = open_webhook(
        stripe, slug="fixed", scheme="token", settings={"header": "X-Token"}, secret=secret, actor=acting("mira")
    )
    assert send(f"/hooks/{hook.address}", b"{}", {"X-Token": secret, "Cookie": "mine"}).status == 202
    row = hook.deliveries.get()
    assert secret.encode() not in bytes(row.headers)
    judge_all()
    assert hook.deliveries.get().outcome == "verified"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"type": "url_verification", "challenge": "3eZbrw1aBm2rZgRNFdx"}', (200, b"3eZbrw1aBm2rZgRNFdx")),
        (b'{"type": "event_callback", "event": {"challenge": "x"}}', (202, b"")),
        (b'{"challenge": "<b>two words</b>"}', (202, b"")),
        (b'{"challenge": ["x"]}', (202, b"")),
        (b'{"challenge": "%s"}' % (b"x" * 501), (202, b"")),
        (b'{"challenge": "x", "more": "%s"}' % (b"x" * 4_096), (202, b"")),
        (b"challenge", (202, b"")),
    ],
)
def test_what_the_other_side_wants_said_back_is_answered_and_stored(
    sender: Sender, address: str, body: bytes, told: tuple[int, bytes]
) -> None:
    settings = {"header": "X-Signature", "challenge": "/challenge"}
    stripe, actor = Integration.objects.get(slug="stripe"), acting("mira")
    hook = open_webhook(stripe, slug="tried", scheme="hmac", settings=settings, secret=OTHER, actor=actor)
    signature = hmac.new(OTHER.encode(), body, "sha256").hexdigest()
    answer = send(f"/hooks/{hook.address}", body, {"X-Signature": signature})
    assert (answer.status, answer.body) == told
    assert send(address, body, {}).status == 202  # where the settings say nothing of it
    judge_all()
    assert hook.deliveries.get().outcome == "verified"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "DELETE"])
def test_every_other_method_is_told_the_same_of_every_address(sender: Sender, address: str, method: str) -> None:
    answers = {send(path, b"", {}, method=method).headers.get("allow") for path in (address, "/hooks/x")}
    assert answers == {"POST"}
    assert send(address, b"", {}, method=method).status == 405


def test_an_address_that_ended_answers_as_one_that_never_was(sender: Sender, address: str) -> None:
    end_webhook(sender.hook, actor=acting("mira"))
    body, headers = sender.event()
    unknown = [send(path, body, headers) for path in ("/hooks/" + "x" * 43, "/hooks/", "/hooks/..", address + "x")]
    ended = send(address, body, headers)
    assert ended.status == 404
    assert all(one == ended for one in unknown)
    assert not Delivery.objects.exists()


def test_a_mebibyte_is_taken_and_no_byte_more(sender: Sender, address: str) -> None:
    whole = b"x" * MIB
    assert send(address, whole, sender.headers(whole, identity="a", at=now().timestamp())).status == 202
    told = send(address, whole + b"x", {})
    said = send(address, b"", {"Content-Length": str(MIB + 1)})
    assert (told.status, said.status) == (413, 413)
    judge_all()
    assert Delivery.objects.get().outcome == "verified"


def test_half_a_body_is_none(sender: Sender, address: str) -> None:
    assert send(address, b"x" * 100_000, {}, cut=True).status == 400
    assert not Delivery.objects.exists()


def test_more_than_the_door_can_judge_are_asked_to_come_again(
    sender: Sender, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive, "MOST_WAITING", 2)
    other = Sender(make_hook("other"))
    assert [sender.tell().status for _ in range(3)] == [202, 202, 429]
    told = sender.tell()
    assert (told.headers["retry-after"], other.tell().status) == ("30", 202)
    judge_all()
    assert sender.tell().status == 202
    monkeypatch.setattr(receive, "MOST_BYTES", 100)
    assert send(address, b"x" * 100, {}).status == 429


def test_it_is_safe_before_it_is_answered(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens to the message that wakes the door; and where nothing was stored, there is no 202."""
    monkeypatch.setattr(wake, "_put", lambda _job: None)
    assert sender.tell().status == 202
    assert Delivery.objects.count() == 1

    def fail(*_: object) -> None:
        raise RuntimeError("for the test")

    monkeypatch.setattr(hooks, "store_delivery", fail)
    with pytest.raises(RuntimeError):  # which the server answers with 500
        sender.tell()


def test_what_is_not_genuine_loses_its_body_and_is_told_once_in_a_while(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    forger = Sender(sender.hook, OTHER)
    for _ in range(5):
        row = forger.told("invoice.paid")
        assert (row.outcome, row.why, row.body, row.type, row.key) == ("refused", "wrong_signature", None, "", "")
    hook = Webhook.objects.get()
    assert hook.refused == 5
    [told] = detail("integrations:webhook:refused")
    assert (told["why"], told["refused"]) == ("wrong_signature", 1)
    monkeypatch.setattr(judge, "TOLD_EVERY", dt.timedelta())
    forger.told()
    assert [one["refused"] for one in detail("integrations:webhook:refused")] == [1, 6]
    assert not Wake.objects.exists()


def test_its_age_is_measured_when_it_arrives_however_late_the_door_is(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sender.tell(ago=299).status == 202
    assert sender.tell(ago=302).status == 202
    monkeypatch.setattr(judge, "now", lambda: now() + dt.timedelta(minutes=50))
    judge_all()
    assert sorted(Delivery.objects.values_list("outcome", "why")) == [("refused", "old_timestamp"), ("verified", "")]


def test_the_same_again_is_counted_and_wakes_nobody(sender: Sender, address: str) -> None:
    body, headers = sender.event(identity="msg_a")
    for _ in range(3):
        assert send(address, body, headers).status == 202
    judge_all()
    again = sender.told("another body", identity="msg_a")  # the same id, signed anew: their retry
    assert (again.outcome, again.body) == ("duplicate", None)
    outcomes = sorted(Delivery.objects.values_list("outcome", flat=True))
    assert outcomes == ["duplicate", "duplicate", "duplicate", "verified"]
    assert (Webhook.objects.get().duplicates, Wake.objects.count()) == (3, 1)
    assert kinds().count("integrations:delivery:verified") == 1


def test_two_doors_that_judge_the_same_at_once_verify_it_once(sender: Sender, address: str) -> None:
    for number in range(5):
        body, headers = sender.event(identity=f"msg_twice_{number}")
        for _ in range(4):
            send(address, body, headers)
    waiting = list(Delivery.objects.filter(outcome="").values_list("pk", flat=True))
    together = threading.Barrier(4)

    def door(identity: str) -> None:
        together.wait(20)
        try:
            judge_delivery(identity, actor=DOOR)
            judge_delivery(identity, actor=DOOR)  # woken twice
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as doors:
        list(doors.map(door, sorted(waiting)))
    assert (Delivery.objects.filter(outcome="verified").count(), Webhook.objects.get().duplicates) == (5, 15)
    assert Wake.objects.count() == 5


def test_the_database_keeps_a_second_one_from_being_verified(sender: Sender) -> None:
    first = sender.told(identity="msg_a")
    sender.tell(identity="msg_b")
    with Attacker(connections["default"].settings_dict["NAME"], DOOR_ROLE) as sql, sql.refused("23505"):
        sql.run("UPDATE integrations_delivery SET outcome = 'verified', key = %s, judged_at = now() WHERE outcome = ''",
                first.key)  # fmt: skip


def test_two_secrets_are_good_until_the_earlier_one_ends(sender: Sender) -> None:
    mira, new = acting("mira"), Sender(sender.hook, OTHER)
    rotate_secret(sender.hook, OTHER, actor=mira)
    assert [one.told().outcome for one in (sender, new)] == ["verified", "verified"]
    with pytest.raises(Conflict, match="Two secrets are good already"):
        rotate_secret(sender.hook, "whsec_dGhpcmQgc2VjcmV0IG9mIHRlc3Rz", actor=mira)
    end_secret(WebhookSecret.objects.order_by("created_at")[0], actor=mira)
    assert [one.told().outcome for one in (sender, new)] == ["refused", "verified"]
    with pytest.raises(Conflict, match="the only secret"):
        end_secret(WebhookSecret.objects.order_by("created_at")[1], actor=mira)
    assert [kind for kind in kinds() if "secret" in kind] == [
        "integrations:webhook_secret:sealed", "integrations:webhook_secret:sealed", "integrations:webhook_secret:ended"
    ]  # fmt: skip


def test_what_came_before_the_end_is_not_judged_after_it(sender: Sender) -> None:
    sender.tell()
    end_webhook(sender.hook, actor=acting("mira"))
    judge_all()
    assert Delivery.objects.get().why == "ended"
    with pytest.raises(Conflict):
        end_webhook(sender.hook, actor=acting("mira"))
    assert make_hook().slug == sender.hook.slug  # the name is free again


def test_only_admins_change_and_what_is_wrong_is_said_without_the_secret(sender: Sender) -> None:
    hook, stripe = sender.hook, Integration.objects.get(slug="stripe")
    for who in ("ana", "jonas", "theo", "noa"):
        actor = acting(who)
        with pytest.raises(Forbidden):
            open_webhook(stripe, slug="x", scheme="hmac", settings=STANDARD, secret=SECRET, actor=actor)
        with pytest.raises(Forbidden):
            rotate_secret(hook, OTHER, actor=actor)
        with pytest.raises(Forbidden):
            end_secret(hook.secrets.get(), actor=actor)
        with pytest.raises(Forbidden):
            end_webhook(hook, actor=actor)
    with pytest.raises(Conflict):
        make_hook()
    with pytest.raises(Invalid) as problem:
        rotate_secret(hook, "whsec_§§§ not base64 §§§", actor=acting("mira"))
    assert "§" not in problem.value.text


ALTERED = {
    "its settings": "UPDATE integrations_webhook SET settings = settings || '{\"tolerance\": \"3600\"}'",
    "its scheme": "UPDATE integrations_webhook SET scheme = 'token'",
    "its name": "UPDATE integrations_webhook SET slug = 'other'",
    "the secret": "UPDATE integrations_webhooksecret SET sealed = wrapped",
    "whose the secret is": "UPDATE integrations_webhooksecret SET attestation = sha512('x')",
    "the headers": "UPDATE integrations_delivery SET headers = substring(headers FOR 40) || sha256(headers)"
                   " WHERE outcome = ''",
}  # fmt: skip


@pytest.mark.parametrize("statement", ALTERED.values(), ids=ALTERED)
def test_what_sql_alters_verifies_nothing_and_raises_one_alarm(sender: Sender, statement: str) -> None:
    """Also where other refused ones were told of just before."""
    Sender(sender.hook, OTHER).told()
    sender.tell()
    sender.tell()
    with services().superuser(connections["default"].settings_dict["NAME"]) as owner:
        assert owner.execute(statement).rowcount
    judge_all()
    why = sorted(Delivery.objects.values_list("why", flat=True))
    assert why == ["tampered", "tampered", "wrong_signature"]
    assert Record.objects.filter(kind="console:alarm:tampered").count() == 1


@pytest.fixture
def sql(sender: Sender) -> Iterator[Attacker]:
    sender.told(identity="msg_verified")
    Sender(sender.hook, OTHER).told()
    sender.tell(identity="msg_waiting")
    with Attacker(connections["default"].settings_dict["NAME"], APP) as attacker:
        yield attacker


FORGED = (
    "UPDATE integrations_delivery SET outcome = 'verified', judged_at = now() WHERE outcome = ''",
    "UPDATE integrations_delivery SET body = 'x'",
    "DELETE FROM integrations_delivery",
    "UPDATE integrations_webhook SET settings = '{}'",
    "UPDATE integrations_webhook SET refused = 0",
    "UPDATE integrations_webhooksecret SET sealed = 'x'",
    "DELETE FROM integrations_webhooksecret",
    "INSERT INTO integrations_delivery (id, webhook_id, received_at, headers, body, size, digest, outcome, why, key,"
    " name, type, judged_at) SELECT 'dlv_forged', webhook_id, now(), '', 'x', 1, digest, 'verified', '', 'k', '', '',"
    " now()"
    " FROM integrations_delivery LIMIT 1",
)


@pytest.mark.parametrize("statement", FORGED)
def test_web_cannot_make_a_delivery_genuine_nor_change_what_was_sent(sql: Attacker, statement: str) -> None:
    with sql.refused():
        sql.run(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE integrations_delivery SET outcome = 'verified', why = '' WHERE outcome = 'refused'",
        "UPDATE integrations_delivery SET body = 'x' WHERE outcome = ''",
        "UPDATE integrations_delivery SET type = 'x' WHERE outcome = 'verified'",
        "DELETE FROM integrations_delivery WHERE outcome = 'verified'",
        "DELETE FROM integrations_delivery WHERE outcome = ''",
        "INSERT INTO integrations_delivery SELECT * FROM integrations_delivery",
        "UPDATE dispatch_wait SET delivery_id = NULL",
    ],
)
def test_the_door_judges_once_and_only_forgets(sql: Attacker, statement: str) -> None:
    with Attacker(sql.database, DOOR_ROLE) as door, door.refused():
        door.run(statement)


def test_an_end_is_final_whoever_writes_sql(sender: Sender) -> None:
    rotate_secret(sender.hook, OTHER, actor=acting("mira"))
    end_secret(sender.hook.secrets.order_by("created_at")[0], actor=acting("mira"))
    end_webhook(sender.hook, actor=acting("mira"))
    with Attacker(connections["default"].settings_dict["NAME"], APP) as sql:
        for table in ("integrations_webhook", "integrations_webhooksecret"):
            with sql.refused(says="a revocation is final"):
                sql.run(f"UPDATE {table} SET ended_at = NULL")


def test_what_the_door_was_not_woken_for_is_offered_again(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[tuple[str, ...]] = []
    monkeypatch.setattr(upkeep, "wake", lambda *given: woken.append(given))
    sender.tell()
    assert upkeep.offer_deliveries() == 0  # its message is on the way
    monkeypatch.setattr(upkeep, "GRACE", dt.timedelta())
    assert upkeep.offer_deliveries() == 1
    assert woken == [("integrations.tasks.judge_delivery", "actions", Delivery.objects.get().pk)]
    judge_all()
    assert upkeep.offer_deliveries() == 0


def test_bodies_go_after_a_while_and_what_was_nothing_sooner(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    body, headers = sender.event(identity="msg_a")
    send(f"/hooks/{sender.hook.address}", body, headers)
    judge_all()
    monkeypatch.setattr(upkeep, "REFUSED_KEPT", 2)
    for _ in range(4):
        Sender(sender.hook, OTHER).told()
    upkeep.thin_deliveries()
    assert sorted(Delivery.objects.values_list("outcome", flat=True)) == ["refused", "refused", "verified"]
    assert Delivery.objects.get(outcome="verified").body is not None
    monkeypatch.setattr(upkeep, "KEPT", dt.timedelta())
    upkeep.thin_deliveries()
    assert Delivery.objects.get(outcome="verified").body is None
    send(f"/hooks/{sender.hook.address}", body, headers)
    judge_all()
    assert Delivery.objects.latest("received_at").outcome == "duplicate"
