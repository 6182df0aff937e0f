"""An address in the parts that decide where it leads: who is asked there, and which of it is only a path. Pure."""

from dataclasses import dataclass

import idna

from console.core.chips import scripts_of
from integrations.explain import urlsplit_or_none


@dataclass(frozen=True, slots=True)
class Address:
    """`before` and `rest` stand around the host, so that the three are the address as it is sent. `spelled` is the host
    in its own letters where it is sent in others; `scripts` are those that it is written in, where Latin is not the
    only one; `beware` says what about it misleads."""

    before: str
    host: str
    rest: str
    spelled: str
    scripts: str
    beware: str


def address_of(text: str) -> Address | None:
    parts = urlsplit_or_none(text)
    if parts is None:
        return None
    authority = parts.netloc
    found = text.find(authority) if authority else -1
    if not authority or found < 0:
        return Address(f"{text.partition(':')[0]}:", "", text.partition(":")[2], "", "", _beware(text, ""))
    user, at, _ = authority.rpartition("@")
    start = found + len(user) + len(at)
    host = _host(authority[len(user) + len(at) :])
    spelled = in_letters(host)
    scripts = scripts_of(spelled)
    return Address(text[:start], host, text[start + len(host) :], spelled if spelled != host else "",
                   " and ".join(scripts) if scripts not in ((), ("Latin",)) else "", _beware(text, at))  # fmt: skip


def _beware(text: str, at: str) -> str:
    if "\\" in text:
        return "It holds a backslash, which programs read in different ways."
    return "What stands before the @ is not where it leads." if at else ""


def _host(place: str) -> str:
    """Without the port."""
    if place.startswith("["):
        return place.partition("]")[0] + "]"
    return place.partition(":")[0]


def in_letters(host: str) -> str:
    """Of names in punycode (RFC 3492), what they stand for; what stands for nothing stays."""
    return ".".join(_label(one) for one in host.split("."))


def _label(label: str) -> str:
    if not label.lower().startswith("xn--"):
        return label
    try:
        return idna.decode(label)
    except (idna.IDNAError, UnicodeError):
        try:
            return label[4:].encode("ascii").decode("punycode")  # no valid name, and yet some program may show it
        except UnicodeError:
            return label
