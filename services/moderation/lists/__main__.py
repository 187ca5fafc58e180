"""`python -m services.moderation.lists`: writes how characters and the words of the shipped lists are read."""

import asyncio
from pathlib import Path

from services.moderation.lexicon.entries import Evasion
from services.moderation.lexicon.readings import CHARACTERS, looked_up
from services.moderation.lexicon.spelling import shipped_speller
from services.moderation.lexicon.tables import write_readings
from services.moderation.lists.sources import Files

_SHIPPED = Path(__file__).with_name("shipped")


def characters() -> dict[str, str]:
    """How each character is read that has a reading."""
    found = {chr(code): looked_up(chr(code))[0] for code in CHARACTERS}
    return {character: syllable for character, syllable in found.items() if syllable != character}


def words() -> dict[str, tuple[str, ...]]:
    """How the words are read that ask for their pinyin."""
    files = Files(_SHIPPED)
    asyncio.run(files.read())
    entries = [entry for each in files.lists for entry in each.entries]
    asking = [entry.word for entry in entries if entry.also & {Evasion.PINYIN, Evasion.INITIALS}]
    return {word: looked_up(word) for word in map(shipped_speller().folder.base, asking)}


def main() -> None:
    """Write both tables."""
    write_readings(characters(), words())


if __name__ == "__main__":
    main()
