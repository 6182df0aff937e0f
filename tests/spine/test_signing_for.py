"""A signature in another's place sends what the other could have signed, and nothing that they could not have."""
# ruff: noqa: F811  (parameters bear the names of imported fixtures, as pytest wants it)

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from approvals.delegations import Wanted, end_delegation, give_delegation
from approvals.digests import decision_payload
from approvals.models import Action, Decision, Delegation, Review
from audit.models import Record
from console.accounts.models import Passkey, User
from console.accounts.passkeys import challenge_for, parse
from console.core.attest import attest
from console.core.clock import now
from examples.demo.people import acting
from tests.spine.attacker import Attacker, alarms, ends_unsent, owner, writes
from tests.spine.conftest import World
from tests.spine.scene import Scene, prepared_scene, scene, sql  # noqa: F401  (fixtures)

DAY = dt.timedelta(days=1)


def name_sam() -> Delegation:
    """By Ana, of finance. Sam signs for others, and not for finance."""
    sam = User.objects.get(username="sam").pk
    return give_delegation(Wanted(sam, now(), now() + DAY), actor=replace(acting("ana"), stepped_up_at=now()))


@pytest.fixture
def signed(scene: Scene) -> Action:
    name_sam()
    review = scene.world.sign(scene.world.review(large=True), "sam")
    assert review.state == "approved"
    return review.action


def test_what_a_delegate_signed_is_sent_once(held: World) -> None:
    name_sam()
    action = held.sign(held.review(large=True), "sam").action
    held.settle()
    assert Action.objects.get(pk=action.pk).state == "succeeded"
    assert len(held.refunds()) == 1
    [decision] = Decision.objects.all()
    assert (decision.by, decision.level) == ("Sam Castellanos for Ana Ferreira", "passkey")
    told = json.loads(bytes(Record.objects.get(kind="approvals:decision:made").leaf))
    assert (told["actor"]["id"], told["detail"]["on_behalf_of"]) == (decision.reviewer_id, decision.on_behalf_of_id)


def test_what_was_signed_before_the_end_is_sent(held: World) -> None:
    given = name_sam()
    action = held.sign(held.review(large=True), "sam").action
    end_delegation(given.pk, actor=acting("ana"))
    held.settle()
    assert Action.objects.get(pk=action.pk).state == "succeeded"


def alter(scene: Scene, *statements: str) -> None:
    """As the owner of the tables: to the product's roles they are closed."""
    with owner(scene.database) as tables:
        for table in ("approvals_decision", "approvals_delegation"):
            tables.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            tables.execute(statement)


UNATTESTED = {
    "its end": "UPDATE approvals_delegation SET ends_at = ends_at + interval '1 day'",
    "its beginning": "UPDATE approvals_delegation SET begins_at = begins_at - interval '1 day'",
    "its cap": "UPDATE approvals_delegation SET at_most = 1, currency = 'eur'",
    "its categories": "UPDATE approvals_delegation SET categories = '{financial}'",
    "whose notices it takes": "UPDATE approvals_delegation SET away = NOT away",
}


@pytest.mark.parametrize("name", UNATTESTED)
def test_altered_after_the_signature_nothing_is_sent(name: str, scene: Scene, signed: Action) -> None:
    alter(scene, UNATTESTED[name])
    assert ends_unsent(scene.world, scene.proxy, signed).state == "stale"
    assert alarms(signed.id) == ["The delegation does not carry this console's signature."]


def test_a_signature_made_for_another_is_none_for_oneself(scene: Scene, signed: Action) -> None:
    alter(scene, "UPDATE approvals_decision SET on_behalf_of_id = NULL, delegation_id = NULL")
    assert ends_unsent(scene.world, scene.proxy, signed).state == "stale"
    [what] = alarms(signed.id)
    assert what.endswith("delegation, on_behalf_of differ.")


def attested(change: Callable[[Delegation], object]) -> str:
    """With the console's own key, as whoever had stolen it: what the row says is looked at all the same."""
    row = Delegation.objects.get()
    change(row)
    seal = attest("delegation", row.attested()).hex()
    cap = "NULL" if row.at_most is None else str(row.at_most)
    return (
        f"UPDATE approvals_delegation SET begins_at = '{row.begins_at}', ends_at = '{row.ends_at}', at_most = {cap},"
        f" currency = '{row.currency}', categories = '{{{','.join(row.categories)}}}', attestation = '\\x{seal}',"
        f" delegate_id = '{row.delegate_id}'"
    )


def _set(**fields: object) -> Callable[[Delegation], object]:
    return lambda row: vars(row).update(fields)


