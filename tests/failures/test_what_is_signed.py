"""Ways in which approvals failed elsewhere, by letter: what an approval is for, and whether just that is done."""

import base64
import copy
import dataclasses
import json
from operator import attrgetter
from typing import Any

import pytest
from django.core import signing

from approvals.authority import load
from approvals.digests import action_digest, render_digest
from approvals.execute import execute
from approvals.models import Action, Decision, Review
from approvals.policies.decide import decide
from approvals.policies.document import parse
from approvals.propose import Proposal, propose
from approvals.publish import publish_policy
from approvals.signoff import ByPasskey, prepare_decision, signoff
from console.accounts.passkeys import challenge_for
from console.core import canonical
from console.core.errors import Invalid, Tampered
from examples.demo.charges import refund_by_hand
from examples.demo.people import acting
from integrations.models import Call
from integrations.outbound import send
from tests.failures.conftest import end_of, refund
from tests.gateway.conftest import Asking
from tests.spine.attacker import Attacker, ends_unsent, writes
from tests.spine.conftest import DOOR
from tests.spine.scene import Scene
from tests.spine.test_replay import prepared
from tests.spine.test_tampering import agree
from tests.units.test_outbound import answering
from tests.units.test_policy import LAST, SAFE

PARTS: dict[str, object] = {
    "arguments": {"charge": "ch_other"}, "reads": {"x": 1}, "makers": ["usr_other"], "grantee": "agent:other",
    "run": "run_other", "step": "stp_other", "team_id": "team_other", "grant_id": "grt_other",
    "grant.credential_id": "crd_other", "operation.id": "opr_other", "operation.digest": bytes(32),
    "operation.integration.base_url": "https://elsewhere.example",
}  # fmt: skip


def test_a_approval_is_bound_to_content_not_to_a_name(scene: Scene, sql: Attacker) -> None:
    """An approval was kept under an id or a name, and counted for whatever stood behind it later."""
    action = scene.world.sign(scene.world.review(large=True)).action
    agree(sql, Action.objects.get(pk=action.pk), amount=99_999_999)  # the same id, and all digests fit
    ends_unsent(scene.world, scene.proxy, action)
    assert end_of(action) == ("stale", "tampered")
    fresh = Action.objects.select_related("operation__integration", "grant__credential").get(pk=action.pk)
    digests = {action_digest(other, bytes(32)) for other in [fresh, *(_with(fresh, part) for part in PARTS)]}
    assert len({*digests, action_digest(fresh, b"\1" * 32)}) == len(PARTS) + 2


def _with(action: Action, part: str) -> Action:
    other = copy.deepcopy(action)
    owner, _, name = part.rpartition(".")
    vars(attrgetter(owner)(other) if owner else other)[name] = PARTS[part]  # and the rows that it points at stay
    return other


ALIKE: tuple[Any, ...] = (
    "a", ["a"], ["a", "b"], ["a\nb"], ["a,b"], "a\nb", {"a": "b"}, {"a": "b\n"}, {"ab": ""}, {"a": None}, {}, [], "",
    [[], []], [[[]]], 1, "1", True, "true", None, "null", 1.5, "1.5", "é", "e\u0301", {"a": {"b": "c"}},
    {"a": {}, "b": "c"}, 2**53 - 1, str(2**53 - 1),
)  # fmt: skip


def test_b_different_things_never_have_one_digest() -> None:
    """Fields were joined by a sign that they may hold themselves, so that two requests had the same bytes."""
    digests = [canonical.digest("t", value) for value in ALIKE]
    assert len(set(digests)) == len(ALIKE)
    assert canonical.digest("t", "u") != canonical.digest("tu", "") != canonical.digest("", "tu")
    for unclear in (float("nan"), float("inf"), 2**53, "\ud800"):
        with pytest.raises(ValueError):  # noqa: PT011  (the library's own words)
            canonical.jcs(unclear)


def test_b_a_number_that_somebody_would_read_as_another_is_not_taken(scene: Scene) -> None:
    """The same digits were one number to whoever signed and another to whoever did it."""
    team = acting("ana").team
    proposal = Proposal(team, "stripe.list_charges", {"limit": 1e16}, "workflow:billing-care", ["usr_maker"])
    with pytest.raises(Invalid):
        propose(proposal, actor=DOOR)


