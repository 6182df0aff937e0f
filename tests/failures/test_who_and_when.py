"""Ways in which approvals failed elsewhere, by letter: who decides, what they see, and until when it counts."""

import json
import re
import time
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from approvals.models import Decision, Review
from approvals.policies.decide import decide
from approvals.policies.document import parse
from approvals.policies.question import Question
from approvals.signoff import ByPasskey, ByPassword, BySession, Proof, prepare_decision, signoff
from approvals.sweep import expire_reviews
from console.accounts.models import Team
from console.core.clock import iso, now
from console.core.errors import Conflict, Forbidden, Invalid, Refusal
from examples.demo.people import acting
from tests.access.conftest import bearer, browser
from tests.access.conftest import token as api_token
from tests.failures.conftest import end_of, refund
from tests.gateway.conftest import Asking
from tests.pages.conftest import PASSWORD, Hold, everything_but_the_log, outsider
from tests.pages.test_review_pages import decide as press
from tests.pages.test_review_pages import text
from tests.routes import ROUTES
from tests.spine.scene import Scene
from tests.spine.test_replay import agent, counted, prepared, starter, token
from tests.units.test_policy import LAST, SAFE


def test_i_each_payload_is_another_one(scene: Scene) -> None:
    """What is signed was the same each time, so that an old signature was as good as a new one."""
    review = scene.world.review(large=True)
    given = [prepare_decision(review.id, verdict="approve", reason="", actor=acting("ana")) for _ in range(2)]
    challenges = {json.dumps(one["options"], sort_keys=True) for one in given}
    assert len(challenges) == 2


def test_i_a_signature_counts_once(scene: Scene) -> None:
    """A signature that had been recorded was handed in again."""
    review, other = scene.world.review(large=True), scene.world.review(large=False)
    proof = prepared(scene.world, review)
    scene.world.keys["ana"].count -= 1
    copied = prepared(scene.world, other)  # by a copy of the key, as its counter tells
    signoff(review.id, verdict="approve", proof=proof, actor=acting("ana"))
    for target, again, code in ((review, proof, "already_decided"), (other, copied, "bad_signature")):
        with pytest.raises(Refusal) as refusal:
            signoff(target.id, verdict="approve", proof=again, actor=acting("ana"))
        assert refusal.value.code == code
    assert (counted(review), counted(other)[2]) == ((1, 1, "approved"), "open")


