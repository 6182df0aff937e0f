"""Text of others made safe to look at: what a reader cannot see, or would misread, is spelled out beside it.

Look-alike words follow Unicode Technical Standard 39, section 5.2, "highly restrictive": one script per word, except
that Latin may stand with the scripts of Japanese, Chinese or Korean. Python knows no scripts; the first word of a
character's Unicode name stands in for one, which also tells mathematical and fullwidth letters from plain ones.
"""

import html
import itertools
import unicodedata
from collections.abc import Iterator

# Invisible, yet of a category that is mostly visible (Default_Ignorable_Code_Point and blanks that fonts leave empty).
_BLANK = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0x180B, 0x1810)}
_BLANK |= {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
_HIDDEN = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp", "Zs"}
_TOGETHER = (
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA"},
    {"LATIN", "CJK", "BOPOMOFO"},
    {"LATIN", "CJK", "HANGUL"},
)
# Letters that most fonts draw like Latin ones (from the confusables of UTS 39).
_LATIN_TWINS = frozenset("авеікмнорстухсјѕԁһӏԛԝАВЕІКМНОРСТУХЅЈԌΑΒΕΖΗΙΚΜΝΟΡΤΥΧαινορυχ")
# Digits, marks and signs belong to whichever script they stand beside.
_NEUTRAL = {"DIGIT", "COMBINING", "MODIFIER", "FEMININE", "MASCULINE", "MICRO"}


def is_hidden(char: str) -> bool:
    if char in "\n ":
        return False
    return unicodedata.category(char) in _HIDDEN or ord(char) in _BLANK


def chips(text: str) -> str:
    """HTML, escaped. Shown as a chip: each hidden character, and after a word of look-alike letters its scripts."""
    native = _native_scripts(text)
    return "".join(_word(run, native) if is_word else _spell(run) for is_word, run in _runs(text))


def exact(text: str) -> str:
    """The same for a value of which each character counts: spaces at its ends are chips, and so is nothing at all."""
    bare = text.strip(" \n")
    if not bare:
        return _ends(text) or '<span class="chip">empty</span>'
    start = len(text) - len(text.lstrip(" \n"))
    return _ends(text[:start]) + chips(bare) + _ends(text[start + len(bare) :])


def _ends(blank: str) -> str:
    named = {" ": "space", "\n": "new line"}
    return "".join(f'<span class="chip">{named[char]}</span>' for char in blank)


def _runs(text: str) -> Iterator[tuple[bool, str]]:
    """Hidden characters count as part of a word: one between two letters must not hide that their scripts differ."""
    for is_word, group in itertools.groupby(text, key=_in_word):
        yield is_word, "".join(group)


def _in_word(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN" or (is_hidden(char) and unicodedata.category(char)[0] == "C")


def _word(word: str, native: frozenset[str]) -> str:
    scripts = frozenset(filter(None, map(_script, word)))
    mixed = len(scripts) > 1 and not any(scripts <= allowed for allowed in _TOGETHER)
    disguised = len(word) > 2 and scripts.isdisjoint(native | {"LATIN"}) and _looks_latin(word)
    if mixed or disguised or not scripts.isdisjoint({"MATHEMATICAL", "FULLWIDTH"}):
        names = "+".join(name.capitalize() for name in sorted(scripts))
        return f'{_spell(word)}<span class="chip">{html.escape(names)}</span>'
    return _spell(word)


def scripts_of(text: str) -> tuple[str, ...]:
    """Of its letters, by name."""
    return tuple(sorted({script.capitalize() for char in text if (script := _script(char))}))


def _looks_latin(word: str) -> bool:
    letters = [char for char in word if _script(char)]
    return bool(letters) and all(char in _LATIN_TWINS for char in letters)


def _native_scripts(text: str) -> frozenset[str]:
    """Scripts of which the text holds a letter that looks like no Latin one: it is really written in them."""
    return frozenset(filter(None, (_script(char) for char in text if ord(char) > 127 and char not in _LATIN_TWINS)))


def _script(char: str) -> str:
    if char.isascii():
        return "LATIN" if char.isalpha() else ""
    if unicodedata.category(char)[0] not in "LN":
        return ""
    first = unicodedata.name(char, "").partition(" ")[0].partition("-")[0]
    return "" if first in _NEUTRAL else first


def _spell(run: str) -> str:
    return "".join(f'<span class="chip">U+{ord(c):04X}</span>' if is_hidden(c) else html.escape(c) for c in run)
