"""Every kind of record: `source:subject:verb`. `docs/records.md` says when each is written, and what it holds."""

# ruff: noqa: S105  (a kind that tells of passwords or tokens is none)

from enum import StrEnum


class Kind(StrEnum):
    """`source` is the room that answers for the subject. The verb of something with a state is the state reached."""

    # What may happen
    ACTION_PROPOSED = "approvals:action:proposed"
    ACTION_HELD = "approvals:action:held"
    ACTION_PERMITTED = "approvals:action:permitted"
    ACTION_DEFERRED = "approvals:action:deferred"  # until something is there that the policy names
    ACTION_EXECUTING = "approvals:action:executing"
    ACTION_IN_DOUBT = "approvals:action:in_doubt"  # nobody knows whether it happened
    ACTION_SUCCEEDED = "approvals:action:succeeded"
    ACTION_FAILED = "approvals:action:failed"
    ACTION_REFUSED = "approvals:action:refused"
    ACTION_EXPIRED = "approvals:action:expired"
    ACTION_WITHDRAWN = "approvals:action:withdrawn"
    ACTION_STALE = "approvals:action:stale"  # what was agreed no longer holds
    REVIEW_OPEN = "approvals:review:open"
    REVIEW_APPROVED = "approvals:review:approved"
    REVIEW_REFUSED = "approvals:review:refused"
    REVIEW_EXPIRED = "approvals:review:expired"
    REVIEW_WITHDRAWN = "approvals:review:withdrawn"
    REVIEW_SUPERSEDED = "approvals:review:superseded"  # the action was changed by somebody who was asked
    REVIEW_ESCALATED = "approvals:review:escalated"
    REVIEW_SUGGESTED = "approvals:review:suggested"  # to somebody who could sign it
    CLAIM_MADE = "approvals:claim:made"  # somebody is on a review
    CLAIM_RELEASED = "approvals:claim:released"
    COMMENT_MADE = "approvals:comment:made"
    COMMENT_RESOLVED = "approvals:comment:resolved"
    COMMENT_REOPENED = "approvals:comment:reopened"
    EVIDENCE_OPENED = "approvals:evidence:opened"  # by a reviewer, as the policy asks
    FACT_STATED = "approvals:fact:stated"
    FACT_MISSTATED = "approvals:fact:misstated"
    DECISION_MADE = "approvals:decision:made"
    DELEGATION_GIVEN = "approvals:delegation:given"  # somebody may sign in another's place
    DELEGATION_ENDED = "approvals:delegation:ended"
    HALT_ON = "approvals:halt:on"
    HALT_LIFTED = "approvals:halt:lifted"
    POLICY_PUBLISHED = "approvals:policy:published"
    MANDATE_GIVEN = "approvals:mandate:given"
    MANDATE_REVOKED = "approvals:mandate:revoked"
    POST_REVIEW_OPEN = "approvals:post_review:open"  # somebody is asked to look at what was done
    POST_REVIEW_AGREED = "approvals:post_review:agreed"
    POST_REVIEW_DISAGREED = "approvals:post_review:disagreed"
    DRILL_OPEN = "approvals:drill:open"  # what looks like a review, and is none
    DRILL_RIGHT = "approvals:drill:right"
    DRILL_WRONG = "approvals:drill:wrong"
    DRILL_LEFT = "approvals:drill:left"
    DRILL_LAPSED = "approvals:drill:lapsed"
    CARE_SET = "approvals:care:set"  # what a team does to keep those who sign awake
    TRIAL_BEGUN = "approvals:trial:begun"  # of a policy that rules nothing
    TRIAL_ENDED = "approvals:trial:ended"

    # How it is done
    CALL_SENDING = "integrations:call:sending"  # the intent, before the first byte
    CALL_SUCCEEDED = "integrations:call:succeeded"
    CALL_FAILED = "integrations:call:failed"
    CALL_IN_DOUBT = "integrations:call:in_doubt"
    CALL_ANSWERED_LATE = "integrations:call:answered_late"  # after it was sent again: evidence, and no receipt
    INTEGRATION_DESCRIBED = "integrations:integration:described"
    INTEGRATION_IMPORTED = "integrations:integration:imported"
    INTEGRATION_PLACED = "integrations:integration:placed"  # in an environment, such as production
    AMENDMENT_QUARANTINED = "integrations:amendment:quarantined"  # nothing is sent until a person decides
    AMENDMENT_ADOPTED = "integrations:amendment:adopted"
    AMENDMENT_DECLINED = "integrations:amendment:declined"
    AMENDMENT_SUPERSEDED = "integrations:amendment:superseded"
    IMPORT_WAITING = "integrations:import:waiting"  # a document was handed in
    IMPORT_READING = "integrations:import:reading"
    IMPORT_DONE = "integrations:import:done"
    IMPORT_FAILED = "integrations:import:failed"
    LISTING_ASKED = "integrations:listing:asked"  # of the tools of an MCP server
    LISTING_LISTED = "integrations:listing:listed"
    LISTING_FAILED = "integrations:listing:failed"
    LISTING_COMPARED = "integrations:listing:compared"
    CREDENTIAL_SEALED = "integrations:credential:sealed"
    CREDENTIAL_WRAPPED = "integrations:credential:wrapped"  # anew, to a newer key of the door
    CREDENTIAL_REFRESHED = "integrations:credential:refreshed"  # it has a new access token
    CREDENTIAL_DIED = "integrations:credential:died"  # the authorization server takes it no more
    CREDENTIAL_EXPIRING = "integrations:credential:expiring"  # at the other side, in some days
    CREDENTIAL_EXPIRED = "integrations:credential:expired"
    CREDENTIAL_REFUSED = "integrations:credential:refused"  # the other side does not know it (any more)
    CREDENTIAL_LOOKED_UP = "integrations:credential:looked_up"  # whether a value is one of the team's
    CREDENTIAL_OPENED = "integrations:credential:opened"  # for a person, in an emergency; it is revoked afterwards
    CREDENTIAL_REVOKED = "integrations:credential:revoked"
    LEASE_REVOKED = "integrations:lease:revoked"  # of a credential, by a call: nothing more is sent for it
    HEALTH_TEST_ASKED = "integrations:health_test:asked"  # whether the other side takes a credential
    HEALTH_TEST_TRYING = "integrations:health_test:trying"
    HEALTH_TEST_ACCEPTED = "integrations:health_test:accepted"
    HEALTH_TEST_REFUSED = "integrations:health_test:refused"
    HEALTH_TEST_UNREACHABLE = "integrations:health_test:unreachable"
    HEALTH_TEST_UNCLEAR = "integrations:health_test:unclear"
    HEALTH_TEST_UNTRIED = "integrations:health_test:untried"
    CREDENTIAL_ENDED = "integrations:credential:ended"  # what an authorization server gave for it is gone
    CREDENTIAL_NOT_ENDED = "integrations:credential:not_ended"  # and perhaps still good there
    AUTHORIZATION_STARTED = "integrations:authorization:started"
    AUTHORIZATION_RECEIVED = "integrations:authorization:received"
    AUTHORIZATION_EXCHANGING = "integrations:authorization:exchanging"
    AUTHORIZATION_CONNECTED = "integrations:authorization:connected"
    AUTHORIZATION_FAILED = "integrations:authorization:failed"
    WEBHOOK_OPENED = "integrations:webhook:opened"
    WEBHOOK_REFUSED = "integrations:webhook:refused"  # deliveries, as not genuine; told once in a while
    WEBHOOK_ENDED = "integrations:webhook:ended"
    WEBHOOK_SECRET_SEALED = "integrations:webhook_secret:sealed"
    WEBHOOK_SECRET_WRAPPED = "integrations:webhook_secret:wrapped"  # anew, to a newer key of the door
    WEBHOOK_SECRET_ENDED = "integrations:webhook_secret:ended"
    DELIVERY_VERIFIED = "integrations:delivery:verified"  # genuine, and new
    DOOR_KEY_ADDED = "integrations:door_key:added"
    DOOR_KEY_RETIRED = "integrations:door_key:retired"
    GRANT_GIVEN = "integrations:grant:given"
    GRANT_REVOKED = "integrations:grant:revoked"

    # What is to be done, and who does it now
    WORKFLOW_PUBLISHED = "workflows:workflow:published"
    RUN_RUNNING = "runs:run:running"
    RUN_SUCCEEDED = "runs:run:succeeded"
    RUN_FAILED = "runs:run:failed"
    RUN_CANCELLED = "runs:run:cancelled"
    STEP_PLANNED = "runs:step:planned"
    STEP_READY = "runs:step:ready"
    STEP_RUNNING = "runs:step:running"
    STEP_WAITING = "runs:step:waiting"
    STEP_SUCCEEDED = "runs:step:succeeded"
    STEP_FAILED = "runs:step:failed"
    STEP_CANCELLED = "runs:step:cancelled"
    ATTEMPT_LOST = "runs:attempt:lost"  # with its worker; the step is ready again

    # Who
    AGENT_CREATED = "agents:agent:created"
    AGENT_RETIRED = "agents:agent:retired"
    AGENT_OBSERVING = "agents:agent:observing"  # it shows what it does, and asks for nothing
    AGENT_ACTING = "agents:agent:acting"  # that is over
    OBSERVATIONS_TAKEN = "shadow:observations:taken"
    OBSERVATIONS_FORGOTTEN = "shadow:observations:forgotten"
    AGENT_TOKEN_ISSUED = "agents:agent_token:issued"
    AGENT_TOKEN_REVOKED = "agents:agent_token:revoked"
    PERMISSION_TAKEN = "agents:permission:taken"  # for one use of a tool of the agent's own
    GRANT_PROPOSAL_OPEN = "agents:grant_proposal:open"
    GRANT_PROPOSAL_GIVEN = "agents:grant_proposal:given"
    GRANT_PROPOSAL_DECLINED = "agents:grant_proposal:declined"
    TEAM_CREATED = "accounts:team:created"
    USER_CREATED = "accounts:user:created"
    USER_DEACTIVATED = "accounts:user:deactivated"
    USER_PROOFED = "accounts:user:proofed"  # an admin has seen who they are
    MEMBERSHIP_SET = "accounts:membership:set"
    MEMBERSHIP_REMOVED = "accounts:membership:removed"
    IDENTITY_LINKED = "accounts:identity:linked"  # at a provider of OpenID Connect
    IDENTITY_UNLINKED = "accounts:identity:unlinked"
    PASSKEY_ENROLLED = "accounts:passkey:enrolled"
    PASSKEY_REVOKED = "accounts:passkey:revoked"
    RECOVERY_CODES_MADE = "accounts:recovery_codes:made"
    TOKEN_ISSUED = "accounts:token:issued"
    TOKEN_REVOKED = "accounts:token:revoked"
    SESSION_OPENED = "accounts:session:opened"
    SESSION_CLOSED = "accounts:session:closed"
    SESSION_REFUSED = "accounts:session:refused"
    PASSWORD_CONFIRMED = "accounts:password:confirmed"  # to sign a decision; signing in is a session
    PASSWORD_REFUSED = "accounts:password:refused"
    PASSWORD_THROTTLED = "accounts:password:throttled"
    SETUP_OFFERED = "accounts:setup:offered"
    SETUP_FINISHED = "accounts:setup:finished"

    # Who is told that something waits
    CHANNEL_OPENED = "notices:channel:opened"
    CHANNEL_WRAPPED = "notices:channel:wrapped"  # anew, to a newer key of the door
    CHANNEL_ENDED = "notices:channel:ended"
    ROTA_ENTRY_ADDED = "notices:rota_entry:added"
    ROTA_ENTRY_REMOVED = "notices:rota_entry:removed"
    ADDRESS_CONFIRMED = "notices:address:confirmed"
    ADDRESS_REMOVED = "notices:address:removed"
    NOTICE_GIVEN_UP = "notices:notice:given_up"

    # Looking, and alarms
    PAGE_READ = "audit:page:read"
    ACCESS_REFUSED = "audit:access:refused"
    ALARM_TAMPERED = "console:alarm:tampered"  # any room may raise it, so it belongs to none

    # The log itself
    LOG_OPENED = "audit:log:opened"
    LOG_HEARTBEAT = "audit:log:heartbeat"  # nothing happened, so that silence is not mistaken for that
    LOG_RESTORED = "audit:log:restored"
    RESTORE_SIGNED = "audit:restore:signed"
    KEY_ADDED = "audit:key:added"
    KEY_RETIRED = "audit:key:retired"
    CHECKPOINT_ANCHORED = "audit:checkpoint:anchored"
    OUTLET_FAILED = "audit:outlet:failed"
    OUTLET_RECOVERED = "audit:outlet:recovered"
    VERIFICATION_DONE = "audit:verification:done"
    SCHEMA_CHANGED = "audit:schema:changed"
    EXPORT_REQUESTED = "audit:export:requested"
    EXPORT_RUNNING = "audit:export:running"
    EXPORT_DONE = "audit:export:done"
    EXPORT_FAILED = "audit:export:failed"
    EXPORT_EXPIRED = "audit:export:expired"
    EXPORT_DOWNLOADED = "audit:export:downloaded"  # no state: it happens again and again
    DOSSIER_MADE = "audit:dossier:made"
    DISCLOSURE_ERASED = "audit:disclosure:erased"
    HOLD_PLACED = "audit:hold:placed"
    HOLD_RELEASED = "audit:hold:released"
    RETENTION_SET = "audit:retention:set"
    RETENTION_PRUNED = "audit:retention:pruned"
