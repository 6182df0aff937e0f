"""What we decoded of an action ourselves: the sentence, the lines of what changes, the amount. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from console.core.errors import Invalid
from console.core.expressions import fill
from console.core.text import money
from integrations.description import Description


@dataclass(frozen=True, slots=True)
class Facts:
    """`lines`: {label, was, becomes, format, currency?}; format `undecoded` marks an argument no line explains."""

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
    described = [_line(fact, scope) for fact in document.get("facts", [])]
    shown = {fact.get("shows") for fact in document.get("facts", [])}
    undecoded = tuple(name for name in arguments if name not in shown)
    lines = described + [_undecoded(name, arguments[name]) for name in undecoded]
    sentence = str(fill(document["sentence"], scope)) if "sentence" in document else str(document["title"])
    return Facts(sentence, lines, amount, currency, _counterparty(document, scope), undecoded)


def _counterparty(document: Mapping[str, Any], scope: Mapping[str, Any]) -> str:
    """ "" where none is described, or there is none this time."""
    told = fill(document.get("counterparty"), scope)
    return "" if told is None else str(told)


def decode_amount(operation: Description, scope: Mapping[str, Any]) -> tuple[int | None, str]:
    """None where the description names none. Raises Invalid where it could not be decoded."""
    described = operation.document.get("amount")
    if not described:
        return None, ""
    minor, currency = fill(described["minor"], scope), fill(described["currency"], scope)
    if not isinstance(minor, int) or isinstance(minor, bool) or not isinstance(currency, str):
        raise Invalid(f"{operation.slug}: the amount could not be decoded.", code="undecodable")
    return minor, currency.lower()


def _line(fact: Mapping[str, Any], scope: Mapping[str, Any]) -> dict[str, Any]:
    line = {
        "label": str(fill(fact["label"], scope)),
        "was": fill(fact.get("was"), scope),
        "becomes": fill(fact["becomes"], scope),
        "format": fact.get("format", "text"),
    }
    if "currency" in fact:
        line["currency"] = fill(fact["currency"], scope)
    return line


def _undecoded(name: str, value: Any) -> dict[str, Any]:
    return {"label": name, "was": None, "becomes": value, "format": "undecoded"}
