"""Who gets a letter, of what, and when: from a review that opens to a real mail server."""

import datetime as dt

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.ask import escalate
from approvals.models import Review
from approvals.policies.slots import SlotSpec, Way
from approvals.signoff import BySession, signoff
from approvals.sweep import expire_reviews
from console.accounts.models import Membership, Team, User
from console.accounts.people import create_user, deactivate_user, set_membership
from console.core.clock import now
from console.notices.deliver import deliver_all, forget
from console.notices.models import Address, Event, Message, Notice, Preference, RotaEntry
from console.notices.plan import plan_events
from console.notices.rota import add_entry
from examples.demo.people import acting
from tests.notices.conftest import Clock, Inbox, letters_to, listening
from tests.pages.conftest import DOOR, Hold, outsider

pytestmark = pytest.mark.usefixtures("staff")
WINDOW = 3  # minutes: after that what has opened is told
LATER = SlotSpec((Way("finance"), Way("legal", after=dt.timedelta(hours=1))), signature="password")


def told(inbox: Inbox) -> dict[str, list[str]]:
    """Subjects, by who got them; and what came is forgotten."""
    found: dict[str, list[str]] = {}
    for letter in inbox.letters:
        found.setdefault(str(letter["To"]).partition("@")[0], []).append(str(letter["Subject"]))
    inbox.envelopes.clear()
    return found


