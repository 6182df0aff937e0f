"""The one table of dispatch: steps that something below has settled for."""

from django.db import models
from django.db.models.functions import Now


class Wake(models.Model):
    """Inserted inside the transaction that settles an action, because that transaction must not lock a step."""

    id = models.BigAutoField(primary_key=True)
    action = models.TextField()
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.action
