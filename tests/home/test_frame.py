"""The frame of every page: what goes out with an answer, how refusals are told, how values are said."""

import datetime as dt
import json
from typing import Any

import pytest
from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.test import RequestFactory
from django_htmx.middleware import HtmxDetails

from console.core import chips, text, words
from console.core.actor import ANONYMOUS, Actor, Role
from console.core.errors import Conflict, StepUpRequired, Tampered
from console.home import frame, health, middleware, views
from console.home.models import Heartbeat

ANA = Actor("human", "usr_1", team="finance", auth="session", name="Ana", roles=frozenset({Role.REVIEWER}))
NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def ask(path: str = "/reviews/1", actor: Actor = ANONYMOUS, headers: dict[str, str] | None = None) -> HttpRequest:
    request = RequestFactory().get(path, headers=headers)
    vars(request).update(actor=actor, htmx=HtmxDetails(request))
    return request


def refuse(error: Exception, request: HttpRequest) -> Any:
    return middleware.Refusals(lambda _: HttpResponse()).process_exception(request, error)


def test_policy_allows_nothing_inline_and_names_the_websocket() -> None:
    policy = middleware.policy("https://sign.example:8443")
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "connect-src 'self' wss://sign.example:8443;" in policy


def test_pages_of_signed_in_people_are_not_stored_and_others_may_be() -> None:
    send = middleware.ContentSecurityPolicy(lambda _: HttpResponse())
    assert [send(ask(actor=actor)).get("Cache-Control") for actor in (ANA, ANONYMOUS)] == ["no-store", None]


def test_refusal_is_json_for_programs() -> None:
    answer = refuse(Conflict("It moved on.", detail={"state": "closed"}), ask("/api/v1/reviews"))
    error = {"code": "conflict", "text": "It moved on.", "detail": {"state": "closed"}}
    assert (answer.status_code, json.loads(answer.content)) == (409, {"error": error})


def test_refusal_is_a_piece_in_its_own_place_for_htmx() -> None:
    answer = refuse(Conflict("It <moved> on."), ask(headers={"HX-Request": "true"}))
    assert (answer.status_code, answer["HX-Retarget"], answer["HX-Reswap"]) == (409, "#refusal", "innerHTML")
    assert "It &lt;moved&gt; on." in answer.content.decode()
    assert "<html" not in answer.content.decode()


def test_refusal_is_a_page_that_says_what_happened_what_was_kept_and_what_to_do() -> None:
    page = refuse(Conflict("It moved on."), ask()).content.decode()
    for part in ("It moved on.", "Nothing was changed.", "Open it again", "<html"):
        assert part in page


def test_step_up_leads_to_the_confirmation_and_back() -> None:
    page = refuse(
        StepUpRequired("Too long ago."), ask(headers={"Referer": f"{settings.ORIGIN}/reviews/7?x=1"})
    ).content.decode()
    assert "/confirm/?next=%2Freviews%2F7%3Fx%3D1" in page


def test_a_page_elsewhere_is_never_the_way_back() -> None:
    page = refuse(Conflict("No."), ask(headers={"Referer": "http://evil.example/reviews/7"})).content.decode()
    assert "evil" not in page
    assert "/reviews/7" not in page


def test_tampering_raises_an_alarm_and_is_not_told_in_detail(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    raised: list[dict[str, object]] = []
    monkeypatch.setattr(middleware, "record", lambda kind, **given: raised.append({"kind": kind, **given}))
    answer = refuse(Tampered("row 7, column amount"), ask("/api/v1/actions/7", actor=ANA))
    assert answer.status_code == 409
    assert "column" not in answer.content.decode()
    detail = {"what": "row 7, column amount"}
    given = {"subject": "/api/v1/actions/7", "actor": ANA, "team": "finance", "detail": detail}
    assert raised == [{"kind": "console:alarm:tampered", **given}]


def test_an_unforeseen_error_is_no_refusal() -> None:
    assert refuse(ValueError("x"), ask()) is None


def test_fault_page_needs_neither_actor_nor_database() -> None:
    assert views.fault(RequestFactory().get("/")).status_code == 500


def test_rail_marks_the_room_one_is_in_and_asks_counts_of_people_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "url_of", lambda name: f"/{name}/")
    monkeypatch.setattr(frame, "COUNTS", {"reviews": lambda _: 7})
    rail = frame.rail(ANA, "/reviews/1", {})
    assert [(entry.title, entry.count, entry.current) for entry in rail][:2] == [
        ("Review", 7, True),
        ("Runs", 0, False),
    ]
    assert [entry.count for entry in frame.rail(ANONYMOUS, "/", {})] == [0] * len(frame.ROOMS)
    assert frame.rail(ANA, "/", {"reviews": 9})[0].count == 9  # the page has counted already


