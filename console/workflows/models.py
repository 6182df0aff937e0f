"""Versioned definitions. A version is never changed: a run can always be read beside what it ran."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from console.core.fields import OrderedJSONField
from console.core.ids import new_id


def workflow_id() -> str:
    return new_id("wf")


def version_id() -> str:
    return new_id("wfv")


class Workflow(models.Model):
    id = models.TextField(primary_key=True, default=workflow_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    slug = models.TextField()
    title = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["slug"]
        constraints: ClassVar = [
            # Grants name a workflow by its slug within the team.
            models.UniqueConstraint(fields=["team", "slug"], name="workflow_slug_in_team"),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def grantee(self) -> str:
        return f"workflow:{self.slug}"


class WorkflowVersion(models.Model):
    """`source` is the YAML as given, `document` the same read; a trigger refuses to change either."""

    id = models.TextField(primary_key=True, default=version_id)
    workflow = models.ForeignKey(Workflow, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    source = models.TextField()
    document = OrderedJSONField()
    digest = models.BinaryField(max_length=32)
    published_at = models.DateTimeField(db_default=Now())
    published_by = models.TextField()

    class Meta:
        ordering: ClassVar = ["-number"]
        # Two people who publish at once must not both make version 4.
        constraints: ClassVar = [models.UniqueConstraint(fields=["workflow", "number"], name="workflow_version_number")]

    def __str__(self) -> str:
        return f"{self.workflow.slug} v{self.number}"