def test_c_what_a_client_says_of_the_state_counts_for_nothing(asking: Asking) -> None:
    """A history that the client sent along, in which everything was approved, was believed."""
    review = asking.world.review(large=True)
    given = prepare_decision(review.id, verdict="approve", reason="", actor=acting("ana"))
    payload = json.loads(base64.urlsafe_b64decode(str(given["prepared"]).split(":")[0]))
    own = canonical.jcs({**payload, "nonce": "0" * 64, "meaning": "I have read nothing."})
    text = base64.urlsafe_b64encode(own).decode()
    for said in (text, f"{text}:{str(given['prepared']).partition(':')[2]}", _signed_by_another(text)):
        proof = ByPasskey(said, asking.world.authenticator("ana").sign(challenge_for(own)))
        with pytest.raises(Invalid):
            signoff(review.id, verdict="approve", proof=proof, actor=acting("ana"))
    body = {"operation": "stripe.create_refund", "state": "permitted", "approved": True, "decision": "approve",
            "arguments": {"charge": asking.world.seeded.pair("large").later, "amount": 48_000}}  # fmt: skip
    asked = asking.browser.post("/api/v1/actions", body, content_type="application/json")
    asking.world.settle()
    assert Action.objects.get(pk=asked.json()["id"]).state == "held"
    assert (Decision.objects.count(), asking.world.refunds()) == (0, [])


def _signed_by_another(text: str) -> str:
    return signing.TimestampSigner(key="a key of one's own", salt="countersign.decision").sign(text)


def test_d_a_misspelt_policy_is_not_published(scene: Scene) -> None:
    """A typo in a setting switched the gate off without a word."""
    for wrong in ("then: alow", "thn: allow", "then: review, reviews: {slots: [{group: g}]}"):
        with pytest.raises(Invalid):
            publish_policy(f"policy: p\nrules:\n  - {{id: a, when: {{}}, {wrong}}}\n{LAST}", actor=acting("mira"))


ALLOW = "{id: all, when: {effect: [write]}, then: allow}"
UNKNOWN = "{id: some, when: {amount: {currency: eur, at_most: 5}}, then: allow}"
MONEY = frozenset({"financial"})
FAULTS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no policy": (None, {}, "deny"),
    "a policy that cannot be read": ({"rules": 5}, {}, "review"),
    "a document without rules": ({}, {}, "review"),
    "no rule for it": ({"rules": []}, {}, "review"),
    "a fact that is not known": (UNKNOWN, {"amount_minor": None}, "review"),
    "money, whatever the rule": (ALLOW, {"categories": MONEY}, "review"),
    "a description that nobody has reviewed": (ALLOW, {"trust": "imported"}, "review"),
    "what cannot be told from a repeat": (ALLOW, {"idempotency": "unknown"}, "review"),
    "what the rule is for": (ALLOW, {}, "allow"),
}


def test_d_whatever_is_wrong_with_a_policy_nothing_passes_by_it() -> None:
    """An error, a gap or a missing value was taken as a yes."""
    found = {}
    for name, (rules, asked, _) in FAULTS.items():
        document = parse(f"policy: p\nrules:\n  - {rules}\n{LAST}") if isinstance(rules, str) else rules
        found[name] = decide(document, dataclasses.replace(SAFE, **asked)).outcome
    assert found == {name: outcome for name, (_, _, outcome) in FAULTS.items()}


EDITED = """policy: p
rules:
  - {id: small, when: {effect: [write], amount: {currency: eur, at_most: 5000}}, then: deny}
  - {id: cap, when: {effect: [write]}, then: modify, modify: {cap: {amount: 5_000}}}
  - {id: rest, when: {}, then: review, review: {slots: [{group: finance}]}}
"""


def test_e_what_was_changed_is_ruled_on_again(asking: Asking) -> None:
    """What an edit had made of a request was never shown to the rules that forbid it."""
    publish_policy(EDITED, actor=acting("mira"))
    action = refund(asking)
    assert (end_of(action), action.arguments["amount"]) == (("refused", "denied"), 5_000)
    assert asking.world.refunds() == []


def test_e_a_change_by_hand_is_no_change_of_the_policy(scene: Scene, sql: Attacker) -> None:
    """What was edited before the approval was done as edited, and nobody had asked for that."""
    review = scene.world.review(large=True)
    asked = json.dumps(dict(review.action.arguments))
    sql.alter("UPDATE approvals_action SET original = %s WHERE id = %s", asked, review.action_id)
    agree(sql, Action.objects.get(pk=review.action_id), amount=47_999)
    action = scene.world.sign(Review.objects.get(pk=review.pk)).action
    ends_unsent(scene.world, scene.proxy, action)
    assert end_of(action) == ("stale", "policy_changed")


