from django.db import models


class Heartbeat(models.Model):
    """A process that runs, and when it last said so. One row per kind of process, not per machine."""

    process = models.TextField(primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.process} at {self.at}"
