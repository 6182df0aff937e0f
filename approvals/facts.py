"""What we decoded of an action ourselves: the sentence, the lines of what changes, the amount. Pure."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from console.core.errors import Invalid
from console.core.expressions import fill
from console.core.text import money
from integrations.description import Description
from integrations.explain import explained, is_base64

LONGEST_NAME = 500  # characters of a counterparty, which is looked up by an index


@dataclass(frozen=True, slots=True)
class Facts:
    """`lines`: {label, was, becomes, format, currency?, name?, critical?, by?}. Those `by` the schema are of arguments
    that no fact shows; the format `undecoded` marks what neither explains, under its path."""

    sentence: str
    lines: list[dict[str, Any]]
    amount_minor: int | None
    currency: str
    counterparty: str
    undecoded: tuple[str, ...]


def decode(operation: Description, arguments: Mapping[str, Any], reads: Mapping[str, Any], key: str) -> Facts:
    """Reads hold whole answers here, so that names can be shown. Raises Invalid for an expression that fails."""
    scope: dict[str, Any] = {"arguments": arguments, "reads": reads, "key": key}
    amount, currency = decode_amount(operation, scope)
    scope["money"] = money(amount, currency) if amount is not None else ""
    document = operation.document
    lines = [_line(fact, scope) for fact in document.get("facts", [])]
    lines += [_sized(one.line) for one in explained(operation, arguments)]
    undecoded = undecoded_lines(lines)
    sentence = str(fill(document["sentence"], scope)) if "sentence" in document else str(document["title"])
    return Facts(sentence, lines, amount, currency, _counterparty(document, scope), undecoded)


def _counterparty(document: Mapping[str, Any], scope: Mapping[str, Any]) -> str:
    """ "" where none is described, or there is none this time."""
    told = fill(document.get("counterparty"), scope)
    text = "" if told is None else str(told)
    if len(text) > LONGEST_NAME:
        raise Invalid(f"The counterparty has more than {LONGEST_NAME} characters.", code="undecodable")
    return text


def decode_amount(operation: Description, scope: Mapping[str, Any]) -> tuple[int | None, str]:
    """None where the description names none. Raises Invalid where it could not be decoded."""
    described = operation.document.get("amount")
    if not described:
        return None, ""
    minor, currency = fill(described["minor"], scope), fill(described["currency"], scope)
    if not isinstance(minor, int) or isinstance(minor, bool) or not isinstance(currency, str):
        raise Invalid(f"{operation.slug}: the amount could not be decoded.", code="undecodable")
    return minor, currency.lower()


def undecoded_lines(lines: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(str(line["label"]) for line in lines if line["format"] == "undecoded")


def is_money(value: Any, currency: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and len(str(currency or "")) == 3


def _line(fact: Mapping[str, Any], scope: Mapping[str, Any]) -> dict[str, Any]:
    line = {
        "label": str(fill(fact["label"], scope)),
        "was": fill(fact.get("was"), scope),
        "becomes": fill(fact["becomes"], scope),
        "format": fact.get("format", "text"),
        **{name: fill(fact[name], scope) for name in ("currency", "name") if name in fact},
        **({"critical": True} if fact.get("critical") else {}),
    }
    said = [value for value in (line["was"], line["becomes"]) if value is not None]
    if line["format"] == "money" and not all(is_money(value, line.get("currency")) for value in said):
        line["format"] = "undecoded"  # a number without a currency must not look like an amount
    return _sized(line)


def _sized(line: dict[str, Any]) -> dict[str, Any]:
    """Of bytes their number and digest, which is what people can compare; what they are is among the arguments."""
    if line["format"] not in ("bytes", "base64"):
        return line
    sized = {name: _size(line[name], line["format"]) for name in ("was", "becomes")}
    return {**line, **sized, "format": "bytes"}


def _size(value: Any, form: str) -> Any:
    if not isinstance(value, str):
        return value
    data = base64.b64decode(value) if form == "base64" and is_base64(value) else value.encode()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
