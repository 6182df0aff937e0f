"""The ways in which other systems prove that a delivery is theirs, as a table. No vendor stands here: what one of them
does is said by settings, which a person types or an overlay brings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from console.core.errors import Invalid, Tampered
from console.core.pointers import POINTER
from integrations.credential_parts import Part, one_of, printable, seconds, template
from integrations.credential_types import check_parts
from integrations.headers import TOKEN
from integrations.webhooks import signatures
from integrations.webhooks.signatures import Heard

IN_SIGNED = ("id", "timestamp", "body")
LONGEST_POINTER = 200
SHORTEST_SECRET, LONGEST_SECRET = 16, 1_000  # characters
SHORTEST_KEY = 8  # bytes, where the secret is base64


def any_header(value: str) -> str:
    return "" if TOKEN.fullmatch(value) and len(value) <= LONGEST_POINTER else "must be the name of a header"


def pointer(value: str) -> str:
    right = POINTER.fullmatch(value) and len(value) <= LONGEST_POINTER
    return printable(value) if right else "must be a JSON pointer such as /challenge"


def header_or_pointer(value: str) -> str:
    wrong = pointer(value) if value.startswith("/") else any_header(value)
    return wrong and "must be the name of a header, or a JSON pointer such as /event/id"


@dataclass(frozen=True, slots=True)
class Scheme:
    """`check` raises Refused for what is not genuine, given the open secrets. `fits` tells what is wrong with settings
    together, "" when nothing is."""

    name: str
    title: str
    check: Callable[[Heard, Mapping[str, str], list[str]], None]
    settings: tuple[Part, ...]
    fits: Callable[[Mapping[str, str]], str] = lambda _: ""

    def proves(self, settings: Mapping[str, str], place: str) -> bool:
        """Whether what stands at this place (a header, or a pointer into the body) is part of what is proven: what is
        not signed could be changed by whoever repeats a delivery. A token proves who sends all of it."""
        return "signs" not in settings or place.startswith("/") or "{id}" in settings["signs"]


def signed_fits(settings: Mapping[str, str]) -> str:
    signs = settings["signs"]
    if "{body}" not in signs:
        return "signs: must hold {body}"
    if ("{timestamp}" in signs) != ("timestamp_header" in settings):
        return "timestamp_header: belongs to a {timestamp} in what is signed, and the other way round"
    if "timestamp_prefix" in settings and "timestamp_header" not in settings:
        return "timestamp_prefix: there is no timestamp_header"
    if "{id}" in signs and settings.get("id", "/").startswith("/"):
        return "id: must be a header where what is signed holds {id}"
    return ""


_FACTS = (
    Part("id", "Delivery’s id", header_or_pointer, required=False,
         hint="A header, or a pointer into the body such as /event/id. Without it, equal bodies are one delivery."),
    Part("type", "Type of event", header_or_pointer, required=False, hint="A header, or a pointer such as /type."),
    Part("challenge", "What is said back", pointer, required=False,
         hint="A pointer such as /challenge, where the other side tries an address by a text that it wants answered."),
)  # fmt: skip
SCHEMES: Mapping[str, Scheme] = {one.name: one for one in (
    Scheme(
        "hmac", "Signature with a shared secret (HMAC)", signatures.check_hmac,
        (Part("header", "Header of the signature", any_header, hint="Its name, such as X-Signature."),
         Part("prefix", "What stands before it", required=False, hint="Such as sha256= or v1=; the rest is skipped."),
         Part("separator", "Between several", one_of("none", "comma", "space"), default="none",
              hint="Where the header is a list, any entry of it may match."),
         Part("encoding", "Encoding", one_of("hex", "base64"), default="hex"),
         Part("algorithm", "Algorithm", one_of("sha256", "sha512", "sha1"), default="sha256"),
         Part("signs", "What is signed", template(*IN_SIGNED), default="{body}", hint="Of {id}, {timestamp}, {body}."),
         Part("timestamp_header", "Header of the timestamp", any_header, required=False,
              hint="Unix seconds. May be the signature’s own header."),
         Part("timestamp_prefix", "What stands before the timestamp", required=False, hint="Such as t=, in a list."),
         Part("tolerance", "How old it may be, in seconds", seconds(10, 3600), default="300"),
         Part("secret_encoding", "The secret is", one_of("text", "base64"), default="text",
              hint="Of base64, a word before it such as whsec_ is left out."),
         *_FACTS),
        fits=signed_fits,
    ),
    Scheme(
        "token", "A fixed token in a header", signatures.check_token,
        (Part("header", "Header of the token", any_header, hint="Its name, such as X-Token."),
         Part("prefix", "What stands before it", required=False), *_FACTS),
    ),
)}  # fmt: skip


def known(name: str) -> Scheme:
    """Raises Tampered: nobody could have stored another one."""
    if name not in SCHEMES:
        raise Tampered(f"There is no way to check a delivery by {name!r}.")
    return SCHEMES[name]


def check_settings(name: str, given: Mapping[str, Any]) -> dict[str, str]:
    """Raises Invalid with the place."""
    if name not in SCHEMES:
        raise Invalid(f"{name!r:.40} is no way to check a delivery.")
    checked = check_parts(SCHEMES[name].settings, given, "")
    if wrong := SCHEMES[name].fits(checked):
        raise Invalid(wrong)
    return checked


def check_secret(settings: Mapping[str, str], secret: str) -> None:
    """Raises Invalid, which quotes nothing of it."""
    if not SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET or printable(secret):
        raise Invalid(f"The secret must be {SHORTEST_SECRET} to {LONGEST_SECRET:,} characters of printable ASCII.")
    try:
        key = signatures.key_of(settings, secret)
    except ValueError:
        key = b""
    if len(key) < SHORTEST_KEY:
        raise Invalid(f"The secret is not base64 of {SHORTEST_KEY} bytes or more, as the settings say.")


def headers_needed(settings: Mapping[str, str]) -> frozenset[str]:
    """In small letters."""
    named = (settings.get(name, "/") for name in ("header", "timestamp_header", "id", "type"))
    return frozenset(name.lower() for name in named if not name.startswith("/"))


def told(name: str, settings: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each setting and its title, for people."""
    parts = SCHEMES[name].settings if name in SCHEMES else ()
    return [(part.title, settings[part.name]) for part in parts if part.name in settings]
