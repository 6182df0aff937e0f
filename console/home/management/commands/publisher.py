"""`manage.py publisher`: witnesses, anchors, streams and exports, until it is told to stop."""

from typing import Any

from django.core.management.base import BaseCommand

from audit.publisher import run
from console.home.health import beat_heart
from console.home.stopping import until_stopped


class Command(BaseCommand):
    help = "Take the log to witnesses, anchors and streams, and write exports."

    def handle(self, *_: Any, **__: Any) -> None:
        run(until_stopped(), beat_heart)
