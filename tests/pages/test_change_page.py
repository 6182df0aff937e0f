"""The form by which a reviewer asks for other arguments."""

from typing import Any

import pytest
from django.test import Client

from approvals.change_form import Field, arguments_of, fields_of
from approvals.models import Action, Review
from console.core.errors import Invalid
from tests.pages.conftest import Enter
from tests.pages.test_review_pages import piece, text
from tests.spine.conftest import World

OPERATION = {"arguments": {"amount": {"required": True}, "note": {}}}


class Described:
    description = OPERATION


class Changeable:
    """As much of an action as the form looks at."""

    operation = Described()
    amount_minor, currency = 4_200, "eur"

    def __init__(self, **arguments: object) -> None:
        self.arguments = arguments


def test_each_argument_is_a_field_as_it_is_or_as_it_was_typed() -> None:
    action = Changeable(amount=4_200, note="for\nyou", items=[{"sku": 1}])
    hint = "In the smallest unit of its currency: 4200 is €42.00."
    assert fields_of(action, {}) == [  # type: ignore[arg-type]  # all that it reads
        Field("amount", "4200", False, False, hint=hint),
        Field("note", "for\nyou", True, True),
        Field("items", '[\n  {\n    "sku": 1\n  }\n]', False, True),
    ]
    typed = {"argument.amount": "1e3", "without.note": "on"}
    again = fields_of(action, typed)  # type: ignore[arg-type]
    assert [(field.text, field.left_out) for field in again][:2] == [("1e3", False), ("for\nyou", True)]


def test_what_is_typed_is_read_as_the_kind_that_it_was() -> None:
    action = Changeable(amount=4_200, note="for\nyou", items=[1])
    typed = {"argument.amount": "31", "argument.note": "5\r\n6", "argument.items": '{"a": null}'}
    assert arguments_of(action, typed) == {"amount": 31, "note": "5\n6", "items": {"a": None}}  # type: ignore[arg-type]
    assert arguments_of(action, {"without.note": "on"}) == {"amount": 4_200, "items": [1]}  # type: ignore[arg-type]
    for wrong in ("", "31 EUR", "NaN", "Infinity", "[" * 100_000):
        with pytest.raises(Invalid, match="amount cannot be read"):
            arguments_of(action, {"argument.amount": wrong})  # type: ignore[arg-type]


@pytest.fixture
def large(held: World) -> Review:
    return held.review(large=True)


def ask(browser: Client, review: Review, fields: dict[str, str]) -> Any:
    given = {"verdict": "change", **fields}
    return browser.post(f"/reviews/{review.pk}/decision", given, headers=piece("main"))


def test_a_change_is_asked_for_and_others_are_asked_about_it(held: World, large: Review, enter: Enter) -> None:
    ana = enter("ana")
    page = text(ana.get(f"/reviews/{large.pk}/"))
    assert 'name="argument.amount" value="48000"' in page
    assert "48000 is €480.00" in page
    answer = ask(ana, large, {"reason": "Half.", "argument.amount": "24000"})
    assert (answer.status_code, "Changed; somebody else signs" in text(answer)) == (200, True)
    held.settle()
    now = Review.objects.get(action=large.action, state="open")
    sheet = text(ana.get(f"/reviews/{now.pk}/"))
    assert "You changed this, so somebody else has to decide." in sheet
    assert "Ana Ferreira changes amount from 48000 to 24000, and says: Half." in sheet
    assert "€240.00" in sheet
    before = text(ana.get(f"/reviews/{large.pk}/"))
    assert ("Somebody who was asked changed it." in before, f'href="/reviews/{now.pk}/"' in before) == (True, True)
    listed = enter("mira").get(f"/api/v1/reviews/{large.pk}").json()
    assert (listed["state"], listed["decisions"]) == ("superseded", [])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"argument.amount": "half"}, "amount cannot be read: write it as it stands there, as JSON."),
        ({"argument.amount": "-5"}, "amount"),
        ({}, "Nothing of it differs yet."),
        ({"argument.amount": "24000", "reason": " "}, "Say why it should be done otherwise"),
    ],
)
def test_what_cannot_be_taken_is_said_and_what_was_typed_stays(
    given: dict[str, str], said: str, large: Review, enter: Enter
) -> None:
    asked = {"reason": "Half of it is enough.", **given}
    answer = ask(enter("ana"), large, asked)
    page = text(answer)
    assert (answer.status_code, said in page) == (422, True)
    assert asked["reason"].strip() in page
    assert f'value="{given.get("argument.amount", "48000")}"' in page
    assert Action.objects.get(pk=large.action_id).revision == 1


def test_what_was_changed_often_enough_has_no_form(large: Review, enter: Enter) -> None:
    Action.objects.filter(pk=large.action_id).update(editors=["usr_1", "usr_2", "usr_3", "usr_4", "usr_5"])
    page = text(enter("ana").get(f"/reviews/{large.pk}/"))
    assert ('name="verdict" value="refuse"' in page, 'name="verdict" value="change"' in page) == (True, False)
