"""What the team has published as its policy, and what it said of each action."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from approvals.models.action import Action
from console.core.fields import OrderedJSONField
from console.core.ids import new_id


def policy_id() -> str:
    return new_id("pol")


def version_id() -> str:
    return new_id("pv")


def trial_id() -> str:
    return new_id("trl")


def ruling_id() -> str:
    return new_id("rul")


class Policy(models.Model):
    """The team's policy; its rules are in the newest version."""

    id = models.TextField(primary_key=True, default=policy_id)
    team = models.OneToOneField("accounts.Team", models.PROTECT, related_name="+")
    slug = models.TextField()
    current = models.ForeignKey("PolicyVersion", models.PROTECT, null=True, related_name="+")

    def __str__(self) -> str:
        return self.slug


class PolicyVersion(models.Model):
    """One published document. Never changed; attested, so that SQL publishes nothing."""

    id = models.TextField(primary_key=True, default=version_id)
    policy = models.ForeignKey(Policy, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    source = models.TextField()
    document = OrderedJSONField()
    digest = models.BinaryField(max_length=32)
    published_at = models.DateTimeField(db_default=Now())
    attestation = models.BinaryField(max_length=64)
    # By which people signed it; without one it is a team's first, or was published from the command line.
    action = models.OneToOneField(Action, models.PROTECT, related_name="published", null=True)

    class Meta:
        ordering: ClassVar = ["-number"]
        # Two people who publish at once must not both make version 4.
        constraints: ClassVar = [models.UniqueConstraint(fields=["policy", "number"], name="policy_version_number")]

    def __str__(self) -> str:
        return f"{self.policy} v{self.number}"

    def attested(self) -> dict[str, object]:
        return {
            "version": self.id,
            "team": self.policy.team_id,
            "number": self.number,
            "digest": bytes(self.digest).hex(),
            **({"action": self.action_id} if self.action_id else {}),
        }


class Trial(models.Model):
    """A policy that rules nothing, to see what it would say of what happens from now on. One for each team."""

    id = models.TextField(primary_key=True, default=trial_id)
    team = models.OneToOneField("accounts.Team", models.PROTECT, related_name="+")
    source = models.TextField()
    document = OrderedJSONField()
    since = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"on trial since {self.since}"


class Ruling(models.Model):
    """The policy's answer to one action, with the rule that gave it and the reasons in words."""

    id = models.TextField(primary_key=True, default=ruling_id)
    action = models.ForeignKey(Action, models.PROTECT, related_name="rulings")
    version = models.ForeignKey(PolicyVersion, models.PROTECT, null=True, related_name="+")
    rule = models.TextField()
    changed_by = ArrayField(models.TextField(), default=list, db_default=[])  # the rules that changed it before
    outcome = models.TextField()
    requirement = models.JSONField(default=dict)  # of a review, as `approvals.policies.slots` writes it
    reasons = models.JSONField(default=list)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["-at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(outcome__in=["allow", "deny", "review", "defer"]),
                name="ruling_outcome_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} by {self.rule}"
