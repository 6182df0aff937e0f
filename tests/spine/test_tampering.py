"""Someone with SQL write as the app role cannot make anything be sent: the door believes signatures, not rows."""
# ruff: noqa: F811  (parameters bear the names of imported fixtures, as pytest wants it)

import json
import secrets
from collections.abc import Callable

import psycopg
import pytest
from django.contrib.auth.hashers import make_password
from django.db import DatabaseError

from approvals.digests import action_digest, render_digest
from approvals.models import Action, Decision, Permit, Review
from approvals.signoff import ByPassword, signoff
from audit.move import begin
from console.accounts.models import Passkey, User
from console.accounts.people import set_membership
from console.core.errors import Forbidden, NotFound, Refusal, Tampered
from console.core.sealing import seal
from examples.demo.people import acting
from integrations.description import Description
from integrations.models import Call, Credential, Integration, Operation
from integrations.render import render
from tests.accounts.authenticator import SoftAuthenticator
from tests.spine.attacker import FORGED, Attacker, alarms, ends_unsent, owner, writes
from tests.spine.conftest import DOOR, PASSWORD, World
from tests.spine.forgery import insert_decision, insert_passkey, seal_by_sql, wrap_by_sql
from tests.spine.scene import Scene, prepared_scene, scene, sql  # noqa: F401  (fixtures)
from tests.standins.fault_proxy import FaultProxy

Alter = Callable[[Attacker, Action], object]


def set_action(column: str, value: object) -> Alter:
    return lambda sql, action: sql.alter(f"UPDATE approvals_action SET {column} = %s WHERE id = %s", value, action.id)


def describe(sql: Attacker, **changed: object) -> None:
    """A weaker description with a digest that fits it, and columns that repeat it."""
    operation = Operation.objects.get(slug="create_refund")
    document = {**operation.description, **changed}
    sql.alter("UPDATE integrations_operation SET description = %s, digest = %s, effect = %s, categories = %s"
              " WHERE id = %s", json.dumps(document), Description("create_refund", document).digest,
              document["effect"], document["categories"], operation.id)  # fmt: skip


def agree(sql: Attacker, action: Action, **arguments: object) -> None:
    """Other arguments, and both digests computed anew as the console would."""
    action.arguments = {**action.arguments, **arguments}
    operation = Description("create_refund", action.operation.description)
    base_url = action.operation.integration.base_url
    action.request_digest = render(operation, action.arguments, base_url=base_url, key=action.key).digest
    action.action_digest = action_digest(action, action.request_digest)
    sql.alter("UPDATE approvals_action SET arguments = %s, request_digest = %s, action_digest = %s WHERE id = %s",
              json.dumps(action.arguments), action.request_digest, action.action_digest, action.id)  # fmt: skip


def move_base(sql: Attacker, action: Action) -> None:
    sql.alter("UPDATE integrations_integration SET base_url = 'http://127.0.0.1:9'")


def swap_secrets(sql: Attacker, action: Action) -> None:
    """The sealed bytes of another team's credential, which the door could open for its own place only."""
    from integrations.describe import store_credential

    other = store_credential(Integration.objects.get(), name="other", secret="sk_other_1", actor=acting("mira"))
    seal_by_sql(sql, other.seal, bytes(other.attestation))


def seal_ones_own(sql: Attacker, action: Action) -> None:
    """Anybody can seal to the door's public key, for the right place too."""
    credential = Credential.objects.get()
    seal_by_sql(sql, seal("sk_of_the_attacker", place=credential.place), bytes(credential.attestation))


def point_grant_elsewhere(sql: Attacker, action: Action) -> None:
    from integrations.describe import store_credential

    other = store_credential(Integration.objects.get(), name="other", secret="sk_other_1", actor=acting("mira"))
    sql.alter("UPDATE integrations_grant SET credential_id = %s", other.id)


