"""The rows of the benchmark as other packages take notes of them. Importable only where those are installed."""
# mypy: ignore-errors

import pghistory
from django.db import models


class Row(models.Model):
    id = models.TextField(primary_key=True)
    team = models.TextField()
    state = models.TextField(default="running")
    run = models.TextField()
    name = models.TextField()
    count = models.IntegerField(default=0)

    class Meta:
        abstract = True

    def __str__(self):
        return str(self.pk)


class Logged(Row):
    class Meta:
        app_label = "audit_peers"


@pghistory.track(pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())
class Tracked(Row):
    class Meta:
        app_label = "audit_peers"
