"""What whoever signs would miss of an operation as it is described. Pure; it refuses nothing, it tells."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from console.core.expressions import expressions
from integrations.description import Description
from integrations.explain import paths_of, shown_by_facts
from integrations.schema_view import Told, View

CRITICAL = ("financial", "security")
DEEPEST, MOST = 3, 100  # levels of a schema, and parts of each, that are looked at


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` is the same for the same lack, whatever it is called."""

    code: str
    text: str


def lint(operation: Description, view: View | None = None) -> list[Finding]:
    """Of what changes something, all; of a read only what is wrong with what is said of it. `view` is of its
    definitions, where others have the same."""
    found = list(lint_facts(operation.document))
    if operation.effect != "read":
        found += [
            *_arguments(operation, view or View(operation.definitions)),
            *_sentence(operation),
            *_by_category(operation),
        ]
    return found


def lint_facts(said: Mapping[str, Any]) -> Iterator[Finding]:
    """Also of what an overlay says, which knows no arguments."""
    facts = said.get("facts", [])
    labels = [str(fact["label"]) for fact in facts]
    for label in dict.fromkeys(one for one in labels if labels.count(one) > 1):
        yield Finding("label_twice", f"Two facts are called {label!r}.")
    for fact in facts:
        if fact.get("format") == "money" and not fact.get("currency"):
            yield Finding("no_currency", f"The amount {fact['label']!r} has no currency.")
        if fact.get("format") == "identity" and not fact.get("name"):
            yield Finding("no_name", f"The identity {fact['label']!r} has no name beside it.")
        if any("arguments" in one for one in expressions(fact.get("name", ""))):
            yield Finding("own_name", f"The name beside {fact['label']!r} is what was sent, and no system of record's.")
        if "shows" in fact and (fact["shows"],) not in {path[:1] for path in paths_of(fact, said)}:
            yield Finding("not_shown", f"The fact {fact['label']!r} does not show {fact['shows']} as it is sent.")


def _arguments(operation: Description, view: View) -> Iterator[Finding]:
    for fact in operation.document.get("facts", []):
        if "shows" in fact and fact["shows"] not in operation.arguments:
            yield Finding("no_argument", f"The fact {fact['label']!r} shows {fact['shows']}, which there is not.")
    shown = {path[0] for path in shown_by_facts(operation.document)}
    keys = _keys(operation)
    for name, argument in operation.arguments.items():
        if name in shown or argument.get("name", name) in keys:
            continue
        if _is_told(argument["schema"], view):
            yield Finding("by_schema", f"No fact shows {name}. Signers see it as its schema calls it.")
        else:
            yield Finding("undecoded", f"Nothing tells what {name} means. Where it is used, one more has to sign.")


def _keys(operation: Description) -> set[str]:
    told = operation.document.get("idempotency", {})
    return {told[name] for name in ("header", "body") if name in told}


def _is_told(schema: Any, view: View) -> bool:
    """As far as it is looked at: a value may still turn out to be something else."""
    level: list[Any] = [schema]
    for _ in range(DEEPEST):
        told = [view.of(one) for one in level[:MOST]]
        if None in told:
            return False
        level = [inner for one in told if one for inner in _inside(one)]
    return True


def _inside(told: Told) -> list[Any]:
    if told.kind == "object":
        return list(told.schema["properties"].values())
    return [told.schema["items"]] if told.kind == "array" else []


def _sentence(operation: Description) -> Iterator[Finding]:
    named = " ".join(expressions(operation.document.get("sentence", "")))
    if "sentence" not in operation.document:
        yield Finding("no_sentence", "No sentence says what it does, to what.")
    elif operation.arguments and not ("arguments." in named or "reads." in named):
        yield Finding("no_target", "The sentence names nothing that it is done to.")


def _by_category(operation: Description) -> Iterator[Finding]:
    document = operation.document
    categories = set(document.get("categories", []))
    if "financial" in categories:
        if not document.get("amount"):
            yield Finding("no_amount", "It is financial, and no amount is described.")
        if not document.get("counterparty"):
            yield Finding("no_counterparty", "It is financial, and nobody says who is at the other end.")
    risky = sorted(categories & set(CRITICAL))
    if risky and not any(fact.get("critical") for fact in document.get("facts", [])):
        yield Finding("no_critical", f"It is {' and '.join(risky)}, and no fact is critical.")


def counted(operations: Iterable[Description], definitions: Mapping[str, Any], examples: int) -> list[dict[str, Any]]:
    """How many operations lack what, the most common first, with some of them. They share the definitions."""
    found: dict[str, list[str]] = {}
    view = View(definitions)
    for one in operations:
        for code in {finding.code for finding in lint(one, view)}:
            found.setdefault(code, []).append(one.slug)
    listed = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return [{"text": LACKS[code], "count": len(slugs), "slugs": slugs[:examples]} for code, slugs in listed]


LACKS = {
    "label_twice": "Two facts have one label",
    "no_currency": "An amount has no currency",
    "no_name": "An identity has no name beside it",
    "own_name": "A name beside an identity is what was sent",
    "not_shown": "A fact does not show the argument that it says it shows",
    "no_argument": "A fact shows an argument that there is not",
    "by_schema": "An argument is shown as its schema calls it",
    "undecoded": "An argument cannot be decoded, so one more has to sign",
    "no_sentence": "No sentence says what it does",
    "no_target": "The sentence names nothing that it is done to",
    "no_amount": "It is financial without an amount",
    "no_counterparty": "It is financial without a counterparty",
    "no_critical": "No fact is critical",
}
