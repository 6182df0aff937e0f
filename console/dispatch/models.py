"""What steps wait for from below: which of them something has settled for, and which event each has asked for."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class Wake(models.Model):
    """Inserted inside the transaction that settles an action, or verifies a delivery, because that transaction must not
    lock a step. Names one of both."""

    id = models.BigAutoField(primary_key=True)
    action = models.TextField(default="")
    delivery = models.TextField(default="")
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.action or self.delivery


class Wait(models.Model):
    """The event that a step asked for, and the delivery that it got: one, once."""

    step = models.OneToOneField("runs.Step", models.PROTECT, primary_key=True, related_name="+")
    run = models.ForeignKey("runs.Run", models.PROTECT, related_name="+")
    webhook = models.ForeignKey("integrations.Webhook", models.PROTECT, related_name="+")
    type = models.TextField(default="")
    where = models.JSONField(default=dict)  # values by pointer
    delivery = models.ForeignKey("integrations.Delivery", models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            # Two steps of a run wait for two events.
            models.UniqueConstraint(fields=["run", "delivery"], name="wait_delivery_once_in_run"),
        ]
        indexes: ClassVar = [
            # A verified delivery asks who waits for it.
            models.Index(fields=["webhook"], condition=models.Q(delivery=None), name="wait_open"),
        ]

    def __str__(self) -> str:
        return self.step_id