def test_whoever_may_sign_is_told_and_nobody_else(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    for name in ("sam", "jonas", "mira"):
        listening(name)
    outsider()
    listening("olga")
    review = hold(maker="bea")
    deliver_all()
    assert told(inbox) == {}
    assert set(Notice.objects.values_list("user__username", flat=True)) == {"ana", "cleo"}
    clock.forward(minutes=WINDOW)
    deliver_all()
    subject = f"{review.action.operation.integration.title}: {review.action.operation.title} waits for you"
    assert told(inbox) == {"ana": [subject], "cleo": [subject]}
    deliver_all()
    assert told(inbox) == {}


def test_a_letter_says_that_something_waits_and_nothing_of_what(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    review = hold(
        "Refund €480.00 to Zoë", says="Trust me, the customer is furious.", evidence={"charge": {"id": "ch_9"}}
    )
    clock.forward(minutes=WINDOW)
    deliver_all()
    [letter] = letters_to(inbox, "ana")
    plain, html = (str(part.get_content()) for part in letter.iter_parts())
    address = f"{settings.ORIGIN}/reviews/{review.id}/"
    for text in (plain, html):
        assert address in text
        assert "at " in text
    for kept in ("480", "48000", "Zoë", "for you,", "Trust", "furious", "ch_9", "jonas", "Jonas", review.action_id):
        assert kept not in plain + html + str(letter["Subject"])
    links = [part.partition('"')[0] for part in html.split('href="')[1:]]
    assert links == [address, f"{settings.ORIGIN}/reviews/", f"{settings.ORIGIN}/account/notices/"]
    assert all(fetched not in html for fetched in ("<img", "<link", "<script", "url(", "src="))


def test_letters_about_one_review_belong_together(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    review = hold()
    clock.forward(minutes=WINDOW)
    deliver_all()
    clock.forward(hours=2)
    deliver_all()
    first, second = letters_to(inbox, "ana")
    domain = "localhost"
    assert first["References"] == second["References"] == f"<{review.id}@{domain}>"
    assert first["Subject"] == second["Subject"]
    ids = list(Message.objects.filter(user__username="ana").order_by("created_at").values_list("pk", flat=True))
    assert [str(one["Message-ID"]) for one in (first, second)] == [f"<{one}@{domain}>" for one in ids]


def test_several_that_open_shortly_after_one_another_are_one_letter(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    for number in range(3):
        hold(f"Action {number}")
    clock.forward(minutes=WINDOW)
    deliver_all()
    assert told(inbox) == {key: ["3 actions wait for you"] for key in ("ana", "bea", "cleo")}
    clock.forward(hours=2)
    deliver_all()
    assert told(inbox) == {key: ["3 actions wait for you"] for key in ("ana", "bea", "cleo")}


def test_one_reminder_and_none_after_the_end(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    over, waiting = hold(), hold()
    clock.forward(minutes=WINDOW)
    deliver_all()
    told(inbox)
    signoff(over.id, verdict="refuse", reason="No.", proof=BySession(), actor=acting("ana"))
    clock.forward(hours=2)
    deliver_all()
    assert [len(letters_to(inbox, name)) for name in ("ana", "bea", "cleo")] == [1, 1, 1]
    assert over.id not in str(inbox.letters[0].get_body(("plain",)))
    assert waiting.id in str(inbox.letters[0].get_body(("plain",)))
    told(inbox)
    clock.forward(hours=1)
    deliver_all()
    assert told(inbox) == {}


def test_what_is_over_before_it_was_told_is_not_told(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    review = hold()
    deliver_all()
    Review.objects.filter(pk=review.pk).update(expires_at=now() - dt.timedelta(seconds=1))
    expire_reviews()
    clock.forward(minutes=WINDOW)
    deliver_all()
    assert told(inbox) == {}
    assert set(Message.objects.values_list("why_not", flat=True)) == {"over"}


def test_those_who_are_asked_later_are_told_then_and_the_others_not_again(
    hold: Hold, inbox: Inbox, clock: Clock
) -> None:
    review = hold(slots=[LATER])
    clock.forward(minutes=WINDOW)
    deliver_all()
    assert set(told(inbox)) == {"ana", "bea", "cleo"}
    Review.objects.filter(pk=review.pk).update(escalates_at=now())
    backdate(review, hours=1)
    escalate(review.pk, actor=DOOR)
    clock.forward(minutes=WINDOW)
    deliver_all()
    assert set(told(inbox)) == {"emil"}


def backdate(review: Review, **time: float) -> None:
    earlier = dt.timedelta(**time)
    Review.objects.filter(pk=review.pk).update(opened_at=review.opened_at - earlier)


def test_outside_their_hours_only_who_is_on_call_is_told(hold: Hold, inbox: Inbox, clock: Clock, office: Team) -> None:
    for name in ("ana", "bea"):
        listening(name, days=[])
    bea = User.objects.get(username="bea")
    add_entry(group="finance", person=bea.pk, begins=now(), ends=now() + dt.timedelta(hours=1), actor=acting("mira"))
    hold()
    clock.forward(minutes=WINDOW)
    deliver_all()
    assert set(told(inbox)) == {"bea", "cleo"}
    listening("ana", days=list(range(7)))
    clock.forward(minutes=11)
    deliver_all()
    assert set(told(inbox)) == {"ana"}


def test_being_on_call_for_another_group_wakes_nobody(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    cleo = listening("cleo", days=[])
    add_entry(group="legal", person=cleo.pk, begins=now(), ends=now() + dt.timedelta(hours=1), actor=acting("mira"))
    hold()
    clock.forward(minutes=WINDOW)
    deliver_all()
    assert set(told(inbox)) == {"ana", "bea"}


def test_the_rest_of_an_hour_waits_for_the_next(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    listening("ana", cap=1)
    for expected in (1, 0, 0):
        hold()
        clock.forward(minutes=WINDOW)
        deliver_all()
        assert len(letters_to(inbox, "ana")) == expected
        told(inbox)
    clock.forward(hours=1)
    deliver_all()
    assert told(inbox)["ana"] == ["2 actions wait for you"]


@pytest.mark.parametrize("without", ["address", "confirmation", "mail", "activity", "role"])
def test_who_cannot_or_will_not_is_not_told(hold: Hold, inbox: Inbox, clock: Clock, without: str) -> None:
    hold()
    take_away(User.objects.get(username="ana"), without)
    clock.forward(minutes=WINDOW)
    deliver_all()
    assert set(told(inbox)) == {"bea", "cleo"}


def take_away(person: User, what: str) -> None:
    match what:
        case "address":
            Address.objects.filter(user=person).delete()
        case "confirmation":
            Address.objects.filter(user=person).update(confirmed_at=None)
        case "mail":
            Preference.objects.filter(user=person).update(by_mail=False)
        case "activity":
            deactivate_user(person, actor=DOOR)
        case "role":
            Membership.objects.filter(user=person).update(roles=[])


@pytest.mark.parametrize("without", ["address", "confirmation", "activity", "role"])
def test_what_ends_between_plan_and_letter_counts(hold: Hold, inbox: Inbox, clock: Clock, without: str) -> None:
    hold()
    deliver_all()
    take_away(User.objects.get(username="ana"), without)
    clock.forward(minutes=WINDOW)
    deliver_all()
    assert set(told(inbox)) == {"bea", "cleo"}


def test_a_membership_that_sql_wrote_is_told_of_nothing(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    Membership.objects.filter(user__username="emil").update(groups=["finance"])
    hold()
    clock.forward(minutes=WINDOW)
    deliver_all()
    assert "emil" not in told(inbox)
    assert not Notice.objects.filter(user__username="emil").exists()


def test_who_asked_hears_of_the_end_where_they_want_to(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    listening("jonas", of_ends=True)
    review = hold(maker="jonas")
    clock.forward(minutes=WINDOW)
    deliver_all()
    assert "jonas" not in told(inbox)
    signoff(review.id, verdict="refuse", reason="No.", proof=BySession(), actor=acting("ana"))
    clock.forward(minutes=WINDOW)
    deliver_all()
    [letter] = letters_to(inbox, "jonas")
    assert "has ended" in str(letter.get_body(("plain",)))
    assert "refused" not in str(letter)


def test_a_question_about_what_happened_says_so(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    hold(kind="doubt")
    clock.forward(minutes=WINDOW)
    deliver_all()
    text = str(letters_to(inbox, "ana")[0].get_body(("plain",)))
    assert "did it happen?" in text
    assert "due" not in text


def test_titles_of_others_are_one_line_of_what_can_be_seen(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    review = hold()
    operation = review.action.operation
    Event.objects.update(operation="Close\r\nBcc: all@world.example\u202e it")
    clock.forward(minutes=WINDOW)
    deliver_all()
    [letter] = letters_to(inbox, "ana")
    assert letter["Bcc"] is None
    spelled = "Close[U+000D] Bcc: all@world.example[U+202E] it"
    assert letter["Subject"] == f"{operation.integration.title}: {spelled} waits for you"


def test_what_was_told_long_ago_is_forgotten(hold: Hold, inbox: Inbox, clock: Clock, office: Team) -> None:
    hold()
    clock.forward(minutes=WINDOW)
    deliver_all()
    RotaEntry.objects.create(team=office, group="finance", user=User.objects.get(username="bea"),
                             begins_at=now() - dt.timedelta(days=1), ends_at=now())  # fmt: skip
    deactivate_user(User.objects.get(username="bea"), actor=DOOR)
    forget()
    assert not Address.objects.filter(user__username="bea").exists()
    assert Message.objects.exists()
    clock.forward(days=1)
    deliver_all()  # the reminders, of what is over by then
    clock.forward(days=31)
    forget()
    left = [model.objects.count() for model in (Event, Notice, Message, RotaEntry)]
    assert left == [0, 0, 0, 0]


def test_planning_costs_the_same_for_few_people_and_for_many(hold: Hold, office: Team) -> None:
    def cost() -> int:
        hold()
        with CaptureQueriesContext(connection) as queries:
            plan_events()
        return len(queries)

    few = cost()
    for number in range(8):
        person = create_user(f"reviewer{number}", "Somebody", actor=DOOR)
        set_membership(person, office, roles=["reviewer"], groups=["finance"], actor=DOOR)
        listening(person.username)
    assert cost() == few
    assert Notice.objects.filter(user__name="Somebody", occasion="opened").count() == 8
