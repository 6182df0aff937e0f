"""What a genuine delivery says: its id, its type, its content. All of it is somebody else's word. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from console.core.pointers import Missing, point
from console.core.strict_json import read_json
from integrations.redaction import clean
from integrations.styles import text
from integrations.webhooks.schemes import known
from integrations.webhooks.signatures import Heard

LONGEST_NAME = 200
LONGEST_TRIAL = 4_096  # bytes of a body whose text may be said back
_CHALLENGE = re.compile(r"[!-~]{1,500}")
DEEPEST = 64  # what is nested deeper would end whoever walks through it


@dataclass(frozen=True, slots=True)
class Said:
    """`key` is by what another delivery is known as the same."""

    key: str
    name: str
    type: str


def read_body(body: bytes) -> Any:
    """As JSON where it is that, as text otherwise. Characters that PostgreSQL cannot store are replaced."""
    written = body.decode("utf-8", "replace")
    try:
        content = read_json(written)
    except (ValueError, RecursionError):
        content = written
    return clean(written if _deeper(content, DEEPEST) else content, ())


def challenge(body: bytes, settings: Mapping[str, str]) -> str:
    """The text that the other side wants answered to believe that an address is ours; "" where it wants none."""
    if "challenge" not in settings or len(body) > LONGEST_TRIAL:
        return ""
    try:
        wanted = point(read_body(body), settings["challenge"])
    except Missing:
        return ""
    return wanted if isinstance(wanted, str) and _CHALLENGE.fullmatch(wanted) else ""


def say(heard: Heard, scheme: str, settings: Mapping[str, str]) -> Said:
    """An id that is not part of what was proven tells nothing apart: whoever repeats a delivery could change it. Then,
    and where there is none, the body does."""
    content = read_body(heard.body)
    name, kind = (_found(heard, content, settings.get(setting, "")) for setting in ("id", "type"))
    proven = name and known(scheme).proves(settings, settings["id"])
    # A digest of the id as well: it may be of any length, and an index has a limit.
    key = f"id {_digest(name.encode())}" if proven else f"body {_digest(heard.body)}"
    return Said(key, name[:LONGEST_NAME], kind[:LONGEST_NAME])


def _found(heard: Heard, content: Any, place: str) -> str:
    if not place.startswith("/"):
        written = heard.header(place) if place else ""
    else:
        try:
            written = text(point(content, place))
        except Missing:
            written = ""
    return str(clean(written, ()))


def _deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 0 or _deeper(one, levels - 1) for one in inner)


def _digest(value: bytes) -> str:
    return sha256(value).hexdigest()
