"""Loading integrations on behalf of an actor."""

from django.db.models import QuerySet

from console.core.actor import Actor, Role
from console.core.errors import NotFound
from integrations.models import Call, Credential, Grant, Import, Integration, Operation, Webhook, WebhookSecret

READERS = (Role.ADMIN, Role.OPERATOR, Role.AUDITOR, Role.REVIEWER)


def visible_integrations(actor: Actor) -> QuerySet[Integration]:
    """Who signs, runs or audits may read what is connected and how; nobody reads a secret."""
    readable = Integration.objects.filter(team=actor.team)
    return readable if actor.has(*READERS) else readable.none()


def access_integration(actor: Actor, slug: str) -> Integration:
    integration = visible_integrations(actor).filter(slug=slug).first()
    if integration is None:
        raise NotFound(f"Your team has no integration {slug!r}.")
    return integration


def access_server(actor: Actor, slug: str) -> Integration:
    integration = access_integration(actor, slug)
    if integration.protocol != "mcp":
        raise NotFound(f"{slug} is no MCP server.")
    return integration


def access_import(actor: Actor, import_id: str) -> Import:
    """Without the document."""
    found = Import.objects.filter(team=actor.team, pk=import_id).defer("document", "overlay", "attestation").first()
    if found is None or not actor.has(*READERS):
        raise NotFound("Your team has no such import.")
    return found


def access_operation(actor: Actor, operation_id: str) -> Operation:
    visible = Operation.objects.filter(integration__in=visible_integrations(actor)).select_related("integration")
    operation = visible.filter(pk=operation_id).first()
    if operation is None:
        raise NotFound("Your team has no such operation.")
    return operation


def visible_calls(actor: Actor) -> QuerySet[Call]:
    calls = Call.objects.filter(team=actor.team).select_related("operation__integration")
    return calls if actor.has(*READERS) else calls.none()


def visible_grants(actor: Actor) -> QuerySet[Grant]:
    """Without the sealed bytes of their credentials: nothing that pages show needs them."""
    granted = Grant.objects.filter(team=actor.team).select_related("integration", "credential")
    granted = granted.defer("credential__sealed", "credential__wrapped", "credential__attestation")
    return granted if actor.has(*READERS) else granted.none()


def access_grant(actor: Actor, grant_id: str) -> Grant:
    grant = visible_grants(actor).filter(pk=grant_id).first()
    if grant is None:
        raise NotFound("Your team has no such grant.")
    return grant


def access_credential(actor: Actor, credential_id: str) -> Credential:
    """Without the sealed bytes."""
    found = Credential.objects.filter(integration__in=visible_integrations(actor)).select_related("integration")
    credential = found.defer("sealed", "wrapped", "attestation").filter(pk=credential_id).first()
    if credential is None:
        raise NotFound("Your team has no such credential.")
    return credential


def access_webhook(actor: Actor, webhook_id: str) -> Webhook:
    found = Webhook.objects.filter(integration__in=visible_integrations(actor)).select_related("integration")
    webhook = found.filter(pk=webhook_id).first()
    if webhook is None:
        raise NotFound("Your team has no such webhook.")
    return webhook


def access_webhook_secret(actor: Actor, secret_id: str) -> WebhookSecret:
    """Without the sealed bytes."""
    found = WebhookSecret.objects.filter(webhook__integration__in=visible_integrations(actor)).select_related("webhook")
    secret = found.defer("sealed", "wrapped", "attestation").filter(pk=secret_id).first()
    if secret is None:
        raise NotFound("Your team has no such secret.")
    return secret