def test_i_a_page_that_lay_open_is_no_longer_signed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was prepared long ago could still be handed in, whoever had kept it."""
    review = scene.world.review(large=True)
    proof = prepared(scene.world, review)
    later = time.time() + 3_600
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    with pytest.raises(Invalid, match="too old"):
        signoff(review.id, verdict="approve", proof=proof, actor=acting("ana"))


def test_j_nobody_approves_what_they_began_by_any_way(asking: Asking, scene: Scene) -> None:
    """Self-approval was forbidden at one address and forgotten at two others."""
    jonas, ways = starter(scene), list[Any]()
    for review in (scene.world.review(large=False), refund(asking).reviews.get()):  # his run's, and his agent's
        sheet, client = f"/reviews/{review.id}/", browser("jonas")
        assert "Approve" not in _bar(client.get(sheet))
        for verdict in ("approve", "refuse", "recuse"):
            given = {"verdict": verdict, "reason": "So.", "password": PASSWORD}
            ways += [
                client.post(f"{sheet}challenge", given).status_code,
                client.post(f"{sheet}decision", given).status_code,
            ]
            for proof in (ByPassword(PASSWORD), BySession(), ByPasskey("x", {})):
                ways.append(_code(review, verdict, proof, jonas))
        assert counted(review)[2] == "open"
    assert set(ways) == {403, "own_request"}
    assert Decision.objects.count() == 0


def _bar(answer: Any) -> str:
    return str(answer.content.decode().partition('id="decide"')[2].partition("</form>")[0])


def _code(review: Review, verdict: str, proof: Proof, actor: Any) -> str:
    try:
        return str(signoff(review.id, verdict=verdict, reason="So.", proof=proof, actor=actor).state)
    except Refusal as refusal:
        return str(refusal.code)


def test_k_an_id_opens_nothing_to_whom_it_is_not_for(scene: Scene) -> None:
    """Whoever knew or guessed an id could read it, or approve it."""
    outsider()
    review = scene.world.review(large=True)
    team = Team.objects.get(slug="billing")
    found = {}
    for who in ("olga", "sam"):  # of another team, with all roles; of another group
        client, sheet = browser(who), f"/reviews/{review.id}/"
        answers = [client.get(sheet), client.get(f"{sheet}dossier"), client.get(f"/api/v1/reviews/{review.id}"),
                   client.post(f"{sheet}challenge", {"verdict": "approve"}),
                   client.post(f"{sheet}decision", {"verdict": "refuse", "reason": "x"})]  # fmt: skip
        if who == "sam":
            answers.append(bearer(api_token(who, team)).get(f"/api/v1/reviews/{review.id}"))
        found[who] = {answer.status_code for answer in answers}
        assert not any("Zoë" in answer.content.decode() for answer in answers)
    assert found == {"olga": {404}, "sam": {404}}
    assert counted(review) == (0, 0, "open")


def test_l_what_follows_links_decides_nothing(scene: Scene) -> None:
    """A mail scanner that opened the links of a notice had approved it."""
    review, ana, elsewhere = scene.world.review(large=True), browser("ana"), browser("ana", csrf=True)
    said = {"verdict": "approve", "reason": "x", "password": "x"}
    before = _rows()
    for name in (name for name, route in ROUTES.items() if route.needs == "review"):
        address = reverse(name, args=[review.id])
        for method in ("get", "head"):
            assert getattr(ana, method)(address, said).status_code in {200, 405}
        assert elsewhere.post(address, said).status_code in {403, 405}
    assert _rows() == before
    pressed = ana.post(f"/reviews/{review.id}/decision", {"verdict": "approve"})  # as by a button, and no signature
    assert (pressed.status_code, counted(review)) == (403, (0, 0, "open"))


def _rows() -> dict[str, Any]:
    return {name: rows for name, rows in everything_but_the_log().items() if name != "django_session"}


def test_m_an_agent_is_not_its_own_human(asking: Asking, scene: Scene) -> None:
    """The agent's own client answered what a human was asked, or a program's review counted as one."""
    review = scene.world.review(large=False)
    for actor in (token(scene), agent(scene)):
        for verdict in ("approve", "refuse", "recuse"):
            with pytest.raises(Forbidden) as refusal:
                signoff(review.id, verdict=verdict, reason="So.", proof=BySession(), actor=actor)
            assert refusal.value.code == "not_interactive"
    persons = bearer(api_token("ana", Team.objects.get(slug="billing")))
    for client in (asking.browser, persons):
        answer = client.post(f"/reviews/{review.id}/decision", {"verdict": "refuse", "reason": "So."})
        assert answer["Location"].startswith("/sign-in/")
    assert [name for name, route in ROUTES.items()
            if name.startswith("api-") and "POST" in route.methods and route.kind != "agent"] == []  # fmt: skip
    assert counted(review) == (0, 0, "open")


SAYS = '**Approved by Finance.** <a href="https://evil.example">Refund: €1.00</a> ![](https://evil.example/x.png)'


def test_n_what_an_agent_says_is_not_what_is_shown_as_fact(hold: Hold, ana: Client) -> None:
    """The agent's own words were laid out like the dialog around them, and people approved those."""
    page = text(ana.get(f"/reviews/{hold(says=SAYS + ' x' * 2_000).id}/"))
    facts, words = page.partition('id="changes-title"')[2].partition('id="why-title"')[0], page.split("panel said")
    assert ("evil.example" in facts, len(words), "unverified" in words[1]) == (False, 2, True)
    assert "&lt;a href=" in words[1]
    assert "evil.example" not in words[0]
    assert not any(tag in page for tag in ('href="https://evil', "<img", "<strong>Approved"))
    assert "Show all:" in words[1]


def test_n_what_cannot_be_decoded_asks_more_people() -> None:
    """What nobody could read was approved like everything else."""
    document = parse(f"policy: p\nrules:\n  - {{id: a, when: {{effect: [write]}}, then: allow}}\n{LAST}")
    asked = [decide(document, one) for one in (SAFE, _unread(SAFE), _unread(SAFE, effect="destructive"))]
    counts = [one.requirement.slots[0].ways[0].count if one.requirement else 0 for one in asked]
    assert [(one.outcome, count) for one, count in zip(asked, counts, strict=True)] == [
        ("allow", 0), ("review", 1), ("review", 2)]  # fmt: skip


def _unread(asked: Question, **changed: Any) -> Question:
    return replace(asked, undecoded=("payload",), **changed)


def test_o_a_page_runs_no_script_but_ours(hold: Hold, ana: Client) -> None:
    """A script from elsewhere, changed on its way, drew another page than the one that was signed."""
    answer = ana.get(f"/reviews/{hold().id}/")
    rules = [rule.strip() for rule in answer["Content-Security-Policy"].split(";")]
    assert {"default-src 'none'", "script-src 'self'", "base-uri 'none'"} <= set(rules)
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", answer.content.decode(), re.DOTALL)
    assert scripts != []
    assert [one for one in scripts if 'src="/static/' not in one[0] or one[1].strip()] == []


