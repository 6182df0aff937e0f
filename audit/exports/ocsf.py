"""Records as events of the Open Cybersecurity Schema Framework (schema.ocsf.io), for a SIEM.

The schema has no class for an approval by a person: such records are API activity, and what they say stands whole under
`unmapped`. There is also where a record stands in the log: the schema's attestations are over an event's own text, and
ours is over the leaf.
"""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from audit.exports.leaves import Row, told
from audit.vocabulary import Kind
from console.core.clock import nanoseconds

VERSION = "1.6.0"
INFORMATIONAL, HIGH = 1, 4
SUCCESS, FAILURE, OTHER = 1, 2, 99


class Class(NamedTuple):
    uid: int
    category: int
    name: str


FINDING = Class(2004, 2, "Detection Finding")
ACCOUNT = Class(3001, 3, "Account Change")
AUTHENTICATION = Class(3002, 3, "Authentication")
ENTITY = Class(3004, 3, "Entity Management")
ACCESS = Class(3005, 3, "User Access Management")
WEB = Class(6001, 6, "Web Resources Activity")
LIFECYCLE = Class(6002, 6, "Application Lifecycle")
API = Class(6003, 6, "API Activity")


class Event(NamedTuple):
    of: Class
    activity: int
    said: str  # the activity in the schema's words


def _entity(activity: int, said: str) -> Event:
    return Event(ENTITY, activity, said)


CREATE, READ, UPDATE, DELETE = ((1, "Create"), (2, "Read"), (3, "Update"), (4, "Delete"))
_ANY = (OTHER, "Other")

