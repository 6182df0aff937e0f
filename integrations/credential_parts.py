"""What the parts of a credential and the settings of a way to sign in must be. Pure."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from console.core.jwt import read_key
from integrations.headers import OURS, TOKEN, VALUE
from integrations.injection import PLACE

LONGEST, LARGEST = 8_000, 64 * 1024  # characters of one line, of a file
# Headers that cannot carry a credential, beside those of callers: the console writes them itself.
_TAKEN = OURS - {"authorization"} | {"accept", "traceparent", "tracestate"}
ADDRESS = "must be https://host[:port]/path, without a user and a fragment"
Check = Callable[[str], str]


def printable(value: str) -> str:
    right = VALUE.fullmatch(value) and len(value) <= LONGEST
    return "" if right else f"must be printable ASCII without a space at either end, at most {LONGEST:,} characters"


def lines(value: str) -> str:
    right = re.fullmatch(r"[ -~\r\n\t]*", value) and len(value) <= LARGEST
    return "" if right else f"must be printable ASCII, at most {LARGEST:,} characters"


def user(value: str) -> str:
    return printable(value) or ("must be without a colon" if ":" in value else "")  # RFC 7617 §2


def header_name(value: str) -> str:
    free = TOKEN.fullmatch(value) and value.lower() not in _TAKEN
    return "" if free else "must be the name of a header that is free to carry a credential"


def word(value: str) -> str:
    return "" if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", value) else "must be of a-z, 0-9 and hyphens"


@dataclass(frozen=True, slots=True)
class OneOf:
    """A check that pages show as a choice."""

    choices: tuple[str, ...]

    def __call__(self, value: str) -> str:
        return "" if value in self.choices else f"must be one of {', '.join(self.choices)}"


def one_of(*choices: str) -> OneOf:
    return OneOf(choices)


def seconds(least: int, most: int) -> Check:
    def check(value: str) -> str:
        right = re.fullmatch("[0-9]{1,9}", value) and least <= int(value) <= most
        return "" if right else f"must be a number of seconds from {least:,} to {most:,}"

    return check


def template(*places: str, newlines: bool = False) -> Check:
    """Text with places in braces."""

    def check(value: str) -> str:
        unknown = set(PLACE.findall(value)) - set(places)
        if unknown:
            return f"has no {{{min(unknown)}}}; it may hold {', '.join(f'{{{place}}}' for place in places)}"
        return printable(value.replace("\n", "")) if newlines else printable(value)

    return check


def address(value: str) -> str:
    """Of an authorization server, as a person binds it. Without TLS only where it is a host of one's own network: the
    door speaks to that only if the installation allows it."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return ADDRESS
    plain = parts.scheme == "http" and (host == "localhost" or _is_private(host))
    right = (parts.scheme == "https" or plain) and host and parts.username is None and not parts.fragment
    return printable(value) if right and " " not in value else ADDRESS


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Part:
    """Of a credential, or a setting of an integration. `check` tells what is wrong with a value, "" when nothing is."""

    name: str
    title: str
    check: Check = printable
    secret: bool = False
    required: bool = True
    hint: str = ""
    default: str = ""

    @property
    def choices(self) -> tuple[str, ...]:
        return self.check.choices if isinstance(self.check, OneOf) else ()

    @property
    def multiline(self) -> bool:
        return self.check is lines


def anything_fits(_settings: Mapping[str, str], _parts: Mapping[str, str]) -> str:
    return ""


def key_id_fits(settings: Mapping[str, str], parts: Mapping[str, str]) -> str:
    named = "key_header" in settings or any("{key_id}" in settings[name] for name in ("signs", "value"))
    return "key_id: is missing" if named and "key_id" not in parts else ""


def key_fits(settings: Mapping[str, str], parts: Mapping[str, str]) -> str:
    try:
        read_key(settings["algorithm"], parts["private_key"])
    except ValueError as error:
        return f"private_key: {error}"
    return ""


def certificate_fits(_settings: Mapping[str, str], parts: Mapping[str, str]) -> str:
    try:
        key = load_pem_private_key(parts["private_key"].encode(), password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return "private_key: is not a private key in PEM without a passphrase"
    try:
        first = x509.load_pem_x509_certificates(parts["certificate"].encode())[0]
    except ValueError:
        return "certificate: is not a certificate in PEM"
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    same = first.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)
    return "" if same else "private_key: does not belong to the first certificate"
