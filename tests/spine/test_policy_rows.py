"""A policy that nobody published rules nothing."""
# ruff: noqa: F811  (parameters bear the names of imported fixtures, as pytest wants it)

from approvals.models import PolicyVersion
from approvals.policies.document import policy_digest
from approvals.publish import publish_policy
from examples.demo.people import acting
from tests.spine.attacker import FORGED, Attacker, alarms, ends_unsent
from tests.spine.scene import Scene, prepared_scene, scene, sql  # noqa: F401  (fixtures)


def test_a_policy_version_by_sql_stops_everything_instead_of_allowing_it(scene: Scene, sql: Attacker) -> None:
    document = {"policy": "demo", "rules": [{"id": "all", "when": {}, "then": "allow"}]}
    current = PolicyVersion.objects.get()
    action = scene.world.review(large=True).action
    sql.insert("approvals_policyversion", id="pv_forged", policy_id=current.policy_id, number=2, source="",
               document=document, digest=policy_digest(document), attestation=FORGED)  # fmt: skip
    sql.alter("UPDATE approvals_policy SET current_id = 'pv_forged'")
    sql.permit(action)
    assert ends_unsent(scene.world, scene.proxy, action).state == "stale"
    assert alarms(action.id) == ["The policy does not carry this console's signature."]


def test_an_older_laxer_policy_cannot_be_put_back_in_force(scene: Scene, sql: Attacker) -> None:
    strict = PolicyVersion.objects.get().source.replace("signature: password", "signature: passkey")
    old = PolicyVersion.objects.get()
    publish_policy(strict, actor=acting("mira"))
    sql.alter("UPDATE approvals_policy SET current_id = %s", old.id)
    action = scene.world.sign_by_password(scene.world.review(large=False)).action
    assert ends_unsent(scene.world, scene.proxy, action).state == "stale"
    assert alarms(action.id) == ["The policy in force is not the newest version that was published."]
