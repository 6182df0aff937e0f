"""An admin opens a webhook, sees what came, rotates its secret and ends it; others only look."""

from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from console.accounts.models import Team
from console.core.clock import now
from console.dispatch.tasks import work
from console.runs.start import start_run
from console.workflows.publish import publish_workflow
from examples.demo.people import acting
from integrations.models import Delivery, Webhook, WebhookSecret
from integrations.webhooks.judge import judge_delivery
from integrations.webhooks.receive import store_delivery
from tests.hooks import DOOR, SECRET, STANDARD, Sender, make_hook
from tests.pages.conftest import Enter
from tests.spine.test_events import EACH, TWO

ADD = "/integrations/stripe/webhooks/add/"
OVERLAYS = Path(__file__).parents[2] / "examples/overlays"
GIVEN = {"name": "events", "secret": SECRET, "scheme": "hmac", **{f"hmac-{name}": v for name, v in STANDARD.items()}}


@pytest.fixture
def mira(office: Team, enter: Enter) -> Client:
    return enter("mira")


def store(sender: Sender, type: str = "a", identity: str = "") -> Delivery:
    """As the door's and web's parts do it, in the transaction of this test."""
    body, headers = sender.event(type, identity=identity)
    row = store_delivery(sender.hook, headers.items(), body, now())
    judge_delivery(row.pk, actor=DOOR)
    return Delivery.objects.get(pk=row.pk)


def test_it_is_opened_by_what_was_typed(mira: Client) -> None:
    assert "It has no webhook yet" in mira.get("/integrations/stripe/").content.decode()
    answer = mira.post(ADD, GIVEN)
    hook = Webhook.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/integrations/webhooks/{hook.pk}/")
    assert (hook.scheme, hook.settings) == ("hmac", {**STANDARD, "algorithm": "sha256", "tolerance": "300"})
    page = mira.get(answer.headers["Location"]).content.decode()
    assert f'data-copy="{settings.ORIGIN}/hooks/{hook.address}"' in page
    assert "Nothing has come yet." in page
    assert f"/integrations/webhooks/{hook.pk}/" in mira.get("/integrations/stripe/").content.decode()


def test_an_overlay_says_it_too_and_wins(mira: Client) -> None:
    file = SimpleUploadedFile("o.yaml", (OVERLAYS / "standard-webhooks.yaml").read_bytes())
    assert mira.post(ADD, {"name": "events", "secret": SECRET, "scheme": "token", "overlay": file}).status_code == 302
    assert Webhook.objects.get().settings == {**STANDARD, "algorithm": "sha256", "tolerance": "300"}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"name": "Not a name"}, "Give the webhook a short name"),
        ({"hmac-header": ""}, "header: is missing"),
        ({"hmac-signs": "{id}"}, "signs: must hold {body}"),
        ({"secret": "short"}, "The secret must be 16 to 1,000 characters"),
        ({"overlay": "overlay: o\ntitle: O\n"}, "The overlay has neither"),
        ({"overlay": "overlay: o\ntitle: O\nwebhooks: {scheme: hmac, evidence: 'https://a.example/b'}\n"},
         "webhooks.header: is missing"),
        ({"overlay": "overlay: o\ntitle: O\nrules: [{methods: [GET], paths: ['/**'], success: {when: ok}}]\n"},
         "The overlay says nothing of webhooks."),
        ({"overlay": "\xff"}, ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_the_secret_is_not_given_back(
    mira: Client, changed: dict[str, str], says: str
) -> None:
    given: dict[str, object] = {**GIVEN, **changed}
    if "overlay" in changed:
        given["overlay"] = SimpleUploadedFile("o.yaml", changed["overlay"].encode("latin-1"))
    answer = mira.post(ADD, given)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert escape(says) in page
    assert SECRET not in page
    assert not Webhook.objects.exists()


def test_deliveries_are_listed_with_what_became_of_them(mira: Client) -> None:
    sender = Sender(make_hook())
    for identity in ("msg_a", "msg_a"):
        store(sender, "paid\u202e<b>", identity=identity)
    forged = store(Sender(sender.hook, "whsec_AAAAAAAAAAAAAAAAAAAAAAAA"))
    page = mira.get(f"/integrations/webhooks/{sender.hook.pk}/").content.decode()
    assert [page.count(f">{word}</span>") for word in ("verified", "duplicate", "refused")] == [1, 1, 1]
    assert (forged.why, "Its signature does not match." in page, "<b>" in page.split("<tbody>")[1]) == (
        "wrong_signature", True, False
    )  # fmt: skip
    assert "1 refused, 1 duplicate" in page


def test_the_page_costs_the_same_for_many(mira: Client) -> None:
    sender = Sender(make_hook())

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert mira.get(f"/integrations/webhooks/{sender.hook.pk}/").status_code == 200
        return len(captured)

    store(sender)
    queries()
    one = queries()
    for _ in range(30):
        store(sender)
    assert queries() == one


def test_a_secret_is_rotated_and_the_earlier_one_ended(mira: Client) -> None:
    hook = make_hook()
    page = f"/integrations/webhooks/{hook.pk}/"
    assert mira.post(f"{page}secret/", {"secret": "short"}).status_code == 422
    new = "whsec_b3RoZXIgc2VjcmV0IG9mIHRlc3Rz"
    assert mira.post(f"{page}secret/", {"secret": f" {new}\n"}).status_code == 302
    assert "Rotate the secret" not in mira.get(page).content.decode()
    assert mira.post(f"{page}secret/", {"secret": "whsec_AAAAAAAAAAAAAAAAAAAAAAAA"}).status_code == 409
    first = WebhookSecret.objects.order_by("created_at")[0]
    assert mira.post(f"/integrations/webhooks/secrets/{first.pk}/end/").status_code == 302
    assert store(Sender(hook, new)).outcome == "verified"
    assert store(Sender(hook)).outcome == "refused"


def test_its_end_is_final_and_its_address_goes_from_the_page(mira: Client) -> None:
    hook = make_hook()
    page = f"/integrations/webhooks/{hook.pk}/"
    assert mira.post(f"{page}end/").status_code == 302
    assert hook.address not in mira.get(page).content.decode()
    assert mira.post(f"{page}end/").status_code == 409


def test_others_look_and_are_not_told_the_address(office: Team, enter: Enter, stranger: Client) -> None:
    hook = make_hook()
    page = f"/integrations/webhooks/{hook.pk}/"
    for who in ("ana", "jonas", "theo"):
        shown = enter(who).get(page)
        assert (shown.status_code, hook.address in shown.content.decode(), "End it" in shown.content.decode()) == (
            200, False, False
        )  # fmt: skip
        assert enter(who).post(f"{page}end/").status_code == 403
    assert (enter("noa").get(page).status_code, stranger.get(page).status_code) == (403, 404)
    assert stranger.post(f"{page}end/").status_code == 404
    assert stranger.post(f"/integrations/webhooks/secrets/{hook.secrets.get().pk}/end/").status_code == 404


def test_a_run_says_what_it_waits_for(mira: Client) -> None:
    make_hook()
    for source in (TWO, EACH):
        run = start_run(publish_workflow(source, actor=acting("mira")), inputs={}, actor=acting("jonas"))
        work()
        page = mira.get(f"/runs/{run.pk}/").content.decode()
        assert ("waiting for an event until" if source == TWO else "2 waiting for an event") in page
        assert "waiting for a signature" not in page
