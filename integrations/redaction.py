"""What comes back is kept without the secret, in whatever form a peer may have said it. Pure."""

import base64
import html
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
SHORTEST = 6  # characters: shorter ones stand in every other text
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def redact(text: str, forms: Iterable[str]) -> str:
    """Without the secret in any of its forms."""
    for form in forms:
        text = text.replace(form, REDACTED)
    return text


def echoes(*secrets: str) -> list[str]:
    """The forms of secrets that a peer might echo: as it is, base64, URL-encoded, JSON-escaped … The longest first."""
    forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
    return sorted(forms, key=len, reverse=True)


def _forms(secret: str) -> Iterable[str]:
    basic = base64.b64encode(f"{secret}:".encode()).decode()
    plain = base64.b64encode(secret.encode()).decode()
    return (
        secret,
        basic,
        plain,
        plain.rstrip("="),
        *_base64_forms(secret.encode()),
        quote(secret, safe=""),
        quote_plus(secret),
        re.sub("%..", lambda code: code[0].lower(), quote(secret, safe="")),
        json.dumps(secret)[1:-1],
        json.dumps(secret)[1:-1].replace("/", r"\/"),  # as PHP writes it
        html.escape(secret),
        secret.encode().hex(),
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
