"""What a name looks like, whatever it is: two names with one skeleton are hard to tell apart on a page.

Unicode Technical Standard 39, section 4 (skeletons), by its table of confusable characters as `confusable-homoglyphs`
brings it. Case is folded after that, and i is taken for l, beyond the standard: of a name in capitals nobody can tell,
and the table counts the Cyrillic palochka as an i, which most fonts draw as an l. What the table does not hold is not
found: `vv` for w, `cl` for d, letters with another accent, transposed letters, and what only one font draws alike.
"""

import functools
import unicodedata
from collections.abc import Mapping

from confusable_homoglyphs.confusables import confusables_data

from console.core.chips import is_hidden

MOST_ROUNDS = 5
_AROUND = "\u200e"  # stands around letters that are written from right to left


def skeleton(text: str) -> str:
    """Its own skeleton: a folded letter may look like another one again, and is taken for that."""
    for _ in range(MOST_ROUNDS):
        folded = _folded(text)
        if folded == text:
            break
        text = folded
    return text


def _folded(text: str) -> str:
    seen = "".join(char for char in unicodedata.normalize("NFD", text) if not is_hidden(char))
    alike = "".join(_prototypes().get(char, char) for char in seen)
    return unicodedata.normalize("NFD", alike.casefold()).replace("i", "l").strip()


@functools.cache
def _prototypes() -> Mapping[str, str]:
    """Each character to the one that stands for all that look like it. The table lists pairs both ways: what has many
    is the prototype; of two that have only each other, it is the one that sorts first."""
    table = {_bare(char): [_bare(one["c"]) for one in listed] for char, listed in confusables_data.items()}
    found = {}
    for char, listed in table.items():
        if len(char) == len(listed) == 1 and (len(table.get(listed[0], [])) > 1 or listed[0] < char):
            found[char] = listed[0]
    return {char: "".join(found.get(one, one) for one in stands) for char, stands in found.items()}


def _bare(text: str) -> str:
    return text.strip(_AROUND)