ALTERATIONS: dict[str, Alter] = {
    "arguments": set_action("arguments", '{"charge": "ch_mine", "amount": 1}'),
    "arguments and digests": lambda sql, action: agree(sql, action, amount=99_999_999),
    "request digest": set_action("request_digest", bytes(32)),
    "action digest": set_action("action_digest", bytes(32)),
    "makers": set_action("makers", []),
    "run": set_action("run", "run_other"),
    "grantee": set_action("grantee", "workflow:other"),
    "what the agent said": set_action("says", "Nothing to see."),
    "evidence": set_action("evidence", "[]"),
    "preconditions": set_action("reads", "{}"),
    "sentence": set_action("sentence", "Refund €0.01"),
    "decoded lines": set_action("facts", "[]"),
    "proposal's attestation": set_action("attestation", FORGED),
    "operation": lambda sql, action: sql.alter(
        "UPDATE approvals_action SET operation_id = (SELECT id FROM integrations_operation"
        " WHERE slug = 'cancel_subscription') WHERE id = %s", action.id),
    "grant": lambda sql, action: sql.alter(
        "UPDATE approvals_action SET grant_id = (SELECT id FROM integrations_grant"
        " WHERE grantee = 'workflow:cancel-subscription') WHERE id = %s", action.id),
    "no grant": set_action("grant_id", None),
    "effect becomes read": lambda sql, action: describe(sql, effect="read"),
    "only the effect's column": lambda sql, action: sql.alter("UPDATE integrations_operation SET effect = 'read'"),
    "categories are emptied": lambda sql, action: describe(sql, categories=[]),
    "path of the operation": lambda sql, action: describe(sql, path="/v1/payouts"),
    "operation's attestation": lambda sql, action: sql.alter(
        "UPDATE integrations_operation SET attestation = %s", FORGED),
    "description of a read": lambda sql, action: sql.alter(
        "UPDATE integrations_operation SET description = replace(description::text, '/v1/charges/', '/v1/x/')::json"
        " WHERE slug = 'get_charge'"),
    "base URL": move_base,
    "credential type": lambda sql, action: sql.alter("UPDATE integrations_integration SET credential_type = 'none'"),
    "where the credential goes": lambda sql, action: sql.alter(
        "UPDATE integrations_integration SET credential_settings = '{\"header\": \"X-Other\"}'"),
    "operations of the grant": lambda sql, action: sql.alter(
        "UPDATE integrations_grant SET operations = operations || '{cancel_subscription}'"),
    "end of the grant": lambda sql, action: sql.alter("UPDATE integrations_grant SET until = now() + '1 year'"),
    "limits of the grant": lambda sql, action: sql.alter(
        "UPDATE integrations_grant SET limits = '{\"calls\": {\"at_most\": 9, \"hours\": 1}}'"),
    "credential of the grant": point_grant_elsewhere,
    "sealed bytes": swap_secrets,
    "a secret of one's own": seal_ones_own,
    "a data key of one's own": lambda sql, action: wrap_by_sql(sql),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERATIONS)
def test_altered_after_the_signature_nothing_is_sent_and_an_alarm_is_told(
    name: str, scene: Scene, sql: Attacker
) -> None:
    action = scene.world.sign(scene.world.review(large=True)).action
    ALTERATIONS[name](sql, action)
    after = ends_unsent(scene.world, scene.proxy, action)
    assert (after.state, after.outcome and after.outcome["code"]) == ("stale", "tampered")
    assert len(alarms(action.id)) == 1


@pytest.mark.parametrize("name", ["arguments", "arguments and digests", "makers"])
def test_altered_while_held_a_signature_made_afterwards_sends_nothing(name: str, scene: Scene, sql: Attacker) -> None:
    review = scene.world.review(large=True)
    ALTERATIONS[name](sql, Action.objects.get(pk=review.action_id))
    assert scene.world.sign(Review.objects.get(pk=review.id)).state == "approved"
    assert ends_unsent(scene.world, scene.proxy, review.action).state == "stale"
    assert len(alarms(review.action_id)) == 1


@pytest.mark.parametrize("name", ["evidence", "sentence", "decoded lines"])
def test_altered_while_held_what_a_person_looks_at_cannot_be_signed(name: str, scene: Scene, sql: Attacker) -> None:
    review = scene.world.review(large=True)
    ALTERATIONS[name](sql, Action.objects.get(pk=review.action_id))
    with pytest.raises(Tampered, match="altered while it waited"):
        scene.world.sign(Review.objects.get(pk=review.id))
    assert (Decision.objects.count(), ends_unsent(scene.world, scene.proxy, review.action).state) == (0, "held")


