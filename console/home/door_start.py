"""A door whose keys do not open what is stored refuses to start: found out later, it would fail what people signed."""

import sys

from django.db import connection

from console.core.door_keys import KeyMissing
from console.notices import channels
from integrations.door_key import why_not_fit


def check_keys() -> None:
    """Whatever keeps this from being known ends the start too: whoever keeps the door running starts it again."""
    try:
        wrong = [*why_not_fit(), *channels.why_not_fit()]
    except KeyMissing as error:
        wrong = [str(error)]
    except Exception as error:  # noqa: BLE001  (no reason of any kind may let it start)
        wrong = [f"This door cannot tell whether its keys open what is stored. {type(error).__name__}: {error}"]
    connection.close()
    if wrong:
        sys.exit("\n".join(wrong))
