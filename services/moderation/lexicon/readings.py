"""How Chinese characters are read: pypinyin, whose dictionaries are loaded when the first character is looked up.

They take a good half second, which commands and tests that read no character need not wait for.
"""

from functools import cache
from types import ModuleType


def syllable_of(character: str) -> str:
    """How a Chinese character is mostly read, without its tone; "" for any other character."""
    if not "\u3400" <= character <= "\U0003ffff":
        return ""
    library = _pypinyin()
    read = library.pinyin(character, style=library.Style.NORMAL, errors="ignore")
    return str(read[0][0]) if read else ""


def syllables_of(word: str) -> tuple[str, ...]:
    """How the characters of a word are read together; other characters stand for themselves."""
    return tuple(_pypinyin().lazy_pinyin(word, errors=list))


def initials_of(word: str) -> str:
    """The first letters of how a word is read."""
    library = _pypinyin()
    return "".join(library.lazy_pinyin(word, style=library.Style.FIRST_LETTER))


@cache
def _pypinyin() -> ModuleType:
    import pypinyin

    return pypinyin
