"""What stands for what: data, beside this file in `tables/`, one entry a line, # for comments. Read once, at start."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).with_name("tables")


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


def _rows(file: Path) -> Iterator[list[str]]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.split()
