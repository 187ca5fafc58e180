"""What stands for what: data, beside this file in `tables/`, one entry a line, # for comments. Read once, at start."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).with_name("tables")

_CHARACTERS_FROM = "由 make readings 生成：每个汉字最常用的读音，取自 pypinyin（MIT，© 2016 mozillazg、闲耘）。"
_WORDS_FROM = "由 make readings 生成：随附词表里要查拼音的词连读的读音。"


@dataclass(frozen=True, slots=True)
class Tables:
    """Spellings: a character → the ways of writing it in parts; an emoji, a look-alike → its character."""

    splits: Mapping[str, tuple[str, ...]]
    emoji: Mapping[str, str]
    lookalikes: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path = _FOLDER) -> "Tables":
        """Read what is shipped."""
        return cls(
            splits={character: tuple(ways) for character, *ways in _rows(folder / "splits.txt")},
            # An emoji may be followed by a selector of its look, which a view drops anyway.
            emoji={emoji[0]: character for emoji, character in _rows(folder / "emoji.txt")},
            lookalikes=dict(_rows(folder / "lookalikes.txt")),
        )


def read_characters(folder: Path = _FOLDER) -> dict[str, str]:
    """How each Chinese character is mostly read, without its tone."""
    return {character: syllable for syllable, characters in _rows(folder / "syllables.txt") for character in characters}


def read_words(folder: Path = _FOLDER) -> dict[str, tuple[str, ...]]:
    """How the characters of words are read together; other characters stand for themselves."""
    return {word: tuple(syllables) for word, *syllables in _rows(folder / "words.txt")}


def write_readings(characters: Mapping[str, str], words: Mapping[str, tuple[str, ...]], folder: Path = _FOLDER) -> None:
    """Write what `read_characters` and `read_words` read."""
    together: dict[str, str] = {}
    for character, syllable in sorted(characters.items()):
        together[syllable] = together.get(syllable, "") + character
    _write(folder / "syllables.txt", _CHARACTERS_FROM, sorted(together.items()))
    _write(folder / "words.txt", _WORDS_FROM, ((word, *syllables) for word, syllables in sorted(words.items())))


def _write(file: Path, title: str, rows: Iterable[tuple[str, ...]]) -> None:
    file.write_text("".join(f"{line}\n" for line in (f"# {title}", *map(" ".join, rows))), encoding="utf-8")


def _rows(file: Path) -> Iterator[list[str]]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.split()
