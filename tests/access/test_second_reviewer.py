"""While a blind slot is open, somebody who is still asked walks through every address of the console, before and after
a first vote, and is answered the same."""

import base64
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as project
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connections
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from approvals.models import PolicyVersion, Review
from approvals.publish import publish_policy
from approvals.signoff import ByPassword, BySession, signoff
from console.accounts.models import Team
from console.runs.models import Run
from console.traces.live import changed
from examples.demo.people import acting
from tests.access.conftest import Scene, bearer, browser, start, token
from tests.accounts.test_limits import next_of, on_a_websocket
from tests.conftest import a_clone
from tests.factories import PASSWORD, PersonFactory
from tests.routes import ROUTES, Needs

# Bea votes first. Ana is asked to fill the other place of the same slot, Emil another slot; he also watches runs.
ASKED = {"ana": "two of one group", "emil": "one of each of two groups"}
SLOTS = {"two of one group": "[{group: finance, count: 2}]",
         "one of each of two groups": "[{group: finance}, {group: legal}]"}  # fmt: skip
AMOUNTS = {"two of one group": 48_000, "one of each of two groups": 4_200}
VERDICTS = ("approve", "refuse", "recuse")
LIVE = "while listening"  # of a review for the test of websockets alone
PIECES = {"reviews": ("", "queue"), "review": ("state", "main"), "run": ("picture", "inspect"), "rail": ("",)}
QUERIES = {"reviews": ("?state=open", "?state=closed"), "api-1:list_reviews": ("?state=open", "?state=approved")}
ATTEMPTS: tuple[dict[str, str], ...] = (
    {"verdict": "approve"}, {"verdict": "refuse"}, {"verdict": "x"}, {"verdict": "recuse", "reason": "x" * 2_001},
    {"verdict": "approve", "prepared": "x", "assertion": "{}"},
)  # fmt: skip
# What is another one each time: tokens of forms, names of bars that open, nonces, and what time it is.
PASSING = re.compile(
    r'X-CSRFToken": "\w+|csrfmiddlewaretoken" value="\w+|name="ask-\d+"|"(?:nonce|iat|exp|challenge)": "[^"]*"'
    r'|datetime="[^"]*"|\d\d:\d\d(?::\d\d)?|(?:\d+ min )?\d+(?:\.\d)? (?:ms|s|min|h)\b(?: ago)?|just now|"[\d.]+%"'
)
TIMES = {"Content-Length", "Expires", "Last-Modified"}
Seen = dict[tuple[str, ...], tuple[int, dict[str, str], str]]


@dataclass
class Office:
    """The scene of this folder, where small and large refunds ask two people each, who are blind to each other."""

    scene: Scene
    reviews: dict[tuple[str, str], Review]  # by slots, and what Bea will say
    browsers: dict[str, Client]
    programs: dict[str, Client]

    def reviews_of(self, who: str) -> dict[str, Review]:
        return {verdict: self.reviews[ASKED[who], verdict] for verdict in VERDICTS}

    def seen_by(self, who: str) -> Seen:
        client, program, seen = self.browsers[who], self.programs[who], Seen()
        for name, address in self._addresses(self.reviews_of(who).values()):
            seen[name, address] = _kept(client.get(address))
            for piece in PIECES.get(name, ()):
                headers = {"HX-Request": "true", "HX-Target": piece, "HX-Current-URL": address}
                seen[name, address, piece] = _kept(client.get(address, headers=headers))
            if address.startswith("/api/"):
                seen[name, address, "program"] = _kept(program.get(address))
        for review in self.reviews_of(who).values():
            seen |= _tried(client, review)
        return seen

    def _addresses(self, reviews: Collection[Review]) -> Iterator[tuple[str, str]]:
        """All that there are; for these reviews and their runs where there is a choice."""
        for name, route in ROUTES.items():
            for given in _rows(route.needs, reviews) if "GET" in route.methods else ():
                address = self.scene.address(name, given)
                yield from ((name, address + query) for query in ("", *QUERIES.get(name, ())))


def _rows(needs: Needs, reviews: Collection[Review]) -> list[str | None]:
    own: dict[Needs, list[str | None]] = {
        "review": [one.id for one in reviews], "settled": [one.id for one in reviews],
        "run": [one.action.run for one in reviews], "action": [one.action_id for one in reviews],
    }  # fmt: skip
    return own.get(needs, [None])


def _tried(client: Client, review: Review) -> Seen:
    """What is said to somebody who tries to vote and does not come through, and what there would be to sign."""
    sheet = f"/reviews/{review.id}/"
    answers = {(review.id, "what to sign", verdict): client.post(f"{sheet}challenge", _vote(verdict))
               for verdict in VERDICTS}  # fmt: skip
    for number, given in enumerate(ATTEMPTS):
        piece = {"HX-Request": "true"} if number else {}
        answers[review.id, "tried", str(number)] = client.post(f"{sheet}decision", given, headers=piece)
    return {key: _kept(answer) for key, answer in answers.items()}


