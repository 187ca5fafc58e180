"""The columns of an entry: fields to entries and back, and what an entry may not be. Pure."""

import re
from collections.abc import Iterator, Mapping

from services.moderation.domain import LABELS
from services.moderation.lexicon.entries import (
    NEAR_WORDS_MAX,
    WITHIN_DEFAULT,
    WITHIN_MAX,
    WORD_CHARACTERS_MAX,
    Entry,
    Evasion,
    Tier,
)
from services.moderation.lexicon.spelling import fold_key

COLUMNS = ("word", "label", "tier", "also", "near", "within")

_SEPARATOR = "|"
_SHOWN_CHARACTERS = 20
_NUMBER = re.compile(r"[0-9]{1,6}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# What nobody writes who means the characters themselves: alternatives, classes, escapes, repetitions, an anchor.
_REGULAR_EXPRESSION = re.compile(
    r"""
    \|                      # a|b
    | \[[^\]]*\]            # [ab]
    | \\.                   # \d
    | [.)\]][*+]            # .* )+ ]+
    | \.\?  | \)\?          # .? (a)?
    | \{\d*,?\d*\}          # {2,3}
    | \(\?                  # (?:
    | ^\^                   # ^x
    """,
    re.VERBOSE,
)
_LITERALLY = (
    "looks like a regular expression, but words are taken literally: write each alternative on a line of its own, and "
    "words that stand near each other with the column near"
)


def entry_of_row(row: Mapping[str, str], *, label: int, tier: Tier, list_name: str) -> Entry:
    """An entry from its columns; label and tier are those of an entry that does not say.

    Raises:
        ValueError: A field cannot be read; the message says which and why.
    """
    fields = {name: field.strip() for name, field in row.items()}
    near_field = fields.get("near", "")
    near = tuple(_several(near_field))
    if near_field and not near:
        raise ValueError("near names no word")
    within_field = fields.get("within", "")
    if within_field and not near:
        raise ValueError("within says how near, but near names no word")
    return Entry(
        word=fields["word"],
        label=_label(fields["label"]) if fields.get("label") else label,
        tier=_tier(fields["tier"]) if fields.get("tier") else tier,
        also=frozenset(map(_evasion, _several(fields.get("also", "")))),
        near=near,
        within=_within(within_field) if within_field else WITHIN_DEFAULT,
        list_name=list_name,
    )


def row_of_entry(entry: Entry) -> tuple[str, ...]:
    """An entry's columns; the inverse of `entry_of_row`."""
    return (
        entry.word,
        str(entry.label),
        entry.tier.value,
        _SEPARATOR.join(sorted(entry.also)),
        _SEPARATOR.join(entry.near),
        str(entry.within) if entry.near else "",
    )


def complaint(entry: Entry) -> str:
    """What is wrong with an entry, in words that end a sentence; "" when nothing is."""
    if entry.label not in LABELS:
        return f"label must be one of {', '.join(map(str, LABELS))}"
    if entry.tier is Tier.ALLOW and (entry.also or entry.near):
        return "an allowed phrase is innocent as it is written and anywhere: it takes neither also nor near"
    if len(entry.near) > NEAR_WORDS_MAX:
        return f"near names more than {NEAR_WORDS_MAX} words"
    if not 1 <= entry.within <= WITHIN_MAX:
        return f"within must be 1 to {WITHIN_MAX} characters"
    if why := _complaint_about_word(entry.word):
        return f"the word {why}"
    return next((f"a word of near {why}" for why in map(_complaint_about_word, entry.near) if why), "")


def _complaint_about_word(word: str) -> str:
    if len(word) > WORD_CHARACTERS_MAX:
        return f"is longer than {WORD_CHARACTERS_MAX} characters"
    if not word:
        return "is empty"
    if word.startswith("#"):
        return "begins with #, which begins a comment: leave it out, for punctuation is ignored"
    if word != word.strip():
        return "begins or ends with a space"
    if _CONTROL.search(word):
        return "contains a control character, such as a tab"
    if _REGULAR_EXPRESSION.search(word):
        return _LITERALLY
    if not fold_key(Entry(word)):
        return "is empty once spaces, punctuation and what cannot be seen are ignored"
    return ""


def _several(field: str) -> Iterator[str]:
    return filter(None, map(str.strip, field.split(_SEPARATOR)))


def _label(field: str) -> int:
    if not _NUMBER.fullmatch(field):
        raise ValueError(f"label {_shown(field)} must be one of {', '.join(map(str, LABELS))}")
    return int(field)


def _tier(field: str) -> Tier:
    try:
        return Tier(field.lower())
    except ValueError:
        raise ValueError(f"tier {_shown(field)} must be one of {', '.join(Tier)}") from None


def _evasion(field: str) -> Evasion:
    try:
        return Evasion(field.lower())
    except ValueError:
        raise ValueError(f"also {_shown(field)} must be one of {', '.join(Evasion)}, set apart by |") from None


def _within(field: str) -> int:
    if not _NUMBER.fullmatch(field):
        raise ValueError(f"within must be a number of 1 to {WITHIN_MAX} characters")
    return int(field)


def _shown(field: str) -> str:
    return ascii(field[:_SHOWN_CHARACTERS])