COVERING: dict[str, tuple[Callable[[], Callable[[Delegation], object]], str]] = {
    "over by then": (lambda: _set(begins_at=now() - 2 * DAY, ends_at=now() - DAY), "was not in force"),
    "yet to come": (lambda: _set(begins_at=now() + DAY, ends_at=now() + 2 * DAY), "was not in force"),
    "of a smaller amount": (lambda: _set(at_most=47_999, currency="eur"), "does not cover this"),
    "of another currency": (lambda: _set(at_most=48_000, currency="usd"), "does not cover this"),
    "of other categories": (lambda: _set(categories=["legal"]), "does not cover this"),
    "to somebody else": (lambda: _set(delegate_id=User.objects.get(username="theo").pk), "between other people"),
}


@pytest.mark.parametrize("name", COVERING)
def test_the_door_looks_itself_at_what_the_delegation_covers(name: str, scene: Scene, signed: Action) -> None:
    change, says = COVERING[name]
    alter(scene, attested(change()))
    assert ends_unsent(scene.world, scene.proxy, signed).state == "stale"
    [what] = alarms(signed.id)
    assert says in what


def test_one_that_covers_exactly_this_is_enough(scene: Scene, signed: Action) -> None:
    alter(scene, attested(_set(at_most=48_000, currency="eur", categories=["financial", "legal"])))
    scene.world.settle()
    assert Action.objects.get(pk=signed.pk).state == "succeeded"


def test_one_that_ended_before_the_signature_gives_nothing(scene: Scene, signed: Action) -> None:
    alter(scene, "UPDATE approvals_delegation SET state = 'ended', ended_at = begins_at")
    assert ends_unsent(scene.world, scene.proxy, signed).state == "stale"
    [what] = alarms(signed.id)
    assert "was not in force" in what


def test_a_vote_of_the_delegators_own_beside_it_makes_neither_count(scene: Scene, signed: Action) -> None:
    """Genuine in itself: her passkey has signed it, and the console attested it."""
    review, ana = Review.objects.get(action=signed, kind="action"), User.objects.get(username="ana")
    payload = decision_payload(review, verdict="approve", reason="", reviewer=ana.pk, name=ana.name,
                               groups=["finance"])  # fmt: skip
    answer = parse(scene.world.keys["ana"].sign(challenge_for(payload)))
    vote = Decision(id="dec_own", slot=review.slots.get(), payload=payload, level="passkey")
    with owner(scene.database) as tables:
        tables.execute("ALTER TABLE approvals_decision DISABLE TRIGGER USER")
        tables.execute(
            "INSERT INTO approvals_decision (id, review_id, slot_id, reviewer_id, verdict, level, reason, payload,"
            " nonce, groups, passkey_id, client_data_json, authenticator_data, signature, attestation)"
            " VALUES ('dec_own', %s, %s, %s, 'approve', 'passkey', '', %s, %s, '{finance}', %s, %s, %s, %s, %s)",
            [review.pk, review.slots.get().pk, ana.pk, payload, json.loads(payload)["nonce"],
             Passkey.objects.get(user=ana).pk, answer.client_data_json, answer.authenticator_data, answer.signature,
             attest("decision", vote.attested())],
        )  # fmt: skip
    assert ends_unsent(scene.world, scene.proxy, signed).state == "stale"
    assert alarms(signed.id) == ["Somebody has two votes for it."]


def test_sql_names_nobody_to_sign_for_somebody(scene: Scene, sql: Attacker) -> None:
    """A row needs its record, and one with a record is not the console's word."""
    people = {name: User.objects.get(username=name).pk for name in ("ana", "sam")}
    review = scene.world.review(large=True)
    with sql.together():
        sql.insert("approvals_delegation", id="dlg_forged", team_id=review.team_id, delegator_id=people["ana"],
                   delegate_id=people["sam"], state="given", begins_at=now(), ends_at=now() + DAY, currency="",
                   categories=[], away=False, attestation=bytes(64))  # fmt: skip
        sql.record("approvals:delegation:given", "dlg_forged", "given")
    with pytest.raises(Exception, match="not yours to see"):
        scene.world.sign(review, "sam")
    assert len(alarms("dlg_forged")) == 1
    assert writes(scene.proxy) == []
    for change in ("ends_at = now()", "at_most = NULL", "delegate_id = delegator_id", "attestation = ''"):
        with sql.refused():
            sql.run(f"UPDATE approvals_delegation SET {change}")
    with sql.refused():
        sql.run("DELETE FROM approvals_delegation")
