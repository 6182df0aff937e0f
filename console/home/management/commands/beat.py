"""`manage.py beat`: the sweeps, until it is told to stop."""

from typing import Any

from django.core.management.base import BaseCommand

from console.home.beat import run
from console.home.stopping import until_stopped


class Command(BaseCommand):
    help = "Run the sweeps: lost wake-ups, due timers, expired reviews, partitions."

    def handle(self, *_: Any, **__: Any) -> None:
        run(until_stopped())
