"""Entries of word lists. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from services.moderation.domain import OTHER

WORD_CHARACTERS_MAX = 64
NEAR_WORDS_MAX = 8
WITHIN_MAX = 100
WITHIN_DEFAULT = 20


class Tier(StrEnum):
    """What an entry that is found does."""

    BLOCK = "block"
    REVIEW = "review"
    LOG = "log"
    ALLOW = "allow"


class Evasion(StrEnum):
    """Ways of writing a word that innocent texts contain, too: recognised only where the entry asks for them."""

    PINYIN = "pinyin"
    INITIALS = "initials"
    HOMOPHONES = "homophones"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a list.

    Attributes:
        word: The word or phrase, 1 to 64 characters.
        label: WeChat's label code of its category.
        tier: What it does.
        also: Further ways of writing it that are recognised.
        near: Other words: the entry counts only where one of them stands near it. Empty: it counts alone.
        within: How near, in characters of the original between the two.
        list_name: The list that it is from.
    """

    word: str
    label: int = OTHER
    tier: Tier = Tier.BLOCK
    also: frozenset[Evasion] = frozenset()
    near: tuple[str, ...] = ()
    within: int = WITHIN_DEFAULT
    list_name: str = ""
