"""What an action is changed to by those who were asked to sign it."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from approvals.models.action import Action
from approvals.models.review import Decision
from console.core.fields import OrderedJSONField
from console.core.ids import new_id


def revision_id() -> str:
    return new_id("rvn")


class Revision(models.Model):
    """All arguments of an action, as one of those who were asked to sign it wants them."""

    id = models.TextField(primary_key=True, default=revision_id)
    action = models.ForeignKey(Action, models.PROTECT, related_name="revisions", db_index=False)
    number = models.PositiveSmallIntegerField()  # what was asked for is 1
    arguments = OrderedJSONField()
    editor = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    decision = models.OneToOneField(Decision, models.PROTECT, related_name="revision")
    attestation = models.BinaryField(max_length=64)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["action", "number"]
        constraints: ClassVar = [
            # Two changes of the same version would leave it open which one is signed.
            models.UniqueConstraint(fields=["action", "number"], name="revision_number"),
        ]

    def __str__(self) -> str:
        return f"{self.action_id} v{self.number}"

    def attested(self) -> dict[str, object]:
        return {
            "revision": self.id,
            "action": self.action_id,
            "number": self.number,
            "arguments": self.arguments,
            "editor": self.editor_id,
            "decision": self.decision_id,
        }