LIE = {"sentence": "Refund €0.01 to nobody", "facts": "[]"}


@pytest.mark.parametrize("lie", [LIE, {"amount_minor": 1}, {"currency": "usd"}, LIE | {"amount_minor": 1}])
def test_a_person_who_was_shown_a_lie_has_signed_for_nothing(
    lie: dict[str, object], scene: Scene, sql: Attacker
) -> None:
    """Columns and digest of the review agree with each other, so only decoding anew can tell."""
    review = scene.world.review(large=True)
    for column, value in lie.items():
        sql.alter(f"UPDATE approvals_action SET {column} = %s WHERE id = %s", value, review.action_id)
    shown = render_digest(Action.objects.get(pk=review.action_id))
    sql.alter("UPDATE approvals_review SET render_digest = %s WHERE id = %s", shown, review.id)
    scene.world.sign(Review.objects.get(pk=review.id))
    after = ends_unsent(scene.world, scene.proxy, review.action)
    assert (after.state, after.outcome and after.outcome["code"]) == ("stale", "facts_changed")


def test_a_forged_permit_sends_nothing(scene: Scene, sql: Attacker) -> None:
    action = scene.world.review(large=True).action
    sql.permit(action)
    after = ends_unsent(scene.world, scene.proxy, action)
    assert (after.state, Permit.objects.get().consumed_at) == ("stale", None)
    assert alarms(action.id) == ["The action needs a review that was never approved."]


@pytest.fixture
def stranger(scene: Scene) -> SoftAuthenticator:
    """A key that nobody enrolled."""
    return SoftAuthenticator()


@pytest.mark.parametrize(("level", "large"), [("session", True), ("password", True), ("session", False),
                                              ("password", False)])  # fmt: skip
def test_a_forged_decision_sends_nothing(level: str, large: bool, scene: Scene, sql: Attacker) -> None:
    review = scene.world.review(large=large)
    insert_decision(sql, review, level)
    assert ends_unsent(scene.world, scene.proxy, review.action).state == "stale"
    assert alarms(review.action_id) == ["The decision does not carry this console's signature."]


def test_a_decision_by_a_forged_passkey_sends_nothing(scene: Scene, sql: Attacker, stranger: SoftAuthenticator) -> None:
    review = scene.world.review(large=True)
    forged = insert_passkey(sql, stranger, User.objects.get(username="ana"))
    insert_decision(sql, review, "passkey", passkey=forged, key=stranger)
    assert ends_unsent(scene.world, scene.proxy, review.action).state == "stale"
    assert len(alarms(review.action_id)) == 1


OWN_KEY = {
    "session": "The decision is not signed.",
    "password": "There are fewer valid signatures than the policy asks for.",
    "passkey": "The passkey does not carry this console's signature.",
}


@pytest.mark.parametrize("level", OWN_KEY)
def test_even_with_the_consoles_key_a_decision_needs_the_persons_own(
    level: str, scene: Scene, sql: Attacker, stranger: SoftAuthenticator
) -> None:
    """Defence in depth: a stolen console key alone does not make a person's signature."""
    review = scene.world.review(large=True)
    forged = insert_passkey(sql, stranger, User.objects.get(username="ana")) if level == "passkey" else None
    insert_decision(sql, review, level, attestation=None, passkey=forged, key=stranger)
    assert ends_unsent(scene.world, scene.proxy, review.action).state == "stale"
    assert alarms(review.action_id) == [OWN_KEY[level]]


def test_a_signature_that_the_named_passkey_did_not_make_sends_nothing(scene: Scene, sql: Attacker) -> None:
    """Ana's genuine passkey, her credential id, and the console's own signature under the row; another key signed."""
    review, anas = scene.world.review(large=True), Passkey.objects.get()
    stranger = SoftAuthenticator()
    stranger.credential_id = bytes(anas.credential_id)
    insert_decision(sql, review, "passkey", attestation=None, passkey=anas, key=stranger)
    assert ends_unsent(scene.world, scene.proxy, review.action).state == "stale"
    assert [what.partition(" by ")[0] for what in alarms(review.action_id)] == ["A stored signature"]


def test_a_passkeys_public_key_cannot_be_replaced(scene: Scene, sql: Attacker, stranger: SoftAuthenticator) -> None:
    with sql.refused():
        sql.run("UPDATE accounts_passkey SET public_key = %s", stranger.public_key)