def test_f_what_was_refused_does_not_run(asking: Asking, sql: Attacker) -> None:
    """A refused call ran all the same, because another part of the loop executed whatever was in the list."""
    refused = refund(asking)
    asking.world.sign(refused.reviews.get(), verdict="refuse", reason="No.")
    execute(load(refused.id), actor=DOOR)
    never_signed = asking.world.review(large=False).action
    sql.permit(never_signed)
    asking.world.settle()
    assert (end_of(refused), end_of(never_signed)) == (("refused", "refused"), ("stale", "tampered"))
    assert (asking.world.refunds("large"), asking.world.refunds("small")) == ([], [])
    assert not Call.objects.exclude(effect="read").exists()


def test_g_answers_are_kept_apart_by_what_they_are_for(scene: Scene) -> None:
    """Answers were matched by their place in a list: with two exchanged, what was refused ran."""
    large, small = scene.world.review(large=True), scene.world.review(large=False)
    proofs = {review.id: prepared(scene.world, review) for review in (large, small)}
    for review, other in ((large, small), (small, large)):
        with pytest.raises((Invalid, Tampered)):
            signoff(review.id, verdict="approve", proof=proofs[other.id], actor=acting("ana"))
    scene.world.sign(small, verdict="refuse", reason="Not this one.")
    signoff(large.id, verdict="approve", proof=prepared(scene.world, large), actor=acting("ana"))
    scene.world.settle()
    assert [len(scene.world.refunds("large")), len(scene.world.refunds("small"))] == [1, 0]


def test_h_what_was_looked_at_is_looked_at_again_before_it_is_done(scene: Scene) -> None:
    """Between approval and doing it the world had changed, and nobody looked."""
    action = scene.world.sign(scene.world.review(large=True)).action
    refund_by_hand(scene.world.standin, scene.world.seeded.pair("large").later, 100)
    scene.world.settle()
    assert end_of(action) == ("stale", "precondition_changed")
    assert [refund["amount"] for refund in scene.world.refunds()] == [100]


def test_h_the_policy_is_asked_again_before_it_is_done(scene: Scene) -> None:
    """What had been forbidden meanwhile was done, because it had once been approved."""
    action = scene.world.sign(scene.world.review(large=True)).action
    forbids = "policy: p\nrules:\n  - {id: a, when: {effect: [read]}, then: allow}\n  - {id: b, when: {}, then: deny}\n"
    publish_policy(forbids, actor=acting("mira"))
    ends_unsent(scene.world, scene.proxy, action)
    assert end_of(action) == ("stale", "denied")


def test_h_a_permit_is_used_once(scene: Scene) -> None:
    """One approval was enough for the same thing twice."""
    action = scene.world.sign(scene.world.review(large=True)).action
    for loaded in (load(action.id), load(action.id)):
        execute(loaded, actor=DOOR)
    assert (end_of(action)[0], len(writes(scene.proxy)), len(scene.world.refunds())) == ("succeeded", 1, 1)


def test_h_what_is_written_is_what_was_agreed(peer: Any) -> None:
    """Something on the way between the check and the wire changed what went out."""
    answer = answering(b"{}")
    agreed, other = peer(answer), peer(answer)  # the same request, to two hosts
    with pytest.raises(Tampered):
        send(other, expected=agreed.digest, secret="s" * 20, credential_type="bearer")
    assert send(agreed, expected=agreed.digest, secret="s" * 20, credential_type="bearer").status == 200


def test_o_whoever_was_shown_something_else_has_signed_nothing(scene: Scene, sql: Attacker) -> None:
    """The page that people signed on had been altered: they saw one thing, and the key signed another."""
    review = scene.world.review(large=True)
    sql.alter("UPDATE approvals_action SET sentence = 'Refund €0.01' WHERE id = %s", review.action_id)
    shown = render_digest(Action.objects.get(pk=review.action_id))
    sql.alter("UPDATE approvals_review SET render_digest = %s WHERE id = %s", shown, review.id)
    scene.world.sign(Review.objects.get(pk=review.id))
    ends_unsent(scene.world, scene.proxy, review.action)
    assert end_of(review.action) == ("stale", "facts_changed")