def test_health_follows_heartbeats(db: None) -> None:
    health.beat_heart("door")
    health.beat_heart("door")
    Heartbeat.objects.create(process="beat", at=NOON - dt.timedelta(days=9999))
    alive = {
        "web": True,
        "database": True,
        "worker": False,
        "door": True,
        "beat": False,
        "sequencer": False,
        "signer": False,
        "publisher": False,
    }
    assert health.ready() == alive


def test_health_is_told_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: object) -> None:
        raise Error

    monkeypatch.setattr(Heartbeat.objects, "filter", away)
    monkeypatch.setattr(Heartbeat.objects, "bulk_create", lambda *_, **__: away())
    health.beat_heart("door")
    assert json.loads(views.healthz(ask()).content) == {
        "web": True, "database": False, "worker": False, "door": False, "beat": False, "sequencer": False,
        "signer": False, "publisher": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "just now"), (50, "1 min ago"), (1080, "18 min ago"), (7200, "2 h ago"), (-10_800, "in 3 h"),
     (86_400 * 3, "3 d ago"), (86_400 * 30, "21 Oct 2026")],
)  # fmt: skip
def test_ago(seconds: int, said: str) -> None:
    assert text.ago(NOON - dt.timedelta(seconds=seconds), NOON) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.061, "61 ms"), (0.9999, "1.0 s"), (2.13, "2.1 s"), (48, "48 s"), (59.7, "1.0 min"), (126, "2.1 min"),
     (2280, "38 min"), (11_100, "3 h 05 min"), (187_200, "2 d 4 h"), (-2, "−2.0 s")],
)  # fmt: skip
def test_duration(seconds: float, said: str) -> None:
    assert text.duration(seconds) == said


@pytest.mark.parametrize(
    ("minor", "currency", "said"),
    [(48_000, "eur", "€480.00"), (148_005, "GBP", "£1,480.05"), (48_000, "JPY", "¥48,000"), (1_250, "CHF", "CHF 12.50"),
     (-300, "USD", "−$3.00"), (1_234, "KWD", "KWD 1.234")],
)  # fmt: skip
def test_money(minor: int, currency: str, said: str) -> None:
    assert text.money(minor, currency) == said


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a\u202eb<i>\n", 'a<span class="chip">U+202E</span>b&lt;i&gt;\n'),
        ("a\u00a0b\tc\u3164", 'a<span class="chip">U+00A0</span>b<span class="chip">U+0009</span>c'
         '<span class="chip">U+3164</span>'),
        ("\U000e0041", '<span class="chip">U+E0041</span>'),
        ("p\u0430ypal", 'p\u0430ypal<span class="chip">Cyrillic+Latin</span>'),
        ("p\u200b\u0430", 'p<span class="chip">U+200B</span>\u0430<span class="chip">Cyrillic+Latin</span>'),
        ("сосо", 'сосо<span class="chip">Cyrillic</span>'),
        ("привет сосо", "привет сосо"),
        ("Tシャツ 東京 naïve Ελλάδα", "Tシャツ 東京 naïve Ελλάδα"),
        ("𝐩𝐚𝐲", '𝐩𝐚𝐲<span class="chip">Mathematical</span>'),
    ],
)  # fmt: skip
def test_chips_show_what_cannot_be_seen_or_would_be_misread(given: str, shown: str) -> None:
    assert chips.chips(given) == shown


def test_words_are_256_and_distinct_and_say_a_digest() -> None:
    assert (len(words.WORDS), len(set(words.WORDS))) == (256, 256)
    assert all(word.isascii() and word.islower() and 3 <= len(word) <= 7 for word in words.WORDS)
    assert words.words(bytes([0, 1, 2, 255, 0x7F, 0x3A]) + bytes(26)) == "acorn-album-almond-zipper-7f3a"


def test_filters_are_there_without_loading_and_say_a_dash_for_nothing() -> None:
    template = engines["django"].from_string(
        "{{ 48000|money:'eur' }} {{ 2100000000|duration:'ns' }} {{ nothing|ago }} {{ 'run_01abcd'|short }} "
        "{{ digest|words }} {{ said|chips }} {{ body|pretty }}"
    )
    given = {"nothing": None, "digest": bytes(32), "said": "<b>", "body": {"a": 1}}
    assert template.render(given) == (
        "€480.00 2.1 s – run_abcd acorn-acorn-acorn-acorn-0000 <bdi>&lt;b&gt;</bdi> {\n  &quot;a&quot;: 1\n}"
    )