def test_a_public_key_replaced_by_the_owner_sends_nothing(scene: Scene, stranger: SoftAuthenticator) -> None:
    """Not even a signature that was genuine when it was made counts by a key that is not the enrolled one."""
    action = scene.world.sign(scene.world.review(large=True)).action
    with owner(scene.database) as tables:
        with pytest.raises(psycopg.Error, match="never changes"):
            tables.execute("UPDATE accounts_passkey SET public_key = %s", [stranger.public_key])
        tables.execute("ALTER TABLE accounts_passkey DISABLE TRIGGER enrolled")
        tables.execute("UPDATE accounts_passkey SET public_key = %s", [stranger.public_key])
    assert ends_unsent(scene.world, scene.proxy, action).state == "stale"
    assert alarms(action.id) == ["The passkey does not carry this console's signature."]


FROZEN = [
    "UPDATE approvals_slot SET spec = '{}'",
    "UPDATE approvals_slotgroup SET \"group\" = 'legal'",
    "DELETE FROM approvals_slot",
    "UPDATE approvals_policyversion SET document = '{}'",
    "DELETE FROM approvals_policyversion",
    "UPDATE approvals_ruling SET outcome = 'allow'",
    "UPDATE approvals_permit SET consumed_at = NULL, consumed_txid = NULL",
    "DELETE FROM approvals_permit",
    "UPDATE approvals_decision SET verdict = 'approve'",
    "DELETE FROM approvals_decision",
    "DELETE FROM approvals_action",
    "DELETE FROM approvals_review",
    "UPDATE workflows_workflowversion SET document = '{}'",
    "UPDATE integrations_call SET action = 'other'",
    "INSERT INTO integrations_call (id) VALUES ('cal_forged')",
    "DELETE FROM integrations_call",
    "DELETE FROM accounts_passkey",
]


@pytest.mark.parametrize("statement", FROZEN)
def test_the_app_role_has_no_right_to(statement: str, sql: Attacker) -> None:
    with sql.refused(says="permission denied"):
        sql.run(statement)


def test_a_second_slot_that_asks_less_opens_no_way(scene: Scene, sql: Attacker) -> None:
    """All slots have to be filled: another one only asks for more."""
    review = scene.world.review(large=True)
    spec = {**review.slots.get().spec, "ways": [{"group": "legal", "count": 1, "after_minutes": 0}]}
    sql.insert("approvals_slot", id="slt_weaker", review_id=review.id, position=1,
               spec=json.dumps(spec | {"signature": "password"}))  # fmt: skip
    sql.insert("approvals_slotgroup", review_id=review.id, slot_id="slt_weaker", group="legal")
    scene.world.authenticator("sam")
    scene.world.sign_by_password(review, "sam")
    assert Review.objects.get(pk=review.pk).state == "open"
    assert ends_unsent(scene.world, scene.proxy, review.action).state == "held"


@pytest.mark.parametrize("borrowed", [True, False])
def test_an_action_proposed_by_sql_is_refused(borrowed: bool, scene: Scene, sql: Attacker) -> None:
    """With random bytes for an attestation, or with that of an action which the console did propose."""
    genuine = Action.objects.filter(operation__slug="create_refund")[0]
    with sql.together():
        sql.run("INSERT INTO approvals_action (id, team_id, state, operation_id, grant_id, arguments, grantee, run,"
                " step, makers, says, evidence, attestation, reads, sentence, facts, currency, trace_id,"
                " parent_span_id, wait_span_id, asked_key) SELECT 'act_forged', team_id, 'proposed',"
                " operation_id, grant_id,"
                " arguments, grantee, run, '', makers, says, evidence, %s, '{}', '', '[]', '', '', '', '',"
                " '' FROM approvals_action WHERE id = %s",
                bytes(genuine.attestation) if borrowed else FORGED, genuine.id)  # fmt: skip
        sql.record("approvals:action:proposed", "act_forged", "proposed")
    after = ends_unsent(scene.world, scene.proxy, Action(pk="act_forged"))
    assert (after.state, alarms("act_forged")) == ("refused", ["The action does not carry this console's signature."])