def _vote(verdict: str) -> dict[str, str]:
    return {"verdict": verdict, "reason": "No." if verdict == "refuse" else ""}


def _kept(answer: Any) -> tuple[int, dict[str, str], str]:
    headers = {name: text for name, text in answer.headers.items() if name not in TIMES}
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    text = re.sub(r'"prepared": "([\w=-]+):[^"]*"', _opened, body.decode())
    return answer.status_code, headers, PASSING.sub("…", text)


def _opened(prepared: re.Match[str]) -> str:
    """The payload that lies on the page, readable by whoever it is for."""
    return json.dumps(json.loads(base64.urlsafe_b64decode(prepared[1])))


@pytest.fixture(scope="module")
def office(scene: Scene, django_db_blocker: DjangoDbBlocker) -> Iterator[Office]:
    connections.close_all()
    with (
        django_db_blocker.unblock(),
        pytest.MonkeyPatch.context() as patch,
        a_clone(str(project.DATABASES["default"]["NAME"])),
    ):
        patch.setattr("console.core.presence.number", lambda: 1)
        patch.setattr("console.core.presence.alive", lambda: {1})
        patch.setattr(project, "PASSWORD_HASHERS", [f"{MD5PasswordHasher.__module__}.MD5PasswordHasher"])
        yield _arrange(scene)
        connections.close_all()


def _arrange(scene: Scene) -> Office:
    team = Team.objects.get(slug="billing")
    PersonFactory(username="bea", team=team, roles=("reviewer",), groups=("finance",))
    PersonFactory(username="emil", team=team, roles=("reviewer", "operator"), groups=("legal",))
    source = PolicyVersion.objects.order_by("-number")[0].source
    for slots, level in zip(SLOTS.values(), ("passkey", "password"), strict=True):
        asked = f"review: {{slots: [{{group: finance}}], signature: {level}"
        assert asked in source
        source = source.replace(asked, f"review: {{slots: {slots}, signature: password")
    publish_policy(source, actor=acting("mira"))
    runs = {each: start("billing-care", "jonas") for each in (*VERDICTS, LIVE)}
    scene.world.settle()
    reviews = {(slots, each): _review(run, amount) for each, run in runs.items() for slots, amount in AMOUNTS.items()}
    programs = {who: bearer(token(who, team)) for who in ASKED}
    return Office(replace(scene, run=runs["approve"]), reviews, {who: browser(who) for who in ASKED}, programs)


def _review(run: Run, amount: int) -> Review:
    return Review.objects.select_related("action").get(action__run=run.id, action__amount_minor=amount)


def vote(review: Review, verdict: str) -> None:
    proof = ByPassword(PASSWORD) if verdict == "approve" else BySession()
    given = _vote(verdict)
    signoff(review.id, verdict=given["verdict"], reason=given.get("reason", ""), proof=proof, actor=acting("bea"))


@pytest.mark.parametrize("who", ASKED)
def test_whoever_is_still_asked_finds_no_trace_of_the_first_vote_at_any_address(office: Office, who: str) -> None:
    before = office.seen_by(who)
    for verdict, review in office.reviews_of(who).items():
        vote(review, verdict)
    assert differences(before, office.seen_by(who)) == {}
    assert {review.state for review in Review.objects.filter(decisions__reviewer__username="bea")} == {"open"}
    assert {status for status, _, _ in before.values()} >= {200, 302, 403, 404, 409, 422}


@pytest.mark.parametrize("who", ASKED)
def test_no_page_that_is_open_hears_that_something_changed(office: Office, settings: Any, who: str) -> None:
    """What is heard next is what was said after the vote."""
    review, verdict = office.reviews[ASKED[who], LIVE], "approve"
    topics = ["reviews", f"run.{review.action.run}", "runs", "said_afterwards"]

    async def walk(socket: Any) -> None:
        assert await next_of(socket) is None
        await socket.send_input({"type": "websocket.receive", "text": json.dumps({"subscribe": topics})})
        assert [await next_of(socket) for _ in topics] == [{"topic": topic} for topic in topics]
        await sync_to_async(vote)(review, verdict)
        await sync_to_async(changed)(review.team_id, "said_afterwards")
        assert await next_of(socket) == {"topic": "said_afterwards"}

    on_a_websocket(office.browsers[who], walk, settings)


def differences(before: Seen, after: Seen) -> dict[tuple[str, ...], list[object]]:
    """By address: status and headers, and the lines that came and went."""
    found: dict[tuple[str, ...], list[object]] = {}
    for key, seen in before.items():
        if after[key] != seen:
            lines, later = seen[2].splitlines(), after[key][2].splitlines()
            found[key] = [seen[:2], after[key][:2], [line for line in lines if line not in later],
                          [line for line in later if line not in lines]]  # fmt: skip
    return found
