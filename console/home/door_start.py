"""A door whose keys do not open what is stored refuses to start: found out later, it would fail what people signed."""

import sys

from celery.signals import worker_init
from django.conf import settings
from django.db import connection

from console.core.door_keys import KeyMissing
from integrations.door_key import why_not_fit


def check(**_: object) -> None:
    """A database that is away ends the start too: whoever keeps the door running starts it again."""
    if settings.PROCESS != "door":
        return
    try:
        wrong = list(why_not_fit())
    except (KeyMissing, RuntimeError) as error:
        wrong = [str(error)]
    connection.close()
    if wrong:
        sys.exit("\n".join(wrong))


worker_init.connect(check)
