"""A person's own page, the confirmation of an address, and the team's page: channels, rota, who would be told now."""

import datetime as dt
import json
import re
from typing import Any

import pytest
from django.core import signing
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.models import Record
from console.accounts.models import User
from console.accounts.people import deactivate_user
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid
from console.notices import people, rota
from console.notices.deliver import deliver_all
from console.notices.models import Address, Channel, Message, Preference, RotaEntry
from console.notices.people import SALT, set_address
from console.notices.rota import add_entry
from examples.demo.people import acting
from tests.notices.conftest import Inbox, Receiver, a_channel, letters_to, listening
from tests.pages.conftest import DOOR, Enter

pytestmark = pytest.mark.usefixtures("office")
MINE, TEAM = "/account/notices/", "/notices/"
WANTED = {"by_mail": "on", "zone": "Europe/Berlin", "days": ["0", "6"], "begins": "22:00", "ends": "06:30",
          "quiet_from": "23:00", "quiet_until": "23:30", "window": "5", "cap": "3"}  # fmt: skip


@pytest.fixture
def ana(enter: Enter) -> Client:
    return enter("ana")


@pytest.fixture
def mira(enter: Enter) -> Client:
    return enter("mira")


def said(answer: Any) -> str:
    """All text of a page, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def confirming(inbox: Inbox, username: str) -> str:
    """The path of the link in the newest letter."""
    text = str(letters_to(inbox, username)[-1].get_content())
    [link] = re.findall(r"http://[^/\s]+(/account/notices/confirm/\S+)", text)
    return str(link)


def test_who_never_said_anything_has_office_hours_and_no_address(ana: Client) -> None:
    page = ana.get(MINE)
    assert "There is no address yet" in said(page)
    assert "No mail server is set up" in said(page)
    form = page.context["form"]
    assert {name: form[name].value() for name in ("zone", "days", "window", "cap", "by_mail", "of_ends")} == {
        "zone": "UTC", "days": [0, 1, 2, 3, 4], "window": 2, "cap": 12, "by_mail": True, "of_ends": False}  # fmt: skip
    assert (str(form["begins"].value()), str(form["ends"].value())) == ("08:00:00", "18:00:00")


def test_what_a_person_says_is_kept_and_shown_again(ana: Client) -> None:
    assert ana.post(MINE, WANTED).url == MINE  # type: ignore[attr-defined]
    row = Preference.objects.get()
    kept = {name: getattr(row, name) for name in ("zone", "days", "begins", "ends", "quiet_from", "quiet_until",
                                                  "window", "cap", "by_mail", "reminders", "of_ends")}  # fmt: skip
    assert (row.user.username, kept) == ("ana", {
        "zone": "Europe/Berlin", "days": [0, 6], "begins": 1320, "ends": 390, "quiet_from": 1380, "quiet_until": 1410,
        "window": 5, "cap": 3, "by_mail": True, "reminders": False, "of_ends": False})  # fmt: skip
    page = ana.get(MINE).content.decode()
    for shown in ('value="22:00"', 'value="06:30"', 'value="Europe/Berlin"'):
        assert shown in page


@pytest.mark.parametrize(
    ("field", "value"),
    [("zone", "Mars/Base"), ("zone", ""), ("zone", "../etc/passwd"), ("days", ["7"]), ("begins", "25:00"), ("ends", ""),
     ("window", "61"), ("window", "-1"), ("cap", "0"), ("cap", "61"), ("cap", "x")],
)  # fmt: skip
def test_what_cannot_be_is_said_beside_its_field_and_nothing_is_kept(ana: Client, field: str, value: Any) -> None:
    answer = ana.post(MINE, WANTED | {field: value})
    assert "Nothing was kept." in said(answer)
    assert answer.context["form"].errors.keys() == {field}
    assert not Preference.objects.exists()


def test_an_address_counts_once_its_owner_has_pressed_the_button(ana: Client, enter: Enter, inbox: Inbox) -> None:
    ana.post("/account/notices/address/", {"email": "ana@people.example"})
    deliver_all()
    link = confirming(inbox, "ana")
    assert "not confirmed" in said(ana.get(MINE))
    assert "ana@people.example" in said(ana.get(link))
    assert Address.objects.get().confirmed_at is None  # opening it does nothing
    assert enter("sam").get(link).status_code == enter("sam").post(link).status_code == 404
    assert Client(headers={"host": "localhost"}).get(link).status_code == 302
    assert ana.post(link).url == MINE  # type: ignore[attr-defined]
    assert Address.objects.get().confirmed_at is not None
    assert "not confirmed" not in said(ana.get(MINE))
    [told] = Record.objects.filter(kind="notices:address:confirmed")
    assert b"ana@people.example" not in bytes(told.leaf)
    assert ana.post(link).status_code == 302
    assert Record.objects.filter(kind="notices:address:confirmed").count() == 1


def test_the_link_of_an_address_that_was_replaced_confirms_nothing(ana: Client, inbox: Inbox) -> None:
    ana.post("/account/notices/address/", {"email": "ana@people.example"})
    deliver_all()
    link = confirming(inbox, "ana")
    ana.post("/account/notices/address/", {"email": "other@people.example"})
    assert ana.post(link).status_code == 404
    assert Address.objects.get().confirmed_at is None


def test_a_link_ends_with_its_day_and_cannot_be_made_by_others(ana: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    row = set_address("ana@people.example", actor=acting("ana"))
    good, other = signing.dumps(row.pk, salt=SALT), signing.dumps(row.pk, salt="another")
    assert ana.get(f"/account/notices/confirm/{good}/").status_code == 200
    assert ana.get(f"/account/notices/confirm/{other}/").status_code == 404
    monkeypatch.setattr(people, "GOOD_FOR", dt.timedelta(seconds=-1))
    assert ana.get(f"/account/notices/confirm/{good}/").status_code == 404


def test_what_is_under_way_cannot_be_read_from_the_table(ana: Client) -> None:
    row = set_address("ana@people.example", actor=acting("ana"))
    content = bytes(Message.objects.get().content)
    assert row.pk.encode() not in content
    assert signing.dumps(row.pk, salt=SALT).split(":")[0].encode() not in content


def test_another_address_or_none_forgets_the_one_before(ana: Client) -> None:
    listening("ana")
    before = Address.objects.get()
    assert "A test is on its way." in said(ana.post("/account/notices/test/", follow=True))
    assert "A letter is on its way to it." in said(
        ana.post("/account/notices/address/", {"email": "new@people.example"}, follow=True)
    )
    assert [one.email for one in Address.objects.all()] == ["new@people.example"]
    assert "It is forgotten." in said(ana.post("/account/notices/address/removal/", follow=True))
    assert "There is no address." in said(ana.post("/account/notices/address/removal/", follow=True))
    assert "Confirm your address first." in said(ana.post("/account/notices/test/", follow=True))
    assert [one.subject for one in Record.objects.filter(kind="notices:address:removed")] == [before.pk]
    assert not Address.objects.exists()


@pytest.mark.parametrize("email", ["", "ana", "ana@", "a b@people.example", "ana@people.example\nBcc: x@y.example"])
def test_what_is_no_address_is_refused(ana: Client, email: str) -> None:
    answer = ana.post("/account/notices/address/", {"email": email}, follow=True)
    assert "This is not a mail address." in said(answer)
    assert not Address.objects.exists()


def test_nobody_has_letters_sent_to_strangers_all_day(ana: Client) -> None:
    for number in range(people.MOST):
        set_address(f"stranger{number}@people.example", actor=acting("ana"))
    with pytest.raises(Conflict, match="At most 5"):
        set_address("another@people.example", actor=acting("ana"))
    assert [one.email for one in Address.objects.all()] == ["stranger4@people.example"]


def test_a_test_comes_at_any_hour_and_what_was_sent_is_shown(ana: Client, inbox: Inbox) -> None:
    listening("ana", days=[])
    ana.post("/account/notices/test/")
    assert "A test on its way" in said(ana.get(MINE))
    deliver_all()
    [letter] = letters_to(inbox, "ana")
    assert letter["Subject"] == "A test from Countersign"
    assert "A test sent" in said(ana.get(MINE))


def test_who_has_left_gets_nothing_that_was_on_its_way(ana: Client, inbox: Inbox) -> None:
    person = listening("ana")
    ana.post("/account/notices/test/")
    deactivate_user(person, actor=DOOR)
    deliver_all()
    assert inbox.envelopes == []
    assert Message.objects.get().why_not == "nowhere"


def test_programs_and_tokens_change_nothing(ana: Client) -> None:
    token = acting("ana").__class__(kind="human", id=acting("ana").id, team="x", auth="token")
    for act in (lambda: people.set_preference({}, actor=token), lambda: people.set_address("a@b.example", actor=token),
                lambda: people.remove_address(actor=token), lambda: people.send_trial(actor=token),
                lambda: people.confirm_address("x", actor=token)):  # fmt: skip
        with pytest.raises(Forbidden):
            act()


def shift(mira: Client, **fields: str) -> Any:
    """Put Ana on call for finance, from an hour ago for a day."""
    begins = now() - dt.timedelta(hours=1)
    given = {"group": "finance", "person": User.objects.get(username="ana").pk, "begins": f"{begins:%Y-%m-%dT%H:%M}",
             "ends": f"{begins + dt.timedelta(days=1):%Y-%m-%dT%H:%M}", **fields}  # fmt: skip
    return mira.post("/notices/rota/", given)


def test_the_team_sees_who_would_be_told_now(mira: Client, ana: Client) -> None:
    assert "There is no rota" in said(mira.get(TEAM))
    assert said(mira.get(TEAM)).count("nobody would be told now") == 5  # groups, and nobody has an address
    assert "Nobody is on call: what opens waits for somebody’s hours." in said(mira.get(TEAM)).replace("'", "’")
    listening("ana")
    assert said(mira.get(TEAM)).count("nobody would be told now") == 3
    Preference.objects.update(days=[])
    assert said(mira.get(TEAM)).count("nobody would be told now") == 5
    assert shift(mira).status_code == 302
    page = said(mira.get(TEAM))
    assert page.count("nobody would be told now") == 4
    assert "finance Ana Ferreira 0" in page
    assert "You are on call for finance" in said(ana.get(MINE))
    Address.objects.all().delete()
    assert "Ana Ferreira cannot be told" in said(mira.get(TEAM))


def test_moments_are_those_of_the_admins_own_clock(mira: Client) -> None:
    listening("mira", zone="Asia/Kathmandu")
    coming = f"{now() + dt.timedelta(days=400):%Y}-01-10"
    assert shift(mira, begins=f"{coming}T08:00", ends=f"{coming}T20:00").status_code == 302
    row = RotaEntry.objects.get()
    assert f"{row.begins_at:%H:%M} {row.ends_at:%H:%M}" == "02:15 14:15"
    assert f"{coming} 08:00" in said(mira.get(TEAM))
    told = Record.objects.get(kind="notices:rota_entry:added")
    assert json.loads(bytes(told.leaf))["detail"]["begins"] == f"{coming}T02:15:00.000000Z"


def test_an_entry_that_makes_no_sense_is_refused_and_what_was_typed_stays(mira: Client) -> None:
    late = f"{now() + dt.timedelta(days=100):%Y-%m-%dT%H:%M}"
    early = f"{now() - dt.timedelta(days=2):%Y-%m-%dT%H:%M}"
    jonas = User.objects.get(username="jonas").pk
    for fields in ({"ends": early}, {"ends": late}, {"person": jonas}, {"begins": "x"}, {"group": "legal"},
                   {"group": ""}):  # fmt: skip
        answer = shift(mira, **fields)
        assert (answer.status_code, "Nothing was changed." in said(answer)) == (422, True), fields
    assert shift(mira).status_code == 302
    assert shift(mira).status_code == 409
    assert RotaEntry.objects.count() == 1
    with pytest.raises(Invalid):
        add_entry(group="finance", person=jonas, begins=now(), ends=now() + dt.timedelta(hours=1), actor=acting("mira"))


def test_a_rota_has_so_many_entries_at_most(mira: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rota, "MOST", 0)
    assert shift(mira).status_code == 409


def test_an_entry_is_removed_once(mira: Client) -> None:
    shift(mira)
    row = RotaEntry.objects.get()
    assert mira.post(f"/notices/rota/{row.pk}/removal/").status_code == 302
    assert mira.post(f"/notices/rota/{row.pk}/removal/").status_code == 404
    assert [one.subject for one in Record.objects.filter(kind="notices:rota_entry:removed")] == [row.pk]


def test_only_admins_change_the_team_and_others_only_look(mira: Client, ana: Client) -> None:
    shift(mira)
    row = RotaEntry.objects.get()
    assert ana.get(TEAM).status_code == 200
    assert "Put on call" not in said(ana.get(TEAM))
    assert [shift(ana).status_code, ana.post(f"/notices/rota/{row.pk}/removal/").status_code,
            ana.get("/notices/channels/add/").status_code] == [403] * 3  # fmt: skip
    entry: dict[str, Any] = {"group": "legal", "person": row.user_id, "begins": row.begins_at, "ends": row.ends_at}
    for act in (lambda: rota.remove_entry(row, actor=acting("ana")),
                lambda: add_entry(**entry, actor=acting("ana"))):  # fmt: skip
        with pytest.raises(Forbidden):
            act()


def test_other_teams_see_and_reach_nothing(mira: Client, stranger: Client, receiver: Receiver) -> None:
    shift(mira)
    row, channel = RotaEntry.objects.get(), a_channel(receiver)
    assert "Ana Ferreira" not in said(stranger.get(TEAM))
    assert "The office" not in said(stranger.get(TEAM))
    for path in (f"rota/{row.pk}/removal", f"channels/{channel.pk}/test", f"channels/{channel.pk}/end"):
        assert stranger.post(f"/notices/{path}/").status_code == 404
    assert shift(stranger).status_code == 422  # Ana is none of theirs
    assert RotaEntry.objects.count() == 1


def test_a_channel_is_added_tested_and_ended(mira: Client, receiver: Receiver) -> None:
    assert mira.get("/notices/channels/add/").status_code == 200
    given = {"kind": "webhook", "name": "The office", "url": receiver.url, "groups": "finance, legal"}
    refused = mira.post("/notices/channels/add/", given | {"url": "http://hooks.example/the-secret"})
    assert refused.status_code == 422
    assert "the-secret" not in refused.content.decode()
    assert 'value="The office"' in refused.content.decode()
    assert mira.post("/notices/channels/add/", given).url == TEAM  # type: ignore[attr-defined]
    row = Channel.objects.get()
    assert row.groups == ["finance", "legal"]
    page = mira.get(TEAM)
    assert "The office webhook at localhost" in said(page)
    assert "the-secret-of-this-address" not in page.content.decode()
    assert "on its way" in said(mira.post(f"/notices/channels/{row.pk}/test/", follow=True))
    assert "A test is under way" in said(mira.post(f"/notices/channels/{row.pk}/test/", follow=True))
    deliver_all()
    assert len(receiver.calls) == 1
    assert "sent just now" in said(mira.get(TEAM))
    receiver.answer = lambda call: (410, {})
    mira.post(f"/notices/channels/{row.pk}/test/")
    deliver_all()
    assert "given up It answered 410." in said(mira.get(TEAM))
    assert mira.post(f"/notices/channels/{row.pk}/end/").status_code == 302
    assert mira.post(f"/notices/channels/{row.pk}/end/").status_code == 409
    assert "The office" not in said(mira.get(TEAM))


def test_anybody_may_have_the_public_key_and_a_chat_has_none(receiver: Receiver) -> None:
    visitor = Client(headers={"host": "localhost"})
    hook, chat = a_channel(receiver), a_channel(receiver, "chat")
    answer = visitor.get(f"/notices/channels/{hook.pk}/key")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert re.fullmatch(r"whpk_[A-Za-z0-9+/]{43}=\n", answer.content.decode())
    assert visitor.get(f"/notices/channels/{chat.pk}/key").status_code == 404


@pytest.mark.parametrize("page", [MINE, TEAM])
def test_pages_cost_the_same_for_one_row_and_for_many(mira: Client, receiver: Receiver, page: str) -> None:
    def fill(number: int) -> None:
        person = User.objects.get(username="ana")
        for _ in range(number):
            a_channel(receiver)
            begins = now() + dt.timedelta(days=RotaEntry.objects.count())
            add_entry(group="finance", person=person.pk, begins=begins, ends=begins + dt.timedelta(hours=1),
                      actor=acting("mira"))  # fmt: skip
            Message.objects.create(user=User.objects.get(username="mira"), kind="test", next_at=now())

    fill(1)
    mira.get(page)
    with CaptureQueriesContext(connection) as few:
        mira.get(page)
    fill(8)
    with CaptureQueriesContext(connection) as many:
        mira.get(page)
    assert len(few) == len(many)
