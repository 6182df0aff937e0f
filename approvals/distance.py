"""How far an action is, in meaning, from what a person asked its run for: a hint, with the extra `distance` installed.

Compared are the person's words and the title of the operation. Nothing that an agent or the other side wrote moves it:
no argument, no reason, and not what an agent tells that somebody asked of it."""

import functools
import importlib.util
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from approvals.models import Action

LONGEST = 4_000  # characters of a request that are looked at
_PARTS = re.compile(r"[.!?;\n]+")
_logger = logging.getLogger(__name__)


def has_persons_words(action: Action) -> bool:
    return bool(action.request) and action.request_by == "person"


def distance_of(action: Action) -> int | None:
    """Needs the operation loaded. None also where nobody has reviewed its title: the other side may have written it."""
    description = action.operation.description
    if not has_persons_words(action) or description.get("trust", "imported") == "imported":
        return None
    return distance(action.request, description["title"])


def distance(request: str, said: str) -> int | None:
    """From 0, the same, to 100, of the sentence of the request that is nearest. None where it cannot be told. Whole, so
    that it is the same on all machines, and has a place in what is signed."""
    try:
        meaning, parts = _meaning(), [part for part in _PARTS.split(request[:LONGEST]) if part.strip()]
        if meaning is None or not parts:
            return None
        other = meaning(said)
        nearest = max(float(meaning(part) @ other) for part in parts)
        return round(100 * min(1.0, max(0.0, 1 - nearest)))
    except Exception:  # the tokenizer's own errors have no other class; what is not known asks a person
        _logger.exception("How far an action is from what was asked for could not be told.")
        return None


@functools.cache
def _meaning() -> Callable[[str], Any] | None:
    """Makes a vector of length 1 of a text: the mean of its tokens'. None without the extra.

    Read from the package's files: its own loader looks for the tokenizer in a place where it is not, and then downloads
    one."""
    try:
        from safetensors.numpy import load_file  # noqa: PLC0415  # an extra
        from tokenizers import Tokenizer  # noqa: PLC0415  # the same
    except ImportError:
        return None
    package = importlib.util.find_spec("wordllama")
    if package is None or package.origin is None:
        return None
    files = Path(package.origin).parent
    weights = load_file(files / "weights" / "l2_supercat_256.safetensors")["embedding.weight"]
    tokenizer = Tokenizer.from_file(str(files / "tokenizers" / "l2_supercat_tokenizer_config.json"))

    def meaning(text: str) -> Any:
        tokens = tokenizer.encode(text, add_special_tokens=False).ids
        vector = weights[tokens].astype("float64").mean(axis=0)
        return vector / (vector @ vector) ** 0.5

    return meaning
