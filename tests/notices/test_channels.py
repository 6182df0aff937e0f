"""Webhooks and chats: real calls over TLS, and what is in them; who may open one, and who can read its address."""

import base64
import json
import time
from typing import Any

import pytest
from psycopg.errors import InsufficientPrivilege

from approvals.models import Review
from audit.models import Record
from audit.verify import check_ed25519
from console.accounts.models import Team
from console.core import door_keys
from console.core.actor import system
from console.core.clock import iso
from console.core.errors import Conflict, Forbidden, Invalid, Tampered
from console.core.sealing import seal
from console.notices import channels
from console.notices.channels import end_channel, open_channel, shown_key, try_channel, wrap_channels
from console.notices.deliver import deliver_all
from console.notices.models import CHAT, WEBHOOK, Channel, Message
from examples.demo.people import acting
from tests.notices.conftest import Call, Clock, Receiver, a_channel
from tests.pages.conftest import Hold, everything_but_the_log
from tests.services import ORIGIN, services

pytestmark = pytest.mark.usefixtures("office")
WINDOW = 3
KEPT_BACK = ("480", "Zoë", "for you,", "Trust", "jonas", "Jonas", "ana")


def is_genuine(call: Call, shown: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """As the specification of Standard Webhooks has it, by RFC 8032 in plain Python."""
    monkeypatch.setenv("COUNTERSIGN_VERIFY_PURE", "1")
    version, _, signature = call.headers["webhook-signature"].partition(",")
    prefix, _, public = shown.partition("_")
    assert (version, prefix) == ("v1a", "whpk")
    assert abs(time.time() - int(call.headers["webhook-timestamp"])) < 60
    signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
    return check_ed25519(base64.b64decode(public), signed, base64.b64decode(signature))


def test_a_webhook_is_told_that_something_waits_and_can_check_it(
    hold: Hold, receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = a_channel(receiver)
    review = hold("Refund €480.00 to Zoë", says="Trust me")
    clock.forward(minutes=WINDOW)
    deliver_all()
    [call] = receiver.calls
    message = Message.objects.get()
    assert call.headers["webhook-id"] == message.pk
    assert call.headers["content-type"] == "application/json"
    assert is_genuine(call, shown_key(channel), monkeypatch)
    assert not is_genuine(Call(call.path, call.headers, call.body + b" "), shown_key(channel), monkeypatch)
    operation, told = review.action.operation, json.loads(call.body)
    assert abs(clock.ahead.total_seconds()) > 0
    assert told == {
        "type": "countersign.reviews.waiting",
        "timestamp": told["timestamp"],
        "data": {
            "team": "Billing",
            "reviews": [
                {"id": review.id, "kind": "action", "integration": operation.integration.title,
                 "operation": operation.title, "categories": sorted(operation.categories),
                 "due": iso(review.expires_at), "url": f"{ORIGIN}/reviews/{review.id}/", "reminder": False}
            ],
            "waiting": 1,
            "url": f"{ORIGIN}/reviews/",
        },
    }  # fmt: skip
    assert not any(kept in call.body.decode() for kept in KEPT_BACK)


def test_a_chat_gets_plain_text_and_a_link(hold: Hold, receiver: Receiver, clock: Clock) -> None:
    a_channel(receiver, CHAT)
    review = hold("Refund €480.00 to Zoë", says="Trust me")
    clock.forward(minutes=WINDOW)
    deliver_all()
    [call] = receiver.calls
    told = json.loads(call.body)
    assert told.keys() == {"text", "blocks"}
    section, actions = told["blocks"]
    assert section["text"]["type"] == "plain_text"
    assert actions["elements"] == [
        {"type": "button", "text": {"type": "plain_text", "text": "Open in Countersign"},
         "url": f"{ORIGIN}/reviews/{review.id}/"}
    ]  # fmt: skip
    assert told["text"].startswith("1 action waits in Billing; it is due ")
    assert "webhook-signature" not in call.headers
    assert not any(kept in call.body.decode() for kept in KEPT_BACK)


def test_titles_of_others_ask_for_nobodys_attention(hold: Hold, receiver: Receiver, clock: Clock, office: Team) -> None:
    a_channel(receiver, CHAT)
    Team.objects.filter(pk=office.pk).update(name="<!channel> & <https://evil.example|us>")
    hold()
    clock.forward(minutes=WINDOW)
    deliver_all()
    [call] = receiver.calls
    text = json.loads(call.body)["text"]
    assert "<" not in text
    assert "&lt;!channel&gt; &amp; " in text


def test_a_channel_of_some_groups_is_told_of_theirs(hold: Hold, receiver: Receiver, clock: Clock) -> None:
    a_channel(receiver, WEBHOOK, "legal")
    hold()
    law = hold(group="legal")
    clock.forward(minutes=WINDOW)
    deliver_all()
    [call] = receiver.calls
    told = json.loads(call.body)["data"]
    assert ([one["id"] for one in told["reviews"]], told["waiting"]) == ([law.id], 1)


def test_its_address_is_in_no_table_in_clear_and_on_no_record(receiver: Receiver) -> None:
    a_channel(receiver, CHAT)
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(c::text, ' ') FROM notices_channel AS c")
        [stored] = cursor.fetchone()
    said = b"".join(bytes(leaf) for leaf in Record.objects.values_list("leaf", flat=True))
    assert "the-secret-of-this-address" not in stored
    assert b"the-secret-of-this-address" not in said
    assert b"the-secret-of-this-address".hex() not in stored


ALTERED = ({"team_id": "tem_other"}, {"groups": ["legal"]}, {"kind": CHAT}, {"sealed": b"x" * 80},
           {"public_key": b"x" * 32}, {"attestation": b"x" * 64})  # fmt: skip


@pytest.mark.parametrize("field", ALTERED)
def test_what_the_console_did_not_sign_is_not_opened(receiver: Receiver, field: dict[str, Any]) -> None:
    channel = a_channel(receiver)
    assert channels.open_up(channel).url == receiver.url
    for name, value in field.items():
        setattr(channel, name, value)
    with pytest.raises(Tampered):
        channels.open_up(channel)


def test_a_channel_that_sql_made_is_told_nothing_and_is_an_alarm(receiver: Receiver) -> None:
    known = a_channel(receiver)
    forged = Channel(team=known.team, kind=CHAT, name="x", host="x", attestation=known.attestation)
    forged.seal = seal(json.dumps({"url": receiver.url}), place=forged.place)
    forged.save(force_insert=True)
    try_channel(forged, actor=acting("mira"))
    deliver_all()
    assert receiver.calls == []
    assert Record.objects.filter(kind="console:alarm:tampered", subject=forged.pk).count() == 1
    assert Message.objects.get().why_not == "What is stored of it cannot be opened."


@pytest.mark.parametrize("column", ["groups", "sealed", "attestation", "team_id", "wrapped"])
def test_no_role_of_the_console_changes_where_a_channel_leads(committed: str, column: str) -> None:
    with services().role("countersign_app", committed) as web, pytest.raises(InsufficientPrivilege):
        web.execute(f"UPDATE notices_channel SET {column} = {column}")
    if column != "wrapped":
        with services().role("countersign_door", committed) as door, pytest.raises(InsufficientPrivilege):
            door.execute(f"UPDATE notices_channel SET {column} = {column}")


def test_a_channel_that_ended_is_told_nothing(hold: Hold, receiver: Receiver, clock: Clock) -> None:
    channel = a_channel(receiver)
    hold()
    deliver_all()
    end_channel(channel, actor=acting("mira"))
    hold()
    clock.forward(minutes=WINDOW)
    deliver_all()
    assert receiver.calls == []
    assert [one.why_not for one in Message.objects.all()] == ["nowhere"]
    with pytest.raises(Conflict, match="ended already"):
        end_channel(Channel.objects.get(), actor=acting("mira"))
    with pytest.raises(Conflict, match="has ended"):
        try_channel(Channel.objects.get(), actor=acting("mira"))


@pytest.mark.parametrize("kind", [WEBHOOK, CHAT])
def test_a_test_says_nothing_of_anything(hold: Hold, receiver: Receiver, kind: str) -> None:
    hold()
    channel = a_channel(receiver, kind)
    try_channel(channel, actor=acting("mira"))
    with pytest.raises(Conflict, match="under way"):
        try_channel(channel, actor=acting("mira"))
    deliver_all()
    [call] = receiver.calls
    assert b"rev_" not in call.body
    assert b"est" in call.body


@pytest.mark.parametrize(
    "url",
    ["", "http://hooks.example/x", "https://", "https://ada:pw@hooks.example/", "https://hooks.example/#x",
     "https://hooks.example:99999/", "https://hooks.example:0/", "https://hooks.example/a b", "https://höks.example/",
     "https://[::1", "ftp://hooks.example/", "https://hooks.example/\n"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        open_channel(kind=WEBHOOK, name="x", url=url, actor=acting("mira"))
    assert "example" not in refused.value.text
    assert not Channel.objects.exists()


@pytest.mark.parametrize(
    ("kind", "name", "groups"), [("mail", "x", []), (CHAT, " ", []), (CHAT, "x" * 101, []), (CHAT, "x", ["A B"])]
)
def test_what_else_is_wrong_is_said(kind: str, name: str, groups: list[str]) -> None:
    with pytest.raises(Invalid):
        open_channel(kind=kind, name=name, url="https://hooks.example/", groups=groups, actor=acting("mira"))


def test_a_team_has_so_many_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "MOST", 1)
    open_channel(kind=CHAT, name="x", url="https://hooks.example/", actor=acting("mira"))
    with pytest.raises(Conflict):
        open_channel(kind=CHAT, name="y", url="https://hooks.example/", actor=acting("mira"))


def test_only_admins_set_them_up(receiver: Receiver) -> None:
    channel = a_channel(receiver)
    before = everything_but_the_log()
    for who in ("ana", "jonas", "theo"):
        for act in (lambda actor: open_channel(kind=CHAT, name="x", url=receiver.url, actor=actor),
                    lambda actor: end_channel(channel, actor=actor),
                    lambda actor: try_channel(channel, actor=actor)):  # fmt: skip
            with pytest.raises(Forbidden):
                act(acting(who))
    assert everything_but_the_log() == before


def test_what_was_set_up_and_ended_is_in_the_log(receiver: Receiver) -> None:
    channel = a_channel(receiver, CHAT, "legal")
    end_channel(channel, actor=acting("mira"))
    told = Record.objects.filter(subject=channel.pk).order_by("at")
    assert [(one.kind, json.loads(bytes(one.leaf))["detail"]) for one in told] == [
        ("notices:channel:opened", {"kind": "chat", "host": "localhost", "groups": ["legal"]}),
        ("notices:channel:ended", {"kind": "chat", "host": "localhost"}),
    ]


def test_a_newer_door_key_takes_over(receiver: Receiver, tmp_path: Any, settings: Any) -> None:
    channel = a_channel(receiver)
    first = channel.door_key
    second = door_keys.new_key()
    keys, public = tmp_path / "door_key", tmp_path / "door_public"
    keys.write_text("".join(f"{key.line}\n" for key in (second, *door_keys.held())))
    public.write_text(f"{second.public}\n")
    settings.DOOR_KEY_FILE, settings.DOOR_PUBLIC_FILE = str(keys), str(public)
    assert channels.needed() == {first: 1}
    wrap_channels(actor=system("door"))
    wrap_channels(actor=system("door"))
    assert channels.needed() == {second.id: 1}
    assert list(channels.why_not_fit()) == []
    [told] = Record.objects.filter(kind="notices:channel:wrapped")
    assert json.loads(bytes(told.leaf))["detail"] == {"from": first, "to": second.id}
    try_channel(channel, actor=acting("mira"))
    deliver_all()
    assert len(receiver.calls) == 1
    keys.write_text(f"{door_keys.new_key().line}\n")
    assert second.id in next(channels.why_not_fit())


def test_many_reviews_are_counted_and_the_first_of_them_listed(hold: Hold, receiver: Receiver, clock: Clock) -> None:
    a_channel(receiver, CHAT)
    a_channel(receiver)
    for _ in range(22):
        hold()
    clock.forward(minutes=WINDOW)
    deliver_all()
    bodies = [call.body.decode() for call in receiver.calls]
    [chat] = [json.loads(one) for one in bodies if "blocks" in one]
    assert chat["text"].startswith("22 actions wait in Billing; the first is due ")
    assert "2 more wait." in chat["blocks"][0]["text"]["text"]
    [hook] = [json.loads(one) for one in bodies if "blocks" not in one]
    assert len(hook["data"]["reviews"]) == hook["data"]["waiting"] == Review.objects.count() == 22
