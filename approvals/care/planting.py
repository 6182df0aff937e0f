"""One fault planted into what was asked for once, for a drill. Pure, but for chance."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from console.core.text import money

Shown = dict[str, Any]  # by the names of an action's columns
FAULTS = ("amount", "counterparty", "evidence", "words")
ALIKE = {"0": "O", "O": "0", "1": "l", "l": "1", "I": "l", "5": "S", "S": "5", "8": "B", "B": "8", "o": "0", "e": "c",
         "n": "m", "m": "n", "a": "o", "u": "v"}  # fmt: skip
_TIMES = 10


def plant(shown: Mapping[str, Any], chance: random.Random) -> tuple[str, str, Shown]:
    """The fault, what it is in words, and what is shown then. As often as not there is none."""
    fitting = [fault for fault in FAULTS if _MAKE[fault](shown)]
    fault = chance.choice(fitting) if fitting and chance.random() < 0.5 else ""
    made = _MAKE[fault](shown) if fault else None
    if made is None:
        return "", "Nothing was planted: it is what was done once, and it was right.", dict(shown)
    return fault, made[0], made[1]


Made = tuple[str, Shown] | None  # None where it does not fit


def _amount(shown: Mapping[str, Any]) -> Made:
    minor, currency = shown["amount_minor"], shown["currency"]
    if not minor or not currency:
        return None
    more = minor * _TIMES
    changed = _replaced(dict(shown), minor, more, money(minor, currency), money(more, currency))
    facts = [
        new if old["was"] != old["becomes"] else old for old, new in zip(shown["facts"], changed["facts"], strict=True)
    ]
    told = (
        f"The amount was {_TIMES} times what had been asked for: {money(more, currency)}, not {money(minor, currency)}."
    )
    return told, {**changed, "facts": facts, "amount_minor": more, "evidence": shown["evidence"], "says": shown["says"]}


def _counterparty(shown: Mapping[str, Any]) -> Made:
    name = shown["counterparty"]
    at = next((place for place in range(len(name) - 1, -1, -1) if name[place] in ALIKE), None)
    if at is None:
        return None
    other = name[:at] + ALIKE[name[at]] + name[at + 1 :]
    changed = _replaced(dict(shown), name, other, name, other)
    told = f"The counterparty was {other}, which looks like {name} and is another one."
    return told, {**changed, "evidence": shown["evidence"], "says": shown["says"]}


def _evidence(shown: Mapping[str, Any]) -> Made:
    if not shown["evidence"]:
        return None
    return "The evidence that had come with it was missing.", {**shown, "evidence": []}


def _words(shown: Mapping[str, Any]) -> Made:
    if not shown["amount_minor"] or not shown["currency"]:
        return None
    other = money(shown["amount_minor"] // 2 or shown["amount_minor"] + 1, shown["currency"])
    told = f"What the agent said spoke of {other}, which is not what would have been done."
    return told, {**shown, "says": f"As agreed, this is about {other}, and nothing else changes."}


_MAKE: Mapping[str, Callable[[Mapping[str, Any]], Made]] = {
    "amount": _amount, "counterparty": _counterparty, "evidence": _evidence, "words": _words,
}  # fmt: skip


def _replaced(value: Any, old: Any, new: Any, text: str, other: str) -> Any:
    """Wherever it stands as a value of its own, or as text in a text."""
    if isinstance(value, dict):
        return {name: _replaced(inner, old, new, text, other) for name, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, old, new, text, other) for inner in value]
    if type(value) is type(old) and value == old:
        return new
    return value.replace(text, other) if isinstance(value, str) else value