EVENTS: Mapping[Kind, Event] = {
    # An agent's actions and the calls that they became.
    Kind.ACTION_PROPOSED: Event(API, *CREATE),
    Kind.ACTION_HELD: Event(API, *UPDATE),
    Kind.ACTION_PERMITTED: Event(API, *UPDATE),
    Kind.ACTION_EXECUTING: Event(API, *UPDATE),
    Kind.ACTION_IN_DOUBT: Event(API, *UPDATE),
    Kind.ACTION_SUCCEEDED: Event(API, *UPDATE),
    Kind.ACTION_FAILED: Event(API, *UPDATE),
    Kind.ACTION_DEFERRED: Event(API, *UPDATE),
    Kind.ACTION_REFUSED: Event(API, *UPDATE),
    Kind.ACTION_EXPIRED: Event(API, *UPDATE),
    Kind.ACTION_WITHDRAWN: Event(API, *UPDATE),
    Kind.ACTION_STALE: Event(API, *UPDATE),
    Kind.REVIEW_OPEN: Event(API, *CREATE),
    Kind.REVIEW_APPROVED: Event(API, *UPDATE),
    Kind.REVIEW_REFUSED: Event(API, *UPDATE),
    Kind.REVIEW_EXPIRED: Event(API, *UPDATE),
    Kind.REVIEW_WITHDRAWN: Event(API, *UPDATE),
    Kind.REVIEW_SUPERSEDED: Event(API, *UPDATE),
    Kind.REVIEW_ESCALATED: Event(API, *UPDATE),
    Kind.REVIEW_SUGGESTED: Event(API, *UPDATE),
    Kind.CLAIM_MADE: Event(API, *CREATE),
    Kind.CLAIM_RELEASED: Event(API, *UPDATE),
    Kind.COMMENT_MADE: Event(API, *CREATE),
    Kind.COMMENT_RESOLVED: Event(API, *UPDATE),
    Kind.COMMENT_REOPENED: Event(API, *UPDATE),
    Kind.EVIDENCE_OPENED: Event(API, *READ),
    Kind.FACT_STATED: Event(API, *_ANY),
    Kind.FACT_MISSTATED: Event(API, *_ANY),
    Kind.DECISION_MADE: Event(API, *CREATE),
    Kind.DELEGATION_GIVEN: _entity(*CREATE),
    Kind.DELEGATION_ENDED: _entity(*UPDATE),
    Kind.CALL_SENDING: Event(API, *CREATE),
    Kind.CALL_SUCCEEDED: Event(API, *UPDATE),
    Kind.CALL_FAILED: Event(API, *UPDATE),
    Kind.CALL_IN_DOUBT: Event(API, *UPDATE),
    Kind.CALL_ANSWERED_LATE: Event(API, *UPDATE),
    # What it works with.
    Kind.HALT_ON: Event(API, *CREATE),
    Kind.HALT_LIFTED: Event(API, *UPDATE),
    Kind.POLICY_PUBLISHED: _entity(*UPDATE),
    Kind.MANDATE_GIVEN: _entity(*CREATE),
    Kind.MANDATE_REVOKED: _entity(*UPDATE),
    Kind.POST_REVIEW_OPEN: Event(API, *CREATE),
    Kind.POST_REVIEW_AGREED: Event(API, *UPDATE),
    Kind.POST_REVIEW_DISAGREED: Event(API, *UPDATE),
    Kind.DRILL_OPEN: Event(API, *CREATE),
    Kind.DRILL_RIGHT: Event(API, *UPDATE),
    Kind.DRILL_WRONG: Event(API, *UPDATE),
    Kind.DRILL_LEFT: Event(API, *UPDATE),
    Kind.DRILL_LAPSED: Event(API, *UPDATE),
    Kind.CARE_SET: _entity(*UPDATE),
    Kind.TRIAL_BEGUN: _entity(*CREATE),
    Kind.TRIAL_ENDED: _entity(*UPDATE),
    Kind.INTEGRATION_DESCRIBED: _entity(*UPDATE),
    Kind.INTEGRATION_IMPORTED: _entity(*UPDATE),
    Kind.INTEGRATION_PLACED: _entity(*UPDATE),
    Kind.AMENDMENT_QUARANTINED: _entity(*CREATE),
    Kind.AMENDMENT_ADOPTED: _entity(*UPDATE),
    Kind.AMENDMENT_DECLINED: _entity(*UPDATE),
    Kind.AMENDMENT_SUPERSEDED: _entity(*UPDATE),
    Kind.IMPORT_WAITING: _entity(*CREATE),
    Kind.IMPORT_READING: _entity(*UPDATE),
    Kind.IMPORT_DONE: _entity(*UPDATE),
    Kind.IMPORT_FAILED: _entity(*UPDATE),
    Kind.LISTING_ASKED: _entity(*CREATE),
    Kind.LISTING_LISTED: _entity(*UPDATE),
    Kind.LISTING_FAILED: _entity(*UPDATE),
    Kind.LISTING_COMPARED: _entity(*UPDATE),
    Kind.CREDENTIAL_SEALED: _entity(*CREATE),
    Kind.CREDENTIAL_WRAPPED: _entity(*UPDATE),
    Kind.CREDENTIAL_REFRESHED: _entity(*UPDATE),
    Kind.CREDENTIAL_DIED: _entity(9, "Disable"),
    Kind.AUTHORIZATION_STARTED: _entity(*CREATE),
    Kind.AUTHORIZATION_RECEIVED: _entity(*UPDATE),
    Kind.AUTHORIZATION_EXCHANGING: _entity(*UPDATE),
    Kind.AUTHORIZATION_CONNECTED: _entity(*UPDATE),
    Kind.AUTHORIZATION_FAILED: _entity(*UPDATE),
    Kind.CREDENTIAL_EXPIRING: _entity(*_ANY),
    Kind.CREDENTIAL_EXPIRED: _entity(*_ANY),
    Kind.CREDENTIAL_REFUSED: _entity(*_ANY),
    Kind.CREDENTIAL_ENDED: _entity(*DELETE),
    Kind.CREDENTIAL_NOT_ENDED: _entity(*_ANY),
    Kind.CREDENTIAL_LOOKED_UP: _entity(*_ANY),
    Kind.CREDENTIAL_OPENED: _entity(*_ANY),
    Kind.LEASE_REVOKED: Event(API, *UPDATE),
    Kind.HEALTH_TEST_ASKED: _entity(*CREATE),
    Kind.HEALTH_TEST_TRYING: _entity(*UPDATE),
    Kind.HEALTH_TEST_ACCEPTED: _entity(*UPDATE),
    Kind.HEALTH_TEST_REFUSED: _entity(*UPDATE),
    Kind.HEALTH_TEST_UNREACHABLE: _entity(*UPDATE),
    Kind.HEALTH_TEST_UNCLEAR: _entity(*UPDATE),
    Kind.HEALTH_TEST_UNTRIED: _entity(*UPDATE),
    Kind.CREDENTIAL_REVOKED: _entity(*DELETE),
    Kind.WEBHOOK_OPENED: _entity(*CREATE),
    Kind.WEBHOOK_REFUSED: Event(API, *_ANY),
    Kind.WEBHOOK_ENDED: _entity(*DELETE),
    Kind.WEBHOOK_SECRET_SEALED: _entity(*CREATE),
    Kind.WEBHOOK_SECRET_WRAPPED: _entity(*UPDATE),
    Kind.WEBHOOK_SECRET_ENDED: _entity(*DELETE),
    Kind.DELIVERY_VERIFIED: Event(API, *CREATE),
    Kind.DOOR_KEY_ADDED: _entity(*CREATE),
    Kind.DOOR_KEY_RETIRED: _entity(9, "Disable"),
    Kind.GRANT_GIVEN: _entity(*CREATE),
    Kind.GRANT_REVOKED: _entity(*DELETE),
    Kind.WORKFLOW_PUBLISHED: _entity(*UPDATE),
    # Runs and steps are programs that start and stop.
    Kind.RUN_RUNNING: Event(LIFECYCLE, 3, "Start"),
    Kind.RUN_SUCCEEDED: Event(LIFECYCLE, 4, "Stop"),
    Kind.RUN_FAILED: Event(LIFECYCLE, 4, "Stop"),
    Kind.RUN_CANCELLED: Event(LIFECYCLE, 4, "Stop"),
    Kind.STEP_PLANNED: Event(LIFECYCLE, *_ANY),
    Kind.STEP_READY: Event(LIFECYCLE, *_ANY),
    Kind.STEP_RUNNING: Event(LIFECYCLE, 3, "Start"),
    Kind.STEP_WAITING: Event(LIFECYCLE, *_ANY),
    Kind.STEP_SUCCEEDED: Event(LIFECYCLE, 4, "Stop"),
    Kind.STEP_FAILED: Event(LIFECYCLE, 4, "Stop"),
    Kind.STEP_CANCELLED: Event(LIFECYCLE, 4, "Stop"),
    Kind.ATTEMPT_LOST: Event(LIFECYCLE, 5, "Restart"),
    # People and what they prove themselves with.
    Kind.AGENT_CREATED: Event(ACCOUNT, 1, "Create"),
    Kind.AGENT_RETIRED: Event(ACCOUNT, 5, "Disable"),
    Kind.AGENT_OBSERVING: Event(ACCOUNT, *_ANY),
    Kind.AGENT_ACTING: Event(ACCOUNT, *_ANY),
    Kind.OBSERVATIONS_TAKEN: _entity(*CREATE),
    Kind.OBSERVATIONS_FORGOTTEN: _entity(*DELETE),
    Kind.PERMISSION_TAKEN: Event(API, *READ),
    Kind.AGENT_TOKEN_ISSUED: _entity(*CREATE),
    Kind.AGENT_TOKEN_REVOKED: _entity(*DELETE),
    Kind.GRANT_PROPOSAL_OPEN: _entity(*CREATE),
    Kind.GRANT_PROPOSAL_GIVEN: _entity(*UPDATE),
    Kind.GRANT_PROPOSAL_DECLINED: _entity(*UPDATE),
    Kind.TEAM_CREATED: _entity(*CREATE),
    Kind.USER_CREATED: Event(ACCOUNT, 1, "Create"),
    Kind.USER_DEACTIVATED: Event(ACCOUNT, 5, "Disable"),
    Kind.USER_PROOFED: Event(ACCOUNT, *_ANY),
    Kind.MEMBERSHIP_SET: Event(ACCESS, 1, "Assign Privileges"),
    Kind.MEMBERSHIP_REMOVED: Event(ACCESS, 2, "Revoke Privileges"),
    Kind.IDENTITY_LINKED: Event(ACCOUNT, *_ANY),
    Kind.IDENTITY_UNLINKED: Event(ACCOUNT, *_ANY),
    Kind.PASSKEY_ENROLLED: Event(ACCOUNT, 10, "MFA Factor Enable"),
    Kind.PASSKEY_REVOKED: Event(ACCOUNT, 11, "MFA Factor Disable"),
    Kind.RECOVERY_CODES_MADE: Event(ACCOUNT, *_ANY),
    Kind.TOKEN_ISSUED: _entity(*CREATE),
    Kind.TOKEN_REVOKED: _entity(*DELETE),
    Kind.SESSION_OPENED: Event(AUTHENTICATION, 1, "Logon"),
    Kind.SESSION_CLOSED: Event(AUTHENTICATION, 2, "Logoff"),
    Kind.SESSION_REFUSED: Event(AUTHENTICATION, 1, "Logon"),
    Kind.PASSWORD_CONFIRMED: Event(AUTHENTICATION, *_ANY),
    Kind.PASSWORD_REFUSED: Event(AUTHENTICATION, *_ANY),
    Kind.PASSWORD_THROTTLED: Event(AUTHENTICATION, *_ANY),
    Kind.SETUP_OFFERED: Event(ACCOUNT, *_ANY),
    Kind.SETUP_FINISHED: Event(ACCOUNT, *_ANY),
    # Who is told that something waits.
    Kind.CHANNEL_OPENED: _entity(*CREATE),
    Kind.CHANNEL_WRAPPED: _entity(*UPDATE),
    Kind.CHANNEL_ENDED: _entity(*DELETE),
    Kind.ROTA_ENTRY_ADDED: _entity(*CREATE),
    Kind.ROTA_ENTRY_REMOVED: _entity(*DELETE),
    Kind.ADDRESS_CONFIRMED: Event(ACCOUNT, *_ANY),
    Kind.ADDRESS_REMOVED: Event(ACCOUNT, *_ANY),
    Kind.NOTICE_GIVEN_UP: Event(API, *_ANY),
    # Looking, and what must not be.
    Kind.PAGE_READ: Event(WEB, *READ),
    Kind.ACCESS_REFUSED: Event(WEB, *READ),
    Kind.ALARM_TAMPERED: Event(FINDING, *CREATE),
    # The log itself.
    Kind.LOG_OPENED: _entity(*CREATE),
    Kind.LOG_HEARTBEAT: _entity(*_ANY),
    Kind.LOG_RESTORED: _entity(*UPDATE),
    Kind.RESTORE_SIGNED: _entity(*UPDATE),
    Kind.KEY_ADDED: _entity(*CREATE),
    Kind.KEY_RETIRED: _entity(9, "Disable"),
    Kind.CHECKPOINT_ANCHORED: _entity(*CREATE),
    Kind.OUTLET_FAILED: _entity(*_ANY),
    Kind.OUTLET_RECOVERED: _entity(*_ANY),
    Kind.VERIFICATION_DONE: _entity(*READ),
    Kind.SCHEMA_CHANGED: _entity(*UPDATE),
    Kind.EXPORT_REQUESTED: Event(WEB, 7, "Export"),
    Kind.EXPORT_RUNNING: Event(WEB, 7, "Export"),
    Kind.EXPORT_DONE: Event(WEB, 7, "Export"),
    Kind.EXPORT_FAILED: Event(WEB, 7, "Export"),
    Kind.EXPORT_EXPIRED: Event(WEB, 4, "Delete"),
    Kind.EXPORT_DOWNLOADED: Event(WEB, 2, "Read"),
    Kind.DOSSIER_MADE: Event(WEB, 7, "Export"),
    Kind.DISCLOSURE_ERASED: _entity(*DELETE),
    Kind.HOLD_PLACED: _entity(*CREATE),
    Kind.HOLD_RELEASED: _entity(*DELETE),
    Kind.RETENTION_SET: _entity(*UPDATE),
    Kind.RETENTION_PRUNED: _entity(*DELETE),
}

