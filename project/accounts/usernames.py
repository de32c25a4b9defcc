"""Which new usernames are refused because people could take them for others.

A name is in the letters of one script, of those in everyday use, and does not look like an existing
name: `аdmin` with a Cyrillic а is refused, and so is `Admin` beside `admin`. Names that exist keep
working. This follows Unicode's UTS 39 (its "highly restrictive" level and its skeletons) with a
table of the letters that look like Latin ones; other scripts look like each other only rarely.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from django.core.exceptions import ValidationError

# The first word of a letter's name in Unicode. Left out are scripts of limited use, such as
# Cherokee and Lisu, whose capitals look like Latin ones.
SCRIPTS = frozenset(
    "LATIN GREEK CYRILLIC ARMENIAN GEORGIAN HEBREW ARABIC SYRIAC THAANA ETHIOPIC DEVANAGARI BENGALI"
    " GURMUKHI GUJARATI ORIYA TAMIL TELUGU KANNADA MALAYALAM SINHALA THAI LAO TIBETAN MYANMAR KHMER"
    " CJK HIRAGANA KATAKANA HANGUL BOPOMOFO".split()
)
# Scripts that one language writes together. Each may have Latin letters beside it.
TOGETHER = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
)

# Letters and digits that look like a Latin letter, by that letter. All capitals like I look like l.
_LOOKALIKES = {
    ord(each): letter
    for letter, alike in {
        "a": "аɑα", "b": "вьβ", "c": "сϲ", "d": "ԁ", "e": "е", "g": "ɡց", "h": "һհ", "i": "іıɩι",
        "j": "јյϳ", "k": "кκ", "l": "1IІΙӀӏլ", "m": "м", "n": "пηո", "o": "0оοօσ", "p": "рρ",
        "q": "ԛզ", "r": "г", "s": "ѕ", "t": "тτ", "u": "иυս", "v": "ѵν", "w": "ԝωա", "x": "хχ",
        "y": "уүγʏ", "A": "АΑ", "B": "ВΒ", "C": "СϹ", "E": "ЕΕ", "H": "НΗ", "J": "Ј", "K": "КΚ",
        "M": "МΜ", "N": "Ν", "O": "ОΟՕ", "P": "РΡ", "Q": "Ԛ", "S": "ЅՏ", "T": "ТΤ", "U": "Ս",
        "V": "Ѵ", "W": "Ԝ", "X": "ХΧ", "Y": "УҮΥ", "Z": "Ζ",
    }.items()
    for each in alike
}  # fmt: skip

MIXED = "Use the letters of one alphabet: those of {scripts} look alike in a name."
RARE = "Use letters of an alphabet in everyday use: “{letter}” can be taken for another one."
TAKEN = (
    "Somebody has this name already, or one that looks like it. If it is you, sign in first; "
    "otherwise choose another."
)


def validate_new_username(name: str, existing: Iterable[str]) -> None:
    """Refuse a name of mixed scripts, or one that looks like one of `existing`.

    Raises `ValidationError`, in the last case with the code "taken".
    """
    scripts = set()
    for letter in filter(str.isalpha, name):
        script = unicodedata.name(letter, "").partition(" ")[0]
        if script not in SCRIPTS:
            raise ValidationError(RARE.format(letter=letter), code="script")
        scripts.add(script)
    if len(scripts) > 1 and not any(scripts <= each for each in TOGETHER):
        listed = " and ".join(sorted(script.capitalize() for script in scripts))
        raise ValidationError(MIXED.format(scripts=listed), code="script")
    folded, wanted = name.casefold(), skeleton(name)
    if any(each.casefold() == folded or skeleton(each) == wanted for each in existing):
        raise ValidationError(TAKEN, code="taken")


@lru_cache(16_384)
def skeleton(name: str) -> str:
    """Return a text that is the same for names that look alike. It is never shown."""
    parts = unicodedata.normalize("NFKD", name)
    digits = "".join(str(unicodedata.decimal(each, each)) for each in parts)
    return digits.translate(_LOOKALIKES).casefold().translate(_LOOKALIKES).replace("rn", "m")
