"""Whom a reviewer asks to look is told once, and neither the page nor the letter tells of a vote."""

import re

import pytest

from approvals.models import Review
from approvals.policies.slots import SlotSpec, Way
from approvals.signoff import ByPassword, signoff
from approvals.suggest import MOST, suggest_reviewer
from audit.models import Record
from console.accounts.models import Team, User
from console.accounts.people import create_user, set_membership
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid, NotFound
from console.notices.deliver import deliver_all
from console.notices.models import Event, RotaEntry
from examples.demo.people import acting
from tests.notices.conftest import Clock, Inbox, Receiver, a_channel, letters_to, receiver
from tests.notices.test_blind import TWO, VARYING, read
from tests.pages.conftest import DOOR, PASSWORD, Enter, Hold

__all__ = ["receiver"]

pytestmark = pytest.mark.usefixtures("staff")


def person(name: str) -> str:
    return User.objects.get(username=name).pk


def ask(review: Review, whom: str, who: str = "bea") -> None:
    suggest_reviewer(review.id, person(whom), actor=acting(who))


def test_they_are_told_once_and_nobody_else(hold: Hold, inbox: Inbox, clock: Clock, receiver: Receiver) -> None:
    review = hold(slots=TWO)
    clock.forward(minutes=3)
    deliver_all()
    inbox.envelopes.clear()
    a_channel(receiver)
    ask(review, "cleo")
    clock.forward(minutes=3)
    deliver_all()
    [letter] = inbox.letters
    assert (str(letter["To"]), "a reviewer asks you to look" in read(letter)) == ("cleo@people.example", True)
    assert "Bea" not in read(letter)
    assert receiver.calls == []
    with pytest.raises(Conflict, match="already"):
        ask(review, "cleo", "ana")
    told = Record.objects.get(kind="approvals:review:suggested")
    assert (told.subject, told.actor) == (review.id, person("bea"))


def test_whether_they_have_voted_is_not_told(hold: Hold, inbox: Inbox, clock: Clock, enter: Enter) -> None:
    voted, other = hold(slots=TWO), hold(slots=TWO)
    signoff(voted.id, verdict="approve", proof=ByPassword(PASSWORD), actor=acting("cleo"))
    pages = []
    for review in (voted, other):
        shown = enter("bea").get(f"/reviews/{review.id}/").content.decode()
        shown = shown[shown.index("Who could sign") : shown.index("</details>", shown.index("Who could sign"))]
        pages.append("\n".join(line for line in VARYING.sub("…", shown).splitlines() if "csrf" not in line))
        ask(review, "cleo")
    assert pages[0] == pages[1]
    assert "Cleo" in pages[0]
    clock.forward(minutes=3)
    deliver_all()
    assert [voted.id in read(one) for one in letters_to(inbox, "cleo")] == [False]


def test_who_could_sign_stands_there_by_slot(hold: Hold, enter: Enter, office: Team) -> None:
    review = hold(slots=[*TWO, SlotSpec((Way("legal"),), signature="password")], maker="ana")
    RotaEntry.objects.create(
        team=office, group="legal", user_id=person("emil"), begins_at=now(), ends_at=review.expires_at
    )
    shown = " ".join(enter("bea").get(f"/reviews/{review.id}/").content.decode().split())
    finance = "<dt>2 of finance</dt><dd><bdi>Bea</bdi>, <bdi>Cleo</bdi></dd>"
    legal = (
        '<dt>1 of legal</dt><dd><bdi>Cleo</bdi>, <bdi>Emil</bdi> <span class="tag">on call</span>,'
        " <bdi>Sam Castellanos</bdi></dd>"
    )
    assert finance + legal in shown
    assert "Who could sign" not in enter("jonas").get(f"/reviews/{review.id}/").content.decode()


def test_whom_and_how_many(hold: Hold, office: Team) -> None:
    review = hold(slots=TWO, maker="ana")
    for whom, who, refusal in (("bea", "bea", Invalid), ("emil", "bea", Invalid), ("ana", "bea", Invalid),
                               ("cleo", "ana", Forbidden), ("cleo", "emil", NotFound),
                               ("cleo", "jonas", Forbidden)):  # fmt: skip
        with pytest.raises(refusal):
            ask(review, whom, who)
    names = [f"more{number}" for number in range(MOST + 1)]
    for name in names:
        set_membership(create_user(name, name, actor=DOOR), office, roles=["reviewer"], groups=["finance"], actor=DOOR)
    for name in names[:MOST]:
        ask(review, name)
    with pytest.raises(Conflict, match="At most"):
        ask(review, names[-1])
    assert Event.objects.filter(review=review.pk).exclude(people=[]).count() == MOST


def test_a_person_asks_by_the_sheet(hold: Hold, enter: Enter) -> None:
    review = hold(slots=TWO)
    answer = enter("bea").post(f"/reviews/{review.id}/suggestion", {"person": person("cleo")}, follow=True)
    assert "They are asked" in answer.content.decode()
    assert Event.objects.get(people=[person("cleo")]).review == review.pk


def offered(enter: Enter, review: Review, who: str = "ana") -> list[str]:
    shown = enter(who).get(f"/reviews/{review.id}/").content.decode()
    return re.findall(r'<option value="usr_\w+">([^<]+)</option>', shown)


def test_whoever_has_decided_least_is_offered_first(hold: Hold, enter: Enter, office: Team) -> None:
    """Of what is over: a vote that is still secret moves nobody."""
    review = hold(slots=TWO)
    before = offered(enter, review)
    signoff(review.id, verdict="approve", proof=ByPassword(PASSWORD), actor=acting("bea"))
    assert offered(enter, review) == before
    assert before[:2] == ["Bea", "Cleo"]
    over = hold()
    signoff(over.id, verdict="approve", proof=ByPassword(PASSWORD), actor=acting("bea"))
    assert [name for name in offered(enter, review) if name in ("Bea", "Cleo")] == ["Cleo", "Bea"]
    RotaEntry.objects.create(
        team=office, group="finance", user_id=person("bea"), begins_at=now(), ends_at=review.expires_at
    )
    assert offered(enter, review)[0] == "Bea (on call)"
