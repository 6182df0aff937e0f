"""Opening a webhook, giving it another secret, and ending what is no longer wanted: by admins."""

import re
from collections.abc import Mapping

from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.attest import attest
from console.core.clock import now
from console.core.errors import Conflict, Invalid
from console.core.sealing import seal
from integrations.models import Integration
from integrations.prints import prints_of
from integrations.webhooks.models import Webhook, WebhookSecret
from integrations.webhooks.schemes import check_secret, check_settings

SLUG = re.compile(r"[a-z][a-z0-9-]{0,63}")
MOST_SECRETS = 2  # at once


@transaction.atomic
def open_webhook(
    integration: Integration, *, slug: str, scheme: str, settings: Mapping[str, object], secret: str, actor: Actor
) -> Webhook:
    """Raises Invalid, which quotes nothing of the secret, and Conflict for the name of another one."""
    actor.require(Role.ADMIN)
    if not SLUG.fullmatch(slug):
        raise Invalid("Give the webhook a short name of a-z, 0-9 and hyphens, beginning with a letter.")
    checked = check_settings(scheme, settings)
    check_secret(checked, secret)
    Integration.objects.select_for_update().get(pk=integration.pk)
    if integration.webhooks.filter(slug=slug, ended_at=None).exists():
        raise Conflict(f"{integration.slug} has a webhook of this name already.")
    webhook = Webhook(integration=integration, slug=slug, scheme=scheme, settings=checked)
    webhook.attestation = attest("webhook", webhook.attested())
    webhook.save(force_insert=True)
    detail = {"integration": integration.pk, "slug": slug, "scheme": scheme, "settings": checked}
    record(Kind.WEBHOOK_OPENED, subject=webhook.pk, actor=actor, detail=detail)
    _seal(webhook, secret, actor)
    return webhook


@transaction.atomic
def rotate_secret(webhook: Webhook, secret: str, *, actor: Actor) -> WebhookSecret:
    """From now on either is good, until somebody ends the earlier one. Raises Invalid, Conflict."""
    actor.require(Role.ADMIN)
    locked = _in_use(webhook)
    check_secret(locked.settings, secret)
    if locked.secrets.filter(ended_at=None).count() >= MOST_SECRETS:
        raise Conflict("Two secrets are good already. End the earlier one first.")
    return _seal(locked, secret, actor)


@transaction.atomic
def end_secret(secret: WebhookSecret, *, actor: Actor) -> WebhookSecret:
    """For good. The last one stays: without any, the webhook itself has to end."""
    actor.require(Role.ADMIN)
    webhook = _in_use(secret.webhook)
    locked = WebhookSecret.objects.select_for_update().get(pk=secret.pk)
    if locked.ended_at is not None:
        raise Conflict("This secret has ended already.")
    if webhook.secrets.filter(ended_at=None).count() == 1:
        raise Conflict("It is the only secret. Give the webhook another one first, or end the webhook.")
    locked.ended_at = now()
    locked.save(update_fields=["ended_at"])
    record(Kind.WEBHOOK_SECRET_ENDED, subject=locked.pk, actor=actor, detail={"webhook": webhook.pk})
    return locked


@transaction.atomic
def end_webhook(webhook: Webhook, *, actor: Actor) -> Webhook:
    """For good: its address answers as one that never was, and steps that wait for it fail."""
    actor.require(Role.ADMIN)
    locked = _in_use(webhook)
    locked.ended_at = now()
    locked.save(update_fields=["ended_at"])
    detail = {"integration": locked.integration_id, "slug": locked.slug}
    record(Kind.WEBHOOK_ENDED, subject=locked.pk, actor=actor, detail=detail)
    return locked


def _in_use(webhook: Webhook) -> Webhook:
    """Locked. Raises Conflict."""
    locked = Webhook.objects.select_for_update(of=("self",)).select_related("integration").get(pk=webhook.pk)
    if locked.ended_at is not None:
        raise Conflict("This webhook has ended.")
    return locked


def _seal(webhook: Webhook, secret: str, actor: Actor) -> WebhookSecret:
    row = WebhookSecret(webhook=webhook)
    row.seal = seal(secret, place=row.place)
    row.prints = prints_of(secret)
    row.attestation = attest("webhook secret", row.attested())
    row.save(force_insert=True)
    record(Kind.WEBHOOK_SECRET_SEALED, subject=row.pk, actor=actor, detail={"webhook": webhook.pk})
    return row
