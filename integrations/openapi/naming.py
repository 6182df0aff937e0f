"""Names that stay: of operations across imports, and of arguments within an operation."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping

LONGEST = 64
_APART = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def words(text: str) -> list[str]:
    """`PostCustomersCustomerID` → post, customers, customer, id."""
    return [word for word in re.split(r"[^a-z0-9]+", _APART.sub(" ", text).lower()) if word]


def slug(text: str) -> str:
    """As `console`'s names are: letters a to z first, digits and underscores, at most 64."""
    made = "_".join(words(text)) or "unnamed"
    made = made if made[0].isalpha() else f"n{made}"
    return made if len(made) <= LONGEST else f"{made[: LONGEST - 9]}_{_mark(text)}"


def operation_slugs(operations: Iterable[tuple[str, str, str]], known: Mapping[str, str]) -> dict[str, str]:
    """By key (`GET /a/{b}`), of triples of key, operationId or "", path. What is `known` keeps its name; others that
    would have one name in common are told apart by what they are, not by their order in the document."""
    wanted = {key: slug(identity or key) for key, identity, _ in operations if key not in known}
    shared = Counter(wanted.values())
    taken = set(known.values())
    chosen = dict(known)
    for key, name in wanted.items():
        alone = shared[name] == 1 and name not in taken
        chosen[key] = name if alone else f"{name[: LONGEST - 9]}_{_mark(key)}"
    return chosen


def argument_slugs(names: Iterable[tuple[str, str]]) -> list[str]:
    """Of pairs of place and name, in order: the first keeps its name, and a later one says its place."""
    chosen: list[str] = []
    for place, name in names:
        made = slug(name)
        if made in chosen:
            made = f"{made[: LONGEST - 1 - len(place)]}_{place}"
        if made in chosen:
            made = f"{made[: LONGEST - 9]}_{_mark(f'{place} {name}')}"
        chosen.append(made)
    return chosen


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