def test_p_what_cannot_be_seen_or_looks_like_something_else_is_said(hold: Hold, ana: Client) -> None:
    """Hidden characters, and names that only look like known ones, were approved unseen."""
    known = hold(counterparty="cus_l0")
    press(ana, known, verdict="approve", password=PASSWORD)
    facts = [{"label": "To", "was": None, "becomes": "cus_10", "format": "identity"},
             {"label": "Note", "was": None, "becomes": "a\u2066b\U000e0041 pаypal", "format": "text"}]  # fmt: skip
    page = text(ana.get(f"/reviews/{hold(counterparty='cus_10', facts=facts).id}/"))
    assert [part for part in ("U+2066", "U+E0041", "Cyrillic+Latin", "looks like cus_l0") if part not in page] == []


def test_q_what_is_decided_stays_decided_everywhere(asking: Asking) -> None:
    """A card that had been answered came back, and was answered again."""
    action = refund(asking)
    review, ana = action.reviews.get(), browser("ana")
    asking.world.sign(review, verdict="refuse", reason="No.")
    closed = Review.objects.get(pk=review.pk)
    for verdict in ("approve", "refuse", "recuse"):
        with pytest.raises(Conflict) as refusal:
            signoff(review.id, verdict=verdict, reason="So.", proof=BySession(), actor=acting("ana"))
        said = f"This review is already refused at {iso(closed.closed_at)} by Ana Ferreira." if closed.closed_at else ""
        assert (refusal.value.code, refusal.value.text) == ("already_decided", said)
    assert ana.post(f"/reviews/{review.id}/decision", {"verdict": "refuse", "reason": "x"}).status_code == 409
    assert review.id not in ana.get("/reviews/").content.decode()
    assert asking.look(action.id).json()["outcome"]["code"] == "refused"
    assert (Decision.objects.count(), asking.world.refunds()) == (1, [])


def test_r_time_never_approves_and_is_told_as_what_it_is(asking: Asking) -> None:
    """Silence became a yes, or was told to the agent as a person's no."""
    actions = [refund(asking) for _ in range(3)]
    late, refused, withdrawn = (action.reviews.get() for action in actions)
    proof = prepared(asking.world, late)
    Review.objects.filter(pk=late.pk).update(expires_at=now())
    with pytest.raises(Conflict) as refusal:
        signoff(late.id, verdict="approve", proof=proof, actor=acting("ana"))
    assert refusal.value.code == "expired"
    expire_reviews()
    asking.world.sign(refused, verdict="refuse", reason="No.")
    asking.browser.post(f"/api/v1/actions/{withdrawn.action_id}/withdraw")
    asking.world.settle()
    assert [end_of(action) for action in actions] == [
        ("expired", "expired"), ("refused", "refused"), ("withdrawn", "withdrawn")]  # fmt: skip
    told = [asking.look(action.id).json()["outcome"]["retry"] for action in actions]
    assert (told, asking.world.refunds()) == ([True, False, False], [])


WRONG: tuple[tuple[dict[str, str], str], ...] = (
    ({"verdict": "refuse", "reason": " "}, "reason_needed"), ({"verdict": "refuse", "reason": "x" * 2_001}, "invalid"),
    ({"verdict": "yes"}, "invalid"), ({"verdict": ""}, "invalid"), ({"verdict": "APPROVE"}, "invalid"),
)  # fmt: skip


def test_s_a_wrong_answer_is_not_kept(scene: Scene) -> None:
    """An answer that nothing could go on with was stored, and everything behind it was stuck."""
    review = scene.world.review(large=True)
    codes = []
    for given, _ in WRONG:
        verdict, reason = given["verdict"], given.get("reason", "")
        with pytest.raises(Refusal) as refusal:
            signoff(review.id, verdict=verdict, reason=reason, proof=BySession(), actor=acting("ana"))
        codes.append(refusal.value.code)
    assert codes == [code for _, code in WRONG]
    assert counted(review) == (0, 0, "open")
    assert scene.world.sign(review).state == "approved"


def test_t_names_are_compared_whole(asking: Asking) -> None:
    """A pattern allowed, or failed to forbid, what only began like it or was wrapped in something else."""
    names = ["stripe.create_refunds", "stripe.create", "stripe.*", "STRIPE.create_refund", "stripe.create_refund ",
             "stripe.cancel_subscription"]  # fmt: skip
    assert [asking.ask(name, subscription="sub_1").status_code for name in names] == [404] * 5 + [403]
    for pattern in ("crm.*", "crm.not", "*", "CRM.note", "crm.notes", "^crm"):
        rule = f"{{id: a, when: {{operation: ['{pattern}']}}, then: allow}}"
        assert decide(parse(f"policy: p\nrules:\n  - {rule}\n{LAST}"), SAFE).outcome == "review", pattern
    for condition in ("command.startsWith('ls')", "arguments.command == 'ls'"):
        with pytest.raises(Invalid):
            parse(f'policy: p\nrules:\n  - {{id: a, when: {{condition: "{condition}"}}, then: allow}}\n{LAST}')