def test_the_maker_struck_from_the_list_still_cannot_sign(scene: Scene, sql: Attacker) -> None:
    jonas = User.objects.get(username="jonas")
    team = jonas.memberships.get().team
    set_membership(jonas, team, roles=["operator", "reviewer"], groups=["finance"], actor=acting("mira"))
    review = scene.world.review(large=True)
    sql.alter("UPDATE approvals_action SET makers = '{}' WHERE id = %s", review.action_id)
    scene.world.sign(scene.world.review(large=True), "jonas")
    assert ends_unsent(scene.world, scene.proxy, review.action).state == "stale"
    assert len(alarms(review.action_id)) == 1


def test_a_membership_widened_by_sql_gives_no_role(scene: Scene, sql: Attacker) -> None:
    noa = User.objects.get(username="noa")
    sql.alter("UPDATE accounts_membership SET roles = '{reviewer}', groups = '{finance}' WHERE user_id = %s", noa.id)
    assert acting("noa").roles == frozenset()
    with pytest.raises(NotFound):
        scene.world.sign(scene.world.review(large=True), "noa")
    assert len(alarms(noa.id)) >= 1


def test_a_password_set_by_sql_signs_nothing(scene: Scene, sql: Attacker) -> None:
    review = scene.world.review(large=False)
    sql.alter("UPDATE accounts_user SET password = %s WHERE username = 'ana'", make_password(PASSWORD))
    with pytest.raises((Forbidden, Tampered)):
        signoff(review.id, verdict="approve", proof=ByPassword(PASSWORD), actor=acting("ana"))
    assert ends_unsent(scene.world, scene.proxy, review.action).state == "held"


def test_not_even_the_door_begins_a_call_without_a_permit(scene: Scene) -> None:
    action = scene.world.sign(scene.world.review(large=True)).action
    call = Call(team_id=action.team_id, operation_id=action.operation_id, action=action.id, effect="write",
                request_digest=bytes(action.request_digest or b""), key=action.key, door=1)  # fmt: skip
    with pytest.raises(DatabaseError, match="no permit for this request was consumed here") as refusal:
        begin(call, actor=DOOR)
    assert getattr(refusal.value.__cause__, "sqlstate", "") == "42501"
    call.effect = "read"
    with pytest.raises(DatabaseError, match="its effect is not that of its operation"):
        begin(call, actor=DOOR)


def test_a_used_permit_is_not_used_again_by_the_door_role(scene: Scene) -> None:
    action = scene.world.sign(scene.world.review(large=True)).action
    with Attacker(scene.database, "countersign_door") as door:
        door.alter("UPDATE approvals_permit SET consumed_at = now(), consumed_txid = '1'")
        for change in ("consumed_at = NULL, consumed_txid = NULL", "action_id = action_id", "expires_at = now()"):
            with door.refused(says="permit .*: UPDATE refused"):
                door.run(f"UPDATE approvals_permit SET {change}")
    assert Permit.objects.get().action_id == action.id


def test_a_call_in_doubt_is_not_sent_again_by_sql(held: World, committed: str, proxy: FaultProxy) -> None:
    proxy.cut_after("POST", "/v1/refunds")
    action = held.sign(held.review(large=True)).action
    held.settle()
    call = Call.objects.get(action=action.id)
    assert (call.state, len(writes(proxy))) == ("in_doubt", 1)
    with Attacker(committed) as sql:
        with sql.refused(says="only the door sends"):
            sql.run("UPDATE integrations_call SET state = 'sending' WHERE id = %s", call.id)
        with sql.refused(says="permission denied"):
            sql.run("UPDATE integrations_call SET request_digest = %s", secrets.token_bytes(32))
    assert len(writes(proxy)) == 1


def test_a_revoked_passkey_stays_revoked_and_signs_nothing_more(scene: Scene, sql: Attacker) -> None:
    from console.accounts.enrolment import revoke_passkey

    revoke_passkey(Passkey.objects.get(), why="lost", actor=acting("ana"))
    with sql.refused(says="a revocation is final"):
        sql.run("UPDATE accounts_passkey SET revoked_at = NULL, revoked_by = '', revoked_why = ''")
    with pytest.raises(Refusal, match="Add a passkey"):
        scene.world.sign(scene.world.review(large=True))
    assert Decision.objects.count() == 0
