"""What observed agents did by themselves, and what would have become of it here. Nothing is ever done because of it."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from console.core.fields import OrderedJSONField
from console.core.ids import new_id

VERDICTS = ("allowed", "held", "refused", "unknown")


def observation_id() -> str:
    return new_id("obs")


class Observation(models.Model):
    """One call that an agent made with credentials of its own. Neither body nor answer is kept: of the arguments only
    what limits could be made of."""

    id = models.TextField(primary_key=True, default=observation_id)
    agent = models.ForeignKey("agents.Agent", models.PROTECT, related_name="+")
    told = models.TextField()  # its id, by whoever made the copy
    seen_at = models.DateTimeField()  # when it was made, as far as that can be believed
    taken_at = models.DateTimeField(db_default=Now())
    place = models.TextField()  # method and address without what looks like ids, or the tool
    integration = models.TextField(default="")  # by name, where one is connected there
    operation = models.TextField(default="")  # the same
    values = OrderedJSONField(default=dict)  # by argument: {"value": …}, or {"is": …} for what is not kept
    verdict = models.TextField()
    code = models.TextField(default="")  # why it would have been refused, or is unknown
    unfit = models.TextField(default="")  # the same, whatever is granted
    rule = models.TextField(default="")  # of the policy
    reasons = ArrayField(models.TextField(), default=list)
    grant = models.TextField(default="")
    amount_minor = models.BigIntegerField(null=True)
    currency = models.TextField(default="")
    status = models.SmallIntegerField(null=True)  # what the agent was answered; None where nothing came
    failed = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["-seen_at", "-id"]
        constraints: ClassVar = [
            # A copy that is sent again, because the answer was lost, counts once.
            models.UniqueConstraint(fields=["agent", "told"], name="observation_once"),
            models.CheckConstraint(condition=models.Q(verdict__in=VERDICTS), name="observation_verdict_known"),
        ]
        indexes: ClassVar = [
            # The report reads the newest of an agent.
            models.Index(fields=["agent", "-seen_at", "-id"], name="observation_of_agent"),
            # How many of an agent's were taken lately; and what is old enough to be forgotten.
            models.Index(fields=["agent", "taken_at"], name="observation_taken"),
        ]

    def __str__(self) -> str:
        return self.place

    @property
    def name(self) -> str:
        return f"{self.integration}.{self.operation}" if self.operation else ""
