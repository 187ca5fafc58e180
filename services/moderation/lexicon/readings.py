"""How Chinese characters are read: as pypinyin says, whose dictionaries take a third of a second to load.

So what they say of each character alone, and of the words of the lists that ship, stands in `tables/`, which
`make readings` writes. pypinyin itself is loaded for the first word of another list that asks for its pinyin.
"""

from collections.abc import Mapping
from functools import cache
from types import ModuleType

from services.moderation.lexicon.tables import read_characters, read_words

# Where no character has a reading before, and none after.
CHARACTERS = range(0x3400, 0x40000)


def syllable_of(character: str) -> str:
    """How a Chinese character is mostly read, without its tone; "" for any other character."""
    return _characters().get(character, "")


def syllables_of(word: str) -> tuple[str, ...]:
    """How the characters of a word are read together; other characters stand for themselves."""
    return _words().get(word) or looked_up(word)


def initials_of(word: str) -> str:
    """The first letters of how a word is read."""
    return "".join(syllable[0] for syllable in syllables_of(word))


def looked_up(word: str) -> tuple[str, ...]:
    """As `syllables_of`, by pypinyin's dictionaries."""
    return tuple(_pypinyin().lazy_pinyin(word, errors=list))


@cache
def _characters() -> Mapping[str, str]:
    return read_characters()


@cache
def _words() -> Mapping[str, tuple[str, ...]]:
    return read_words()


@cache
def _pypinyin() -> ModuleType:
    import pypinyin

    return pypinyin
