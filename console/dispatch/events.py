"""Between a step that waits for an event and the delivery that it waits for: neither may miss the other.

Whoever decides about a webhook's events takes turns with all others who do, before any lock on a run or a step. So a
step looks for what has come and begins to wait in one, and a delivery meets those who wait by then.
"""

from collections.abc import Mapping
from typing import Any

from django.dispatch import receiver

from audit.move import move
from console.core.actor import Actor
from console.core.attest import verify
from console.core.clock import iso, now
from console.core.errors import NotFound
from console.core.pointers import Missing, point
from console.core.turns import take_turn
from console.core.wake import wake
from console.dispatch.models import Wait, Wake
from console.executors.base import Awaited
from console.runs.models import Run, Step
from console.traces.live import changed
from integrations.models import Delivery, Webhook
from integrations.wanted import same_json
from integrations.webhooks.reading import read_body
from integrations.webhooks.signals import delivery_verified
from integrations.webhooks.woken import Woken


@receiver(delivery_verified)
def remember_verified(delivery: Delivery, **_: Any) -> None:
    """Inserts and nothing else, as the door may not touch steps."""
    Wake.objects.create(delivery=delivery.pk)
    wake("console.dispatch.tasks.work", "steps")


def find_webhook(team: str, name: str) -> str:
    """One in use, whose name is what the console signed. Raises NotFound."""
    integration, _, slug = name.partition(".")
    rows = Webhook.objects.filter(integration__team=team, integration__slug=integration, slug=slug, ended_at=None)
    found = rows.select_related("integration").first()
    if found is None:
        raise NotFound(f"Your team has no webhook {name!r:.150}, or it has ended.")
    verify("webhook", found.attested(), found.attestation)
    return found.pk


def take_turn_at(webhook: str) -> None:
    take_turn(f"events of {webhook}")


def listen(step: Step, run: Run, awaited: Awaited) -> Wait:
    """Under the webhook's turn: with the first delivery since the run began that fits, if one has come."""
    wait, _ = Wait.objects.update_or_create(
        step=step,
        defaults={"run": run, "webhook_id": awaited.webhook, "type": awaited.type, "where": dict(awaited.where)},
    )
    come = Delivery.objects.filter(webhook=awaited.webhook, outcome="verified", received_at__gte=run.started_at)
    come = come.filter(type=awaited.type) if awaited.type else come
    taken = Wait.objects.filter(run=run, delivery__isnull=False).values("delivery")
    for delivery in come.exclude(pk__in=taken).order_by("received_at", "id").iterator(chunk_size=20):
        if fits(delivery, wait):
            _take(wait, delivery)
            break
    return wait


def wake_listeners(identity: str, *, actor: Actor) -> None:
    """The steps that wait for this delivery: any number, of different runs. In a transaction of its own, so that of one
    run it locks one step: cancelling a run locks them all."""
    delivery = Delivery.objects.get(pk=identity)
    take_turn_at(delivery.webhook_id)
    served = set(Wait.objects.filter(delivery=delivery).values_list("run", flat=True))
    for wait in _waiting(delivery):
        if wait.run_id not in served and fits(delivery, wait) and _wake(wait, delivery, actor):
            served.add(wait.run_id)


def _waiting(delivery: Delivery) -> list[Wait]:
    """What came before a run began is not for it."""
    open_ = Wait.objects.filter(
        webhook=delivery.webhook_id, delivery=None, step__state="waiting", run__started_at__lte=delivery.received_at
    )
    return list(open_.order_by("step"))


def _wake(wait: Wait, delivery: Delivery, actor: Actor) -> bool:
    """Not where its time was over meanwhile, or its run."""
    rows = Step.objects.select_for_update(of=("self",)).select_related("run")
    step = rows.filter(pk=wait.step_id, state="waiting", waiting_for="event").first()
    if step is None:
        return False
    _take(wait, delivery)
    move(step, "ready", actor=actor, detail={"delivery": delivery.pk}, ready_at=now(), waiting_for="")
    changed(step.run.team_id, f"run.{step.run_id}")
    return True


def _take(wait: Wait, delivery: Delivery) -> None:
    wait.delivery = delivery
    wait.save(update_fields=["delivery"])


def fits(delivery: Delivery, wait: Wait) -> bool:
    if wait.type and wait.type != delivery.type:
        return False
    if not wait.where:
        return True
    if delivery.body is None:  # kept no longer
        return False
    return holds(read_body(bytes(delivery.body)), wait.where)


def holds(content: Any, where: Mapping[str, Any]) -> bool:
    """Pure. What is not there equals nothing, not even null."""
    try:
        return all(same_json(point(content, pointer), value) for pointer, value in where.items())
    except Missing:
        return False


def caught_by(step: Step) -> dict[str, Any] | None:
    """What a step that waited hands on. Its body is somebody else's word."""
    wait = Wait.objects.select_related("delivery").filter(step=step, delivery__isnull=False).first()
    if wait is None or wait.delivery is None:
        return None
    delivery = wait.delivery
    content = read_body(bytes(delivery.body)) if delivery.body is not None else None
    return {"id": delivery.name, "type": delivery.type, "received_at": iso(delivery.received_at), "body": content,
            "delivery": delivery.pk}  # fmt: skip


def waiting_at(webhook: str) -> int:
    """How many steps, for the same page."""
    return Wait.objects.filter(webhook=webhook, delivery=None, step__state="waiting").count()


def woken_by(deliveries: list[str]) -> dict[str, list[Woken]]:
    """For the page of a webhook."""
    found: dict[str, list[Woken]] = {}
    for wait in Wait.objects.filter(delivery__in=deliveries).select_related("step").order_by("step"):
        found.setdefault(str(wait.delivery_id), []).append(Woken(wait.run_id, wait.step.label))
    return found
