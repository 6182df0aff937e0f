"""`manage.py sequencer`: takes records into the tree and has it signed, until it is told to stop."""

from typing import Any

from django.core.management.base import BaseCommand

from audit.sequencer import run
from console.home.health import beat_heart
from console.home.restore import agreed
from console.home.stopping import until_stopped


class Command(BaseCommand):
    help = "Take records into the tree, and have each tree signed."

    def handle(self, *_: Any, **__: Any) -> None:
        run(until_stopped(), beat_heart, agreed)
