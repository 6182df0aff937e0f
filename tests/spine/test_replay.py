"""A decision is one person's, over one review, once. Every other use of its parts is refused."""
# ruff: noqa: F811  (parameters bear the names of imported fixtures, as pytest wants it)

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.core import signing
from django.db import IntegrityError, connections, transaction

from approvals.models import Action, Decision, Permit, Review
from approvals.signoff import ByPasskey, ByPassword, BySession, Proof, prepare_decision, signoff
from approvals.sweep import expire_reviews
from console.accounts.actors import human
from console.accounts.models import Membership, Team, User
from console.accounts.people import create_team, create_user, set_membership
from console.core.actor import Actor, system
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid, NotFound, Refusal
from examples.demo.people import acting
from tests.spine.attacker import ends_unsent, writes
from tests.spine.conftest import PASSWORD, World
from tests.spine.scene import Scene, prepared_scene, scene, sql  # noqa: F401  (fixtures)
from tests.standins.fault_proxy import FaultProxy


def colleague(username: str, roles: list[str], groups: list[str], team: Team | None = None) -> User:
    user = create_user(username, username.title(), actor=system("test"))
    set_membership(user, team or Team.objects.get(slug="billing"), roles=roles, groups=groups, actor=system("test"))
    return user


def prepared(world: World, review: Review, who: str = "ana") -> ByPasskey:
    """Ana's valid signature over this review, not yet handed in."""
    given = prepare_decision(review.id, verdict="approve", reason="", actor=acting(who))
    return ByPasskey(str(given["prepared"]), world.authenticator(who).sign_options(given["options"]))


def counted(review: Review) -> tuple[int, int, str]:
    return (Decision.objects.count(), Permit.objects.count(), Review.objects.get(pk=review.pk).state)


def test_the_same_signature_handed_in_twice_counts_once(scene: Scene) -> None:
    review = scene.world.review(large=True)
    proof = prepared(scene.world, review)
    assert signoff(review.id, verdict="approve", proof=proof, actor=acting("ana")).state == "approved"
    with pytest.raises(Conflict) as refusal:
        signoff(review.id, verdict="approve", proof=proof, actor=acting("ana"))
    assert refusal.value.code == "already_decided"
    assert counted(review) == (1, 1, "approved")


def test_a_signature_of_another_review_is_refused(scene: Scene) -> None:
    proof = prepared(scene.world, scene.world.review(large=True))
    small = scene.world.review(large=False)
    with pytest.raises(Invalid) as refusal:
        signoff(small.id, verdict="approve", proof=proof, actor=acting("ana"))
    assert (refusal.value.code, counted(small)) == ("payload_mismatch", (0, 0, "open"))


def test_a_signature_of_another_person_is_refused(scene: Scene) -> None:
    colleague("bea", ["reviewer"], ["finance"])
    review = scene.world.review(large=True)
    proof = prepared(scene.world, review)
    with pytest.raises(Invalid) as refusal:
        signoff(review.id, verdict="approve", proof=proof, actor=acting("bea"))
    assert (refusal.value.code, counted(review)) == ("payload_mismatch", (0, 0, "open"))


def test_a_payload_prepared_for_one_person_signed_by_another_is_refused(scene: Scene) -> None:
    colleague("bea", ["reviewer"], ["finance"])
    review = scene.world.review(large=True)
    given = prepare_decision(review.id, verdict="approve", reason="", actor=acting("ana"))
    foreign = ByPasskey(str(given["prepared"]), scene.world.authenticator("bea").sign_options(given["options"]))
    with pytest.raises(Refusal) as refusal:
        signoff(review.id, verdict="approve", proof=foreign, actor=acting("ana"))
    assert (refusal.value.code, counted(review)) == ("unknown_passkey", (0, 0, "open"))


@pytest.mark.parametrize(("verdict", "reason"), [("refuse", "No."), ("approve", "A reason that was not signed.")])
def test_a_signature_counts_for_just_what_it_says(verdict: str, reason: str, scene: Scene) -> None:
    review = scene.world.review(large=True)
    with pytest.raises(Invalid) as refusal:
        signoff(review.id, verdict=verdict, reason=reason, proof=prepared(scene.world, review), actor=acting("ana"))
    assert (refusal.value.code, counted(review)) == ("payload_mismatch", (0, 0, "open"))


def test_a_payload_that_the_server_did_not_prepare_is_refused(scene: Scene) -> None:
    review = scene.world.review(large=True)
    proof = prepared(scene.world, review)
    payload = json.loads(base64.urlsafe_b64decode(proof.prepared.split(":")[0]))
    payload["review"] = "rev_other"
    own = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode()
    forged = signing.TimestampSigner(key="not-the-servers-key", salt="countersign.decision").sign(own)
    for text in (forged, own, own + proof.prepared[proof.prepared.index(":") :], ""):
        with pytest.raises(Invalid):
            signoff(review.id, verdict="approve", proof=ByPasskey(text, proof.assertion), actor=acting("ana"))
    assert counted(review) == (0, 0, "open")


def test_a_nonce_counts_once_in_the_whole_console(scene: Scene) -> None:
    scene.world.sign(scene.world.review(large=True))
    again, small = Decision.objects.get(), scene.world.review(large=False)
    again.pk, again.review, again.slot = "dec_again", small, small.slots.get()
    with pytest.raises(IntegrityError, match="nonce"), transaction.atomic():
        again.save(force_insert=True)


