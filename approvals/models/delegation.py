"""That one reviewer signs in another's place for a time."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from approvals.policies.standing_in import Given
from console.core.clock import iso
from console.core.ids import new_id
from console.core.states import transitions


def delegation_id() -> str:
    return new_id("dlg")


class Delegation(models.Model):
    """What it gives is attested: SQL names nobody to sign for somebody. Which groups count is not said here; they are
    the delegator's, as they are when the delegate signs."""

    KIND: ClassVar = "approvals:delegation"
    TRANSITIONS: ClassVar = transitions(initial="given", given="ended", ended="")

    id = models.TextField(primary_key=True, default=delegation_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+", db_index=False)
    delegator = models.ForeignKey("accounts.User", models.PROTECT, related_name="+", db_index=False)
    delegate = models.ForeignKey("accounts.User", models.PROTECT, related_name="+", db_index=False)
    state = models.TextField(default="given")
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    at_most = models.BigIntegerField(null=True)  # minor units of the currency
    currency = models.TextField(default="")
    categories = ArrayField(models.TextField(), default=list)  # none: whatever it is
    away = models.BooleanField(default=False)  # notices go to the delegate in place of the delegator
    given_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    attestation = models.BinaryField(max_length=64)

    class Meta:
        ordering: ClassVar = ["-given_at", "-id"]
        constraints: ClassVar = [
            # Somebody is stood in for by one person at a time; its index finds theirs.
            models.UniqueConstraint(fields=["delegator", "team"], condition=Q(state="given"), name="delegation_one"),
            # To oneself it would be a second vote.
            models.CheckConstraint(condition=~Q(delegate=F("delegator")), name="delegation_to_another"),
            # What has no end is no absence.
            models.CheckConstraint(condition=Q(ends_at__gt=F("begins_at")), name="delegation_lasts"),
            # A number without a currency is no cap.
            models.CheckConstraint(
                condition=Q(at_most=None, currency="") | Q(at_most__gt=0) & ~Q(currency=""), name="delegation_cap"
            ),
            # The moment agrees with the state.
            models.CheckConstraint(
                condition=Q(state="given", ended_at=None) | Q(state="ended", ended_at__isnull=False),
                name="delegation_ended_iff_final",
            ),
        ]
        indexes: ClassVar = [
            # In whose place somebody may sign is asked whenever a reviewer looks at what waits.
            models.Index(fields=["delegate", "team"], condition=Q(state="given"), name="delegation_received"),
            # What became of those that somebody gave or received.
            models.Index(fields=["team", "-given_at"], name="delegation_of_team"),
        ]

    def __str__(self) -> str:
        return f"{self.delegate_id} for {self.delegator_id}"

    @property
    def given(self) -> Given:
        return Given(self.delegator_id, self.delegate_id, self.begins_at, self.ends_at, self.at_most, self.currency,
                     frozenset(self.categories))  # fmt: skip

    def attested(self) -> dict[str, object]:
        return {
            "delegation": self.id,
            "team": self.team_id,
            "delegator": self.delegator_id,
            "delegate": self.delegate_id,
            "from": iso(self.begins_at),
            "until": iso(self.ends_at),
            "at_most": self.at_most,
            "currency": self.currency,
            "categories": sorted(self.categories),
            "away": self.away,
        }

    def audit_context(self) -> Mapping[str, Any]:
        return {"team": self.team_id}
