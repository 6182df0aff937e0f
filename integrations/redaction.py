"""What comes back is kept without the secret, in whatever form a peer may have said it. Pure."""

import base64
import functools
import json
import re
from collections.abc import Iterable
from html.entities import codepoint2name
from itertools import groupby
from typing import Any
from urllib.parse import quote

REDACTED = "[redacted]"
SHORTEST = 6  # characters: shorter ones stand in every other text
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_RUN = re.compile("[0-9A-Za-z]+")
# Escapes within escapes, counted so that a text of nothing else takes no longer than another.
_BACKSLASHES = r"(?:\\|%(?:25){0,3}5[cC]){0,15}?"
_ONES_OWN = r"(?i:\\|%(?:25){0,3}5c|u005c|x5c|&(?:amp;){0,3}(?:#0{0,7}92|#x0{0,7}5c|bsol);){1,15}+"  # in the secret
_AMPERSAND = r"(?:&|u0026|%(?:25){0,3}26)(?:amp;){0,3}"
_LETTERS = {"\b": "b", "\t": "t", "\n": "n", "\f": "f", "\r": "r"}


def redact(text: str, forms: Iterable[str]) -> str:
    """Without the secret in any of its forms, however its characters are escaped: for URLs, in JSON, in HTML, or in one
    of them within another. Letters and digits, which nobody escapes, are looked for as they are."""
    for form in forms:
        text = text.replace(form, REDACTED)
        if isinstance(form, Form) and form.longest_run in text:
            text = form.escaped.sub(REDACTED, text)
    return text


class Form(str):
    """One in which a peer might say a secret, and as others may escape it."""

    @functools.cached_property
    def longest_run(self) -> str:
        return max(_RUN.findall(self), key=len, default="")

    @functools.cached_property
    def escaped(self) -> re.Pattern[str]:
        parts = list[str]()
        for character, run in groupby(self):
            parts.append(_ONES_OWN if character == "\\" else _any_way(character) * len(list(run)))
        made = re.compile("".join(parts).removeprefix(_BACKSLASHES))
        re.purge()  # it would keep the secret for as long as the process lives
        return made


def _any_way(character: str) -> str:
    """One character, as it is or as others write it."""
    if character.isascii() and character.isalnum():
        return character
    units = memoryview(character.encode("utf-16-le")).cast("H")
    entities = [f"#0{{0,7}}{ord(character)}", f"#x0{{0,7}}{ord(character):x}", *_names(character)]
    ways = [
        re.escape(character),
        "".join(f"%(?:25){{0,3}}{byte:02x}" for byte in character.encode()),
        r"\\{0,15}".join(f"u{unit:04x}" for unit in units),
        f"x{ord(character):02x}",
        f"{_AMPERSAND}(?:{'|'.join(entities)});",
        *([_LETTERS[character]] if character in _LETTERS else []),
        *([r"\+"] if character == " " else []),
        *([r"\r\n"] if character == "\n" else []),
    ]
    return f"{_BACKSLASHES}(?i:{'|'.join(ways)})"


def _names(character: str) -> list[str]:
    name = "apos" if character == "'" else codepoint2name.get(ord(character))
    return [name] if name else []


def echoes(*secrets: str) -> list[str]:
    """The forms of secrets that a peer might echo, apart from escapes: as it is, base64, hexadecimal. The longest
    first."""
    forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
    told = (form if form.isascii() and form.isalnum() else Form(form) for form in forms)
    return sorted(told, key=len, reverse=True)


def _forms(secret: str) -> Iterable[str]:
    basic = base64.b64encode(f"{secret}:".encode()).decode()
    plain = base64.b64encode(secret.encode()).decode()
    return (
        secret,
        quote(secret, safe=""),  # these two also of one that looks escaped itself
        json.dumps(secret)[1:-1],
        basic,
        plain,
        plain.rstrip("="),
        *_base64_forms(secret.encode()),
        secret.encode().hex(),
        secret.encode().hex().upper(),
    )


def _base64_forms(secret: bytes) -> Iterable[str]:
    """Also inside something longer, such as the whole Authorization header: base64 looks different at each of three
    places, and the characters at both ends hold bits of the neighbours."""
    for ahead in range(3):
        whole = base64.b64encode(bytes(ahead) + secret).decode().rstrip("=")
        inner = whole[-(-ahead * 8 // 6) : (ahead + len(secret)) * 8 // 6]
        yield from (inner, inner.translate(str.maketrans("+/", "-_")))


def clean(value: Any, forms: Iterable[str]) -> Any:
    """Redacted once more after parsing, because JSON may escape any character: the text need not hold what its values
    hold. Characters that PostgreSQL cannot store must not lose us the receipt of what was done."""
    if isinstance(value, str):
        return redact(_UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value), forms)
    if isinstance(value, list):
        return [clean(inner, forms) for inner in value]
    if isinstance(value, dict):
        return {clean(key, forms): clean(inner, forms) for key, inner in value.items()}
    return value
