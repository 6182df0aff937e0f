"""`manage.py door_key`: the door's keys, a new one, and the end of one that nothing needs any more."""

from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.core import door_keys
from console.core.actor import system
from console.core.door_keys import ITSELF, DoorKey, KeyMissing
from console.core.key_services import SERVICES, ServiceFailed
from console.home.places import replace_file
from console.notices import channels
from integrations import door_key

ACTOR = system("door_key")
STILL = (
    "A running door brings them under the new key within seconds; those that were sealed by an earlier version have to"
    " be sealed anew and revoked."
)


def needed() -> Counter[str]:
    """The ids of the keys that secrets rest on, in whichever room, and how many each."""
    return Counter(door_key.needed()) + Counter(channels.needed())


class Command(BaseCommand):
    help = "Show, rotate and retire the door's keys. Run as the door: with its keys and its database role."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        acts.add_parser("show", help="each key, and how many secrets rest on it")
        rotating = acts.add_parser("rotate", help="make a new key, to which everything is sealed from now on")
        keepers = f"{ITSELF}, or {' or '.join(SERVICES)} with the name of its own key"
        rotating.add_argument(
            "--keep", metavar="SERVICE:KEY", default="", help=f"{keepers}; without it, whoever keeps the key before"
        )
        retiring = acts.add_parser("retire", help="forget a key on which no secret rests")
        retiring.add_argument("key", metavar="KEY-ID")

    def handle(self, *, act: str, key: str = "", keep: str = "", **_: Any) -> None:
        try:
            keys = door_keys.held()
            if act == "show":
                self.show(keys)
            elif act == "rotate":
                self.rotate(keys, door_keys.new_key(keep or keys[0].kept_by))
            else:
                self.retire(keys, key)
        except (KeyMissing, RuntimeError, ServiceFailed) as error:
            raise CommandError(str(error)) from None

    def show(self, keys: list[DoorKey]) -> None:
        counts, sealing = needed(), door_keys.sealing_key_id()
        for key in keys:
            says = "new secrets are sealed to it" if key.id == sealing else "earlier"
            self.stdout.write(f"{key.id}  {counts.pop(key.id, 0)} secrets  kept by {key.kept_by}  {says}")
        for identity, count in counts.items():
            self.stdout.write(f"{identity}  {count} secrets  MISSING: this door cannot open them")

    def rotate(self, keys: list[DoorKey], key: DoorKey) -> None:
        """The door has the key before anybody seals to it."""
        self.keep([key, *keys])
        with transaction.atomic():
            detail = {"before": keys[0].id, "kept_by": key.kept_by}
            record(Kind.DOOR_KEY_ADDED, subject=key.id, actor=ACTOR, detail=detail)
            if settings.DOOR_KEY_FILE:
                replace_file(Path(settings.DOOR_PUBLIC_FILE), f"{key.public}\n")
        self.stdout.write(f"{key.id} is the door's key now. Its public half, for every process: {key.public}")

    def retire(self, keys: list[DoorKey], identity: str) -> None:
        left = [key for key in keys if key.id != identity]
        if len(left) == len(keys):
            raise CommandError(f"The door holds no key {identity}; `door_key show` lists them.")
        if identity == door_keys.sealing_key_id():
            raise CommandError(f"New secrets are sealed to {identity}: rotate first.")
        if count := needed()[identity]:
            raise CommandError(f"{count} secret(s) still rest on {identity}. {STILL}")
        with transaction.atomic():
            record(Kind.DOOR_KEY_RETIRED, subject=identity, actor=ACTOR)
            self.keep(left)
        self.stdout.write(f"{identity} is retired. Doors that run forget it when they are started anew.")

    def keep(self, keys: list[DoorKey]) -> None:
        text = "".join(f"{key.line}\n" for key in keys)
        if settings.DOOR_KEY_FILE:
            replace_file(Path(settings.DOOR_KEY_FILE), text)
        else:
            self.stdout.write(
                f"Set COUNTERSIGN_DOOR_KEY to these {len(keys)} line(s), and start the doors anew:\n{text}"
            )
