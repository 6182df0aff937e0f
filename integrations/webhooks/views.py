"""Pages of webhooks: opening one, its address and what came there, another secret, and its end."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.read import record_read, require_role
from console.core.actor import Role
from console.core.errors import Conflict, Invalid
from console.core.keyset import newest_first
from console.core.web import Request, role_required, signed_in
from integrations.access import READERS, access_integration, access_webhook, access_webhook_secret
from integrations.credential_forms import settings_given, ways
from integrations.overlay import read_overlay
from integrations.webhooks.models import Delivery
from integrations.webhooks.receive import PATH
from integrations.webhooks.schemes import SCHEMES
from integrations.webhooks.set_up import MOST_SECRETS, end_secret, end_webhook, open_webhook, rotate_secret
from integrations.webhooks.signatures import WHY
from integrations.webhooks.woken import Woken, waiting_at, woken_by

LARGEST_OVERLAY = 1_000_000  # bytes


@sensitive_post_parameters("secret")
@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def add(request: Request, slug: str) -> HttpResponse:
    integration, problem, status = access_integration(request.actor, slug), "", 200
    chosen = request.POST.get("scheme", "")
    chosen = chosen if chosen in SCHEMES else next(iter(SCHEMES))
    if request.method == "POST":
        try:
            scheme, told = _overlaid(request) or (chosen, settings_given(request.POST.dict(), chosen, SCHEMES))
            name, secret = (request.POST.get(part, "").strip() for part in ("name", "secret"))
            webhook = open_webhook(
                integration, slug=name, scheme=scheme, settings=told, secret=secret, actor=request.actor
            )
        except (Invalid, Conflict) as refusal:
            problem, status = refusal.text, refusal.status
        else:
            messages.success(request, "It is open. Give its address to the other side.")
            return redirect("webhook", webhook.pk)
    context = {"integration": integration, "name": request.POST.get("name", ""), "problem": problem,
               "ways": ways(request.POST.dict(), chosen, SCHEMES)}  # fmt: skip
    return render(request, "integrations/webhook_add.html", context, status=status)


def _overlaid(request: Request) -> tuple[str, dict[str, str]] | None:
    """What an overlay says, which wins over what was typed. Raises Invalid."""
    file = request.FILES.get("overlay")
    if file is None:
        return None
    try:
        text = file.read(LARGEST_OVERLAY + 1).decode()
    except UnicodeDecodeError:
        raise Invalid("The overlay is not UTF-8.") from None
    told = read_overlay(text).webhooks
    if told is None:
        raise Invalid("The overlay says nothing of webhooks.")
    return told[0], dict(told[1])


@require_safe
@signed_in
def show(request: Request, webhook: str) -> HttpResponse:
    """Its address is for admins: whoever has it can send to it."""
    require_role(request.actor, *READERS, page="webhook")
    row, admin = access_webhook(request.actor, webhook), request.actor.has(Role.ADMIN)
    page = newest_first(row.deliveries.defer("body", "headers"), by="received_at", after=request.GET.get("after", ""))
    secrets = list(row.secrets.only("id", "created_at", "ended_at", "webhook_id"))
    record_read(actor=request.actor, page="webhook", subject=row.pk)
    context = {
        "webhook": row, "integration": row.integration, "secrets": secrets, "admin": admin,
        "good": sum(one.ended_at is None for one in secrets), "most": MOST_SECRETS,
        "address": f"{settings.ORIGIN}{PATH}{row.address}" if admin else "",
        "deliveries": _told(page.items), "next": page.next, "waiting": row.deliveries.filter(outcome="").count(),
        "listening": waiting_at(row.pk) if admin and not row.ended_at else 0,
    }  # fmt: skip
    return render(request, "integrations/webhook.html", context)


def _told(rows: list[Delivery]) -> list[tuple[Delivery, str, list[Woken]]]:
    """Each with why it was refused, and the steps that it woke."""
    woken = woken_by([row.pk for row in rows])
    return [(row, WHY.get(row.why, row.why), woken.get(row.pk, [])) for row in rows]


@sensitive_post_parameters("secret")
@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def rotate(request: Request, webhook: str) -> HttpResponse:
    row, problem, status = access_webhook(request.actor, webhook), "", 200
    if request.method == "POST":
        try:
            rotate_secret(row, request.POST.get("secret", "").strip(), actor=request.actor)
        except (Invalid, Conflict) as refusal:
            problem, status = refusal.text, refusal.status
        else:
            messages.success(request, "Both secrets are good now. End the earlier one once nothing is signed with it.")
            return redirect("webhook", row.pk)
    context = {"webhook": row, "integration": row.integration, "problem": problem}
    return render(request, "integrations/webhook_secret.html", context, status=status)


@require_POST
@role_required(Role.ADMIN)
def end_one_secret(request: Request, secret: str) -> HttpResponse:
    row = end_secret(access_webhook_secret(request.actor, secret), actor=request.actor)
    messages.success(request, "The secret has ended. What is signed with it is refused.")
    return redirect("webhook", row.webhook_id)


@require_POST
@role_required(Role.ADMIN)
def end(request: Request, webhook: str) -> HttpResponse:
    row = end_webhook(access_webhook(request.actor, webhook), actor=request.actor)
    messages.success(request, "It has ended. Its address answers as one that never was.")
    return redirect("webhook", row.pk)