_FAILURES = {"failed", "refused", "throttled", "lost", "tampered", "given_up"}
_FAILED = frozenset(kind for kind in Kind if kind.value.rpartition(":")[2] in _FAILURES)


class Events:
    """`origin` is that of the tree whose leaves they are."""

    def __init__(self, origin: str) -> None:
        self.origin, self.host = origin, origin.rpartition("/")[0]

    def line(self, row: Row) -> bytes:
        return json.dumps(self.event(row), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def event(self, row: Row) -> dict[str, Any]:
        """A kind that a newer version wrote is told as an activity of another kind; nothing is left out."""
        leaf = told(row)
        kind = leaf["action"]
        known = EVENTS.get(kind) or _entity(*_ANY)
        moment = dt.datetime.fromisoformat(leaf["ts"])
        return {
            "category_uid": known.of.category,
            "class_uid": known.of.uid,
            "class_name": known.of.name,
            "activity_id": known.activity,
            "activity_name": known.said,
            "type_uid": known.of.uid * 100 + known.activity,
            "severity_id": HIGH if known.of is FINDING else INFORMATIONAL,
            "status_id": FAILURE if kind in _FAILED else SUCCESS,
            "time": nanoseconds(moment) // 1_000_000,
            "message": kind,
            "metadata": self._metadata(leaf, row),
            "actor": _actor(leaf["actor"]),
            **self._required(known.of, leaf),
            "unmapped": {
                "record": {name: leaf[name] for name in KEPT},
                "log": {"origin": self.origin, "index": row.idx, "leaf_hash": row.hash.hex(), "algorithm": "SHA-256"},
            },
        }

    def _metadata(self, leaf: Mapping[str, Any], row: Row) -> dict[str, Any]:
        """The index is dense: who receives events can tell that none is missing."""
        return {
            "version": VERSION,
            "product": {"name": "Countersign", "vendor_name": "Countersign"},
            "uid": leaf["id"],
            "event_code": leaf["action"],
            "log_name": self.origin,
            "sequence": row.idx,
            "tenant_uid": leaf["team"],
            **({"correlation_uid": leaf["run"]} if leaf["run"] else {}),
        }

    def _required(self, of: Class, leaf: Mapping[str, Any]) -> dict[str, Any]:
        """What the class cannot be without."""
        subject, console = leaf["object"] or "-", {"name": "countersign", "uid": self.host}
        noun = leaf["action"].partition(":")[2].partition(":")[0] or "record"
        if of is API:
            return {"api": {"operation": leaf["action"], "service": console, "request": {"uid": subject}},
                    "src_endpoint": {"name": leaf["actor"]["type"]}}  # fmt: skip
        if of is AUTHENTICATION:
            return {"user": {"uid": leaf["actor"]["id"] or subject}, "service": console}
        if of is ACCOUNT:
            return {"user": {"uid": leaf["detail"].get("user") or subject}}
        if of is ACCESS:
            return {"user": {"uid": subject}, "privileges": list(map(str, leaf["detail"].get("roles", [])))}
        if of is ENTITY:
            return {"entity": {"uid": subject, "type": noun}}
        if of is LIFECYCLE:
            return {"app": {"uid": subject, "name": noun}}
        if of is WEB:
            return {"web_resources": [{"uid": subject, "type": noun}]}
        return {"finding_info": {"uid": leaf["id"], "title": str(leaf["detail"].get("what") or leaf["action"])}}


KEPT = ("object", "state", "run", "trace", "outcome", "decision", "detail", "c", "writer")


def _actor(actor: Mapping[str, str]) -> dict[str, Any]:
    """People are users; processes are applications, which the schema also knows as actors."""
    if actor["type"] == "human":
        said: dict[str, Any] = {"user": {"uid": actor["id"], "type": "User", "type_id": 1}}
    else:
        said = {"app_name": actor["id"] or actor["type"], "app_uid": f"{actor['type']}:{actor['id']}"}
    return {**said, **({"invoked_by": actor["on_behalf_of"]} if actor["on_behalf_of"] else {})}