def test_a_copied_passkey_is_found_out_by_its_counter(scene: Scene) -> None:
    """Of two copies of one key that both sign, the second to come has a counter that was already used."""
    review = scene.world.review(large=True)
    first, second = prepared(scene.world, review), None
    scene.world.keys["ana"].count -= 1
    second = prepared(scene.world, scene.world.review(large=False))
    signoff(review.id, verdict="approve", proof=first, actor=acting("ana"))
    with pytest.raises(Invalid) as refusal:
        signoff(scene.world.review(large=False).id, verdict="approve", proof=second, actor=acting("ana"))
    assert (refusal.value.code, Decision.objects.count()) == ("bad_signature", 1)


def starter(scene: Scene) -> Actor:
    jonas = User.objects.get(username="jonas")
    set_membership(jonas, Team.objects.get(), roles=["operator", "reviewer", "admin"], groups=["finance"],
                   actor=system("test"))  # fmt: skip
    scene.world.authenticator("jonas")
    return acting("jonas")


def token(scene: Scene) -> Actor:
    membership = Membership.objects.get(user__username="ana")
    return human(membership.user, membership, auth="token")


def agent(scene: Scene) -> Actor:
    ana = acting("ana")
    return Actor("agent", ana.id, ana.team, "session", roles=ana.roles, groups=ana.groups)


def other_group(scene: Scene) -> Actor:
    return acting("sam")


def admin(scene: Scene) -> Actor:
    return acting("mira")


def admin_of_the_group(scene: Scene) -> Actor:
    colleague("fay", ["admin"], ["finance"])
    return acting("fay")


def reader(scene: Scene) -> Actor:
    return acting("theo")


def other_team(scene: Scene) -> Actor:
    colleague("oscar", ["reviewer", "admin"], ["finance"], create_team("other", "Other", actor=system("test")))
    return acting("oscar")


CANNOT: list[tuple[Callable[[Scene], Actor], type[Refusal], str]] = [
    (starter, Forbidden, "own_request"),
    (token, Forbidden, "not_interactive"),
    (agent, Forbidden, "not_interactive"),
    (other_group, NotFound, "not_found"),
    (admin, Forbidden, "forbidden"),
    (admin_of_the_group, Forbidden, "forbidden"),
    (reader, Forbidden, "forbidden"),
    (other_team, NotFound, "not_found"),
]


@pytest.mark.parametrize(("who", "refusal", "code"), CANNOT)
@pytest.mark.parametrize("verdict", ["approve", "refuse"])
def test_who_may_not_decide_cannot_by_any_proof(
    who: Callable[[Scene], Actor], refusal: type[Refusal], code: str, verdict: str, scene: Scene
) -> None:
    review, actor = scene.world.review(large=False), who(scene)
    anas = prepared(scene.world, review)
    proofs: list[Proof] = [anas, ByPassword(PASSWORD), BySession()]
    acts: list[Callable[[], Any]] = [
        lambda: prepare_decision(review.id, verdict=verdict, reason="No.", actor=actor),
        *(
            lambda proof=proof: signoff(review.id, verdict=verdict, reason="No.", proof=proof, actor=actor)
            for proof in proofs
        ),
    ]
    for act in acts:
        with pytest.raises(refusal) as answer:
            act()
        assert answer.value.code == code
    assert counted(review) == (0, 0, "open")


@pytest.mark.parametrize("proof", [BySession(), ByPassword(PASSWORD)])
def test_a_review_that_asks_for_a_passkey_takes_nothing_less(proof: Proof, scene: Scene) -> None:
    ana = User.objects.get(username="ana")
    ana.set_password(PASSWORD)
    ana.save()
    review = scene.world.review(large=True)
    with pytest.raises(Forbidden) as refusal:
        signoff(review.id, verdict="approve", proof=proof, actor=acting("ana"))
    assert (refusal.value.code, counted(review)) == ("passkey_needed", (0, 0, "open"))


def test_an_expired_review_cannot_be_signed_and_ends_its_action(scene: Scene) -> None:
    review = scene.world.review(large=True)
    proof = prepared(scene.world, review)
    Review.objects.filter(pk=review.pk).update(expires_at=now())
    with pytest.raises(Conflict) as refusal:
        signoff(review.id, verdict="approve", proof=proof, actor=acting("ana"))
    assert (refusal.value.code, counted(review)) == ("expired", (0, 0, "open"))
    expire_reviews()
    assert ends_unsent(scene.world, scene.proxy, review.action).state == "expired"


@pytest.fixture
def two_reviewers(held: World) -> tuple[str, str]:
    colleague("bea", ["reviewer"], ["finance"])
    held.authenticator("ana")
    held.authenticator("bea")
    return "ana", "bea"


@pytest.mark.parametrize("second", ["bea", "ana"])
def test_two_signatures_at_the_same_moment_make_one_permit_and_one_refund(
    second: str, held: World, two_reviewers: tuple[str, str], proxy: FaultProxy
) -> None:
    review, start = held.review(large=True), Barrier(2)

    def sign(given: tuple[str, ByPasskey]) -> str:
        start.wait(10)
        try:
            return signoff(review.id, verdict="approve", proof=given[1], actor=acting(given[0])).state
        except Refusal as refusal:
            return refusal.code
        finally:
            connections.close_all()

    given = [("ana", prepared(held, review)), (second, prepared(held, review, second))]
    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(sign, given), key=lambda answer: answer == "approved")
    assert answers[0] in {"already_decided", "bad_signature"}
    assert (answers[1], counted(review)) == ("approved", (1, 1, "approved"))
    held.settle()
    assert [len(writes(proxy)), len(held.refunds())] == [1, 1]
    assert Action.objects.get(pk=review.action_id).state == "succeeded"
