"""`manage.py door`: reads preconditions, asks the policy, opens secrets and sends, until it is told to stop."""

from typing import Any

from django.core.management.base import BaseCommand

from console.core import lanes
from console.home.door_start import check_keys
from console.home.health import keep_beating
from console.home.stopping import until_stopped
from console.notices.deliver import keep_delivering

LANES = 8
LAST_LETTER = 2.0  # seconds that one which is under way has, so that it need not go out again


class Command(BaseCommand):
    help = "Run the door: what speaks to external systems."

    def handle(self, *_: Any, **__: Any) -> None:
        check_keys()
        stop = until_stopped()
        keep_beating(stop)
        threads = keep_delivering(stop)
        lanes.run(stop, LANES)
        for thread in threads:
            thread.join(LAST_LETTER)
