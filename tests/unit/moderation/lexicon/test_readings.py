"""How characters and words are read: the tables say what pypinyin says, and spare loading it."""

import subprocess
import sys

import pytest

from services.moderation.lexicon.readings import initials_of, syllable_of, syllables_of
from services.moderation.lexicon.tables import read_characters, read_words
from services.moderation.lists.__main__ import characters, words

_COMPILE = """
import asyncio, sys
from services.moderation.config import ModerationSettings
from services.moderation.lists.domain import compiled
from services.moderation.lists.sources import Files
files = Files(ModerationSettings.model_fields["lexicon_path"].default)
asyncio.run(files.read())
lexicon = compiled(files.lists, 0)
print([each.entry.word for each in lexicon.find("进群领 zhidu peifang")], "pypinyin" in sys.modules)
"""


def test_the_tables_say_what_pypinyin_says() -> None:
    assert read_characters() == characters()
    assert read_words() == words()


def test_the_shipped_lists_are_compiled_and_searched_without_pypinyin() -> None:
    said = subprocess.run([sys.executable, "-c", _COMPILE], check=True, capture_output=True, text=True)
    assert said.stdout == "['制毒配方'] False\n"


@pytest.mark.parametrize(
    ("word", "syllables", "initials"),
    [
        ("网络赌场开户", ("wang", "luo", "du", "chang", "kai", "hu"), "wldckh"),
        ("重庆银行", ("chong", "qing", "yin", "hang"), "cqyh"),
        ("加v长大", ("jia", "v", "zhang", "da"), "jvzd"),
        ("abc", ("a", "b", "c"), "abc"),
    ],
)
def test_a_word_is_read_as_a_whole_whether_a_list_that_ships_has_it_or_not(
    word: str, syllables: tuple[str, ...], initials: str
) -> None:
    assert syllables_of(word) == syllables
    assert initials_of(word) == initials


@pytest.mark.parametrize(
    ("character", "syllable"), [("行", "xing"), ("绿", "lv"), ("㐀", "qiu"), ("a", ""), ("。", "")]
)
def test_a_character_alone_is_read_as_it_mostly_is(character: str, syllable: str) -> None:
    assert syllable_of(character) == syllable
