"""What an operation probably does. Proposals for a person to confirm: names lie, so doubt counts as the worse case."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml

_WORDS = yaml.safe_load(Path(__file__).with_name("words.yaml").read_text())
_DESTROYING, _CHANGING, _LOOKING = (
    frozenset(_WORDS["doing"][kind].split()) for kind in ("destroying", "changing", "looking")
)
_MEANING = {word: category for category, known in _WORDS["about"].items() for word in known.split()}


class Proposal(NamedTuple):
    effect: str
    categories: list[str]
    doubt: str  # what a person should look at; "" where method and name agree


def propose(method: str, name: Iterable[str], about: Iterable[str], *, one_of_many: bool = False) -> Proposal:
    """`name` are the words of the operation's own name, `about` those of its path and tags. A read is proposed only
    for GET, HEAD and OPTIONS. Where it is `one_of_many` actions at one address, as in `/?Action=RunInstances`, their
    method says nothing: there a read is proposed only where its name begins with a word for looking."""
    own = list(name)
    doing = next((word for word in own if word in _DESTROYING | _CHANGING | _LOOKING), "")
    categories = sorted({_MEANING[word] for word in (*own, *about) if word in _MEANING}) or ["other"]
    if method in ("GET", "HEAD", "OPTIONS"):
        hidden = one_of_many and own[:1] != [doing]
        if hidden and doing not in _DESTROYING:
            return Proposal("write", categories, f"{method} of an action that does not say that it only looks")
        if doing in _DESTROYING | _CHANGING:
            effect = "destructive" if doing in _DESTROYING else "write"
            return Proposal(effect, categories, f"{method} that seems to {doing}")
        return Proposal("read", categories, "")
    if method == "DELETE" or doing in _DESTROYING:
        return Proposal("destructive", categories, "")
    return Proposal("write", categories, f"{method} that may only {doing}" if doing in _LOOKING else "")
