"""Every address of the console, and who is answered there. An address that is not in this table fails a test."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from django.urls import URLResolver, get_resolver

READ = ("GET", "HEAD")
ASK = ("GET",)
WRITE = ("POST",)
FORM = (*READ, *WRITE)

NONE = frozenset[str]()
REVIEWER, OPERATOR, ADMIN, AUDITOR = (frozenset({role}) for role in ("reviewer", "operator", "admin", "auditor"))
ANYONE = REVIEWER | OPERATOR | ADMIN | AUDITOR

Kind = Literal["public", "person", "guarded", "agent"]
Needs = Literal[
    "", "review", "settled", "run", "workflow", "integration", "operation", "record", "export", "tile", "hold",
    "passkey", "setup", "action", "agent", "agent_token",
    "grant", "credential", "proposal", "halt", "policy_version", "mandate", "server", "import", "webhook",
    "post_review", "drill", "webhook_secret", "provider", "address", "channel", "rota_entry", "delegation", "comment",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Route:
    """`public` answers anybody; `person` whoever is signed in; `guarded` only these roles of the team; `agent` only
    agents, by their tokens.

    `needs` names the row in the address. Roles are those that get through to the demo's rows, whether the view, the
    loading of the row or the act turns the others away.
    """

    methods: tuple[str, ...]
    kind: Kind = "guarded"
    roles: frozenset[str] = NONE
    needs: Needs = ""


ROUTES: dict[str, Route] = {
    "home": Route(READ, "person"),
    "rail": Route(READ, "person"),
    "healthz": Route(READ, "public"),
    # Signing in and out, and the account of oneself.
    "account_login": Route(FORM, "public"),
    "mfa_login_webauthn": Route(FORM, "public"),
    "mfa_authenticate": Route(FORM, "public"),
    "account_inactive": Route(READ, "public"),
    "account_logout": Route(FORM, "public"),
    "openid_connect_login": Route(ASK, "public", needs="provider"),
    "openid_connect_callback": Route(ASK, "public", needs="provider"),
    "account_confirm_with": Route(ASK, "person", needs="provider"),
    "setup": Route(FORM, "public", needs="setup"),
    "account_reauthenticate": Route(FORM, "person"),
    "mfa_reauthenticate": Route(FORM, "person"),
    "mfa_reauthenticate_webauthn": Route(FORM, "person"),
    "account": Route(READ, "person"),
    "account_team": Route(WRITE, "person"),
    "account_remove_passkey": Route(FORM, "person", needs="passkey"),
    "mfa_add_webauthn": Route(FORM, "person"),
    "mfa_view_recovery_codes": Route(READ, "person"),
    "mfa_generate_recovery_codes": Route(FORM, "person"),
    "mfa_index": Route(READ, "public"),
    "mfa_list_webauthn": Route(READ, "public"),
    "notices": Route(FORM, "person"),
    "notices_address": Route(WRITE, "person"),
    "notices_address_removal": Route(WRITE, "person"),
    "notices_trial": Route(WRITE, "person"),
    "notices_confirm": Route(FORM, "person", needs="address"),
    # Rooms.
    "reviews": Route(READ, roles=ANYONE),
    "review": Route(READ, roles=ANYONE, needs="review"),
    "review_challenge": Route(WRITE, roles=REVIEWER, needs="review"),
    "several": Route(READ, roles=REVIEWER, needs="review"),
    "several_challenge": Route(WRITE, roles=REVIEWER),
    "several_decision": Route(WRITE, roles=REVIEWER, needs="review"),
    "review_look": Route(WRITE, roles=REVIEWER, needs="review"),
    "review_decision": Route(WRITE, roles=REVIEWER, needs="review"),
    "review_dossier": Route(READ, roles=REVIEWER | ADMIN | AUDITOR, needs="settled"),
    "review_claim": Route(WRITE, roles=REVIEWER, needs="review"),
    "review_claim_release": Route(WRITE, roles=REVIEWER, needs="review"),
    "review_suggestion": Route(WRITE, roles=REVIEWER, needs="review"),
    "review_comment": Route(WRITE, roles=REVIEWER, needs="review"),
    "comment_resolution": Route(WRITE, roles=REVIEWER, needs="comment"),
    "leak": Route(FORM, roles=ADMIN),
    "how_i_review": Route(READ, roles=REVIEWER),
    "how_we_review": Route(READ, roles=ADMIN | AUDITOR),
    "post_reviews": Route(READ, roles=ANYONE),
    "drill": Route(READ, roles=REVIEWER, needs="drill"),
    "care": Route(WRITE, roles=ADMIN),
    "post_review": Route(FORM, roles=ANYONE, needs="post_review"),
    "undo": Route(READ, roles=ANYONE),
    "undo_ask": Route(WRITE, roles=REVIEWER | OPERATOR | ADMIN),
    "policies": Route(READ, roles=ANYONE),
    "policy_change": Route(FORM, roles=ADMIN),
    "policy_trial": Route(READ, roles=ANYONE),
    "policy_trial_end": Route(WRITE, roles=ADMIN),
    "policy_version": Route(READ, roles=ANYONE, needs="policy_version"),
    "mandates": Route(READ, roles=ANYONE),
    "mandate_ask": Route(FORM, roles=ADMIN, needs="action"),
    "mandate_revoke": Route(WRITE, roles=REVIEWER | OPERATOR | ADMIN, needs="mandate"),
    "delegations": Route(READ, roles=ANYONE),
    "delegation_give": Route(WRITE, roles=REVIEWER),
    "delegation_end": Route(WRITE, roles=REVIEWER | ADMIN, needs="delegation"),
    "halts": Route(FORM, roles=ANYONE),
    "standing_halts": Route(READ, "person"),
    "halt_lift": Route(WRITE, roles=ADMIN, needs="halt"),
    "runs": Route(READ, roles=ANYONE),
    "run": Route(READ, roles=ANYONE, needs="run"),
    "run_start": Route(FORM, roles=OPERATOR | ADMIN, needs="workflow"),
    "run_cancel": Route(WRITE, roles=OPERATOR | ADMIN, needs="run"),
    "workflows": Route(READ, roles=ANYONE),
    "workflow": Route(READ, roles=ANYONE, needs="workflow"),
    "workflow_publish": Route(FORM, roles=ADMIN),
    "agents": Route(READ, roles=ANYONE),
    "agent_register": Route(FORM, roles=ADMIN),
    "agent": Route(READ, roles=ANYONE, needs="agent"),
    "agent_token": Route(WRITE, roles=ADMIN, needs="agent"),
    "agent_retire": Route(WRITE, roles=ADMIN, needs="agent"),
    "agent_token_revoke": Route(WRITE, roles=ADMIN, needs="agent_token"),
    "proposed_grants": Route(READ, roles=ANYONE),
    "grant_proposal_give": Route(FORM, roles=ADMIN, needs="proposal"),
    "grant_proposal_decline": Route(WRITE, roles=ADMIN, needs="proposal"),
    "shadows": Route(READ, roles=ANYONE),
    "shadow_program": Route(READ, "public"),
    "shadow": Route(READ, roles=ANYONE, needs="agent"),
    "shadow_begin": Route(WRITE, roles=ADMIN, needs="agent"),
    "shadow_end": Route(WRITE, roles=ADMIN, needs="agent"),
    "shadow_forget": Route(WRITE, roles=ADMIN, needs="agent"),
    "integrations": Route(READ, roles=ANYONE),
    "integration": Route(READ, roles=ANYONE, needs="integration"),
    "changes": Route(READ, roles=ANYONE, needs="integration"),
    "changes_decide": Route(WRITE, roles=ADMIN, needs="integration"),
    "review_operation": Route(FORM, roles=ADMIN, needs="operation"),
    "environment": Route(FORM, roles=ADMIN, needs="integration"),
    "credential_seal": Route(FORM, roles=ADMIN, needs="integration"),
    "calls": Route(READ, roles=ANYONE),
    "grant_give": Route(FORM, roles=ADMIN, needs="integration"),
    "grant_revoke": Route(WRITE, roles=ADMIN, needs="grant"),
    "credential_authorize": Route(FORM, roles=ADMIN, needs="credential"),
    "credential_authorized": Route(FORM, roles=ADMIN),
    "credential": Route(READ, roles=ANYONE, needs="credential"),
    "credential_test": Route(WRITE, roles=ADMIN, needs="credential"),
    "credential_revoke": Route(FORM, roles=ADMIN, needs="credential"),
    "credential_open": Route(FORM, roles=ADMIN, needs="credential"),
    "webhook_add": Route(FORM, roles=ADMIN, needs="integration"),
    "webhook": Route(READ, roles=ANYONE, needs="webhook"),
    "webhook_secret": Route(FORM, roles=ADMIN, needs="webhook"),
    "webhook_end": Route(WRITE, roles=ADMIN, needs="webhook"),
    "webhook_secret_end": Route(WRITE, roles=ADMIN, needs="webhook_secret"),
    "connect_openapi": Route(FORM, roles=ADMIN),
    "import": Route(READ, roles=ANYONE, needs="import"),
    "connect_mcp": Route(FORM, roles=ADMIN),
    "connect_yaml": Route(FORM, roles=ADMIN),
    "tools": Route(READ, roles=ANYONE, needs="server"),
    "tools_look": Route(WRITE, roles=ADMIN, needs="server"),
    "tools_add": Route(WRITE, roles=ADMIN, needs="server"),
    "team_notices": Route(READ, roles=ANYONE),
    "rota_add": Route(WRITE, roles=ADMIN),
    "rota_remove": Route(WRITE, roles=ADMIN, needs="rota_entry"),
    "channel_add": Route(FORM, roles=ADMIN),
    "channel_trial": Route(WRITE, roles=ADMIN, needs="channel"),
    "channel_end": Route(WRITE, roles=ADMIN, needs="channel"),
    "channel_key": Route(READ, "public", needs="channel"),
    "audit": Route(READ, roles=AUDITOR | ADMIN),
    "record": Route(READ, roles=AUDITOR | ADMIN, needs="record"),
    "record_erasure": Route(FORM, roles=ADMIN, needs="record"),
    "record_proof": Route(READ, roles=AUDITOR | ADMIN, needs="record"),
    "tree": Route(READ, roles=AUDITOR | ADMIN),
    "tree_consistency": Route(READ, roles=AUDITOR | ADMIN),
    "holds": Route(FORM, roles=AUDITOR | ADMIN),
    "hold": Route(READ, roles=AUDITOR | ADMIN, needs="hold"),
    "hold_release": Route(WRITE, roles=AUDITOR | ADMIN, needs="hold"),
    "restore": Route(READ, roles=ADMIN),
    "restore_challenge": Route(WRITE, roles=ADMIN),
    "restore_signature": Route(WRITE, roles=ADMIN),
    "exports": Route(READ, roles=AUDITOR | ADMIN),
    "export_request": Route(FORM, roles=AUDITOR | ADMIN),
    "export": Route(READ, roles=AUDITOR | ADMIN, needs="export"),
    "export_download": Route(ASK, roles=AUDITOR | ADMIN, needs="export"),
    # Programs.
    "api-1:openapi-json": Route(READ, "public"),
    "api-1:list_runs": Route(ASK, roles=ANYONE),
    "api-1:get_run": Route(ASK, roles=ANYONE, needs="run"),
    "api-1:list_reviews": Route(ASK, roles=ANYONE),
    "api-1:get_review": Route(ASK, roles=ANYONE, needs="review"),
    "api-1:ask_for_action": Route(WRITE, "agent"),
    "api-1:get_action": Route(ASK, "agent", needs="action"),
    "api-1:withdraw_action": Route(WRITE, "agent", needs="action"),
    "api-1:list_granted_operations": Route(ASK, "agent"),
    "api-1:grant_proposals": Route((*ASK, *WRITE), "agent"),
    "api-1:get_grant_proposal": Route(ASK, "agent", needs="proposal"),
    "api-1:show_observations": Route(WRITE, "agent"),
    "api-1:list_workflows": Route(ASK, roles=ANYONE),
    "api-1:get_workflow": Route(ASK, roles=ANYONE, needs="workflow"),
    "api-1:list_records": Route(ASK, roles=AUDITOR | ADMIN),
    "api-1:get_record": Route(ASK, roles=AUDITOR | ADMIN, needs="record"),
    "api-1:list_exports": Route(ASK, roles=AUDITOR | ADMIN),
    "api-1:get_export": Route(ASK, roles=AUDITOR | ADMIN, needs="export"),
    "api-1:download_export": Route(ASK, roles=AUDITOR | ADMIN, needs="export"),
    "api-1:get_checkpoint": Route(ASK, roles=AUDITOR | ADMIN),
    "api-1:get_tile": Route(ASK, roles=AUDITOR | ADMIN, needs="tile"),
    "api-1:get_consistency": Route(ASK, roles=AUDITOR | ADMIN),
}

# The API's root exists as a name for `reverse` only and answers nobody.
UNANSWERED = frozenset({"api-1:api-root"})


def names() -> set[str]:
    """Of every address that the project really has."""
    return set(_names(get_resolver()))


def _names(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _names(pattern, f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix)
        else:
            yield f"{prefix}{pattern.name}"
