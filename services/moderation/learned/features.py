"""What the model sees of a text: which hashed n-grams of characters stand in it. Pure.

The lexicon's folds have undone disguises before: width, traditional characters, what stands between characters, emoji
that are read as characters, split characters, repeats. So a text in disguise has nearly the features of the plain one.
"""

from collections.abc import Iterator, Sequence
from re import compile as pattern

import numpy as np
from ahocorasick_rs import AhoCorasick
from numpy.typing import NDArray

from services.moderation.lexicon.folding import Folder, collapsed
from services.moderation.lexicon.spelling import shipped_speller
from services.moderation.lexicon.tables import Tables

# n-grams of one, two and three characters: longer ones are learned by heart.
GRAM_CHARACTERS_MAX = 3

# Stand for the beginning and the end of a text, which no view contains.
_BEGIN, _END = "\x02", "\x03"

# Letters or digits between Chinese characters, and what they leave when a text is full of them.
_INSERTED = pattern(r"(?<=[\u3400-\u9fff])[0-9a-z]{1,12}(?=[\u3400-\u9fff])")
_LETTER_OR_DIGIT = pattern(r"[0-9a-z]")
_DIGITS = pattern(r"[0-9]+")

# A plus before whom or what is to be added (+我, ➕V) is read as 加; elsewhere it only stands between characters.
_PLUS = pattern(r"[+＋➕]\s*(?=[我vVqQ薇微威徽卫企口扣])")  # the full-width plus is meant

# Of so many Chinese characters one is followed by an insertion, or they are no disguise.
_INSERTED_EVERY = 2

# Multipliers of Knuth and of murmur's last step: any odd numbers that mix well would do, but must never change.
_MULTIPLIER = np.uint32(0x9E3779B1)
_LAST = np.uint32(0x85EBCA6B)
_SHIFT = np.uint32(15)


class Featurizer:
    """Makes views, and the features of views."""

    def __init__(self, folder: Folder, tables: Tables) -> None:
        """Fold by this folder; join what these tables split."""
        self._folder = folder
        self._whole = {way: character for character, ways in tables.splits.items() for way in ways if len(way) > 1}
        self._ways = sorted(self._whole)
        self._joined = AhoCorasick(self._ways)

    @classmethod
    def shipped(cls) -> "Featurizer":
        """By the tables that ship."""
        return cls(shipped_speller().folder, Tables.read())

    def view(self, text: str) -> str:
        """A text as the model reads it: folded, joined, every number "0", and every run of one character once."""
        text = _PLUS.sub("加", text)
        seen = base = self._folder.base(text)
        if len(seen) != len(text) and self._folder.has_emoji(text):
            pictured = self._folder.pictured(text)
            # Many of them stand between the characters and for nothing.
            seen = pictured if (len(pictured) - len(seen)) * _INSERTED_EVERY < len(seen) else seen
        if _LETTER_OR_DIGIT.search(seen):
            inserted = len(_INSERTED.findall(seen)) * _INSERTED_EVERY
            # Whatever is not dropped and no letter or digit stays when those are left out.
            if (
                inserted >= len(base) - len(base.encode("ascii", "ignore"))
                and inserted >= len(bare := self._folder.bare(text)) > 0
            ):
                seen = bare
            seen = _DIGITS.sub("0", seen)
        seen = collapsed(seen)
        hits = self._joined.find_matches_as_indexes(seen)
        return collapsed("".join(self._pieces(seen, hits))) if hits else seen

    def _pieces(self, seen: str, hits: list[tuple[int, int, int]]) -> Iterator[str]:
        done = 0
        for way, start, end in hits:
            yield seen[done:start]
            yield self._whole[self._ways[way]]
            done = end
        yield seen[done:]


def gram_at(view: str, number: int) -> str:
    """The n-gram of which `features` tells the feature at this place."""
    marked = f"{_BEGIN}{view}{_END}"
    for n in range(1, GRAM_CHARACTERS_MAX + 1):
        if number <= len(marked) - n:
            return marked[number : number + n]
        number -= len(marked) - n + 1
    raise IndexError(number)


def features(view: str, bits: int) -> NDArray[np.uint32]:
    """The features of a view or a part of it, numbers below 2 ** bits: one an n-gram, short ones first, in order."""
    return features_of_all([view], bits)


def features_of_all(views: Sequence[str], bits: int) -> NDArray[np.uint32]:
    """Those of the views as if they were one, so with n-grams that begin in one and end in the next."""
    marked = "".join(f"{_BEGIN}{view}{_END}" for view in views).encode("utf-32-le", errors="surrogatepass")
    codes = np.frombuffer(marked, dtype=np.uint32)
    hashed = codes * _MULTIPLIER
    parts = [hashed]
    for n in range(1, min(GRAM_CHARACTERS_MAX, len(codes))):
        hashed = ((hashed[:-1] ^ (hashed[:-1] >> _SHIFT)) + codes[n:]) * _MULTIPLIER
        parts.append(hashed)
    every = np.concatenate(parts)
    mixed: NDArray[np.uint32] = ((every ^ (every >> _SHIFT)) * _LAST) >> np.uint32(32 - bits)
    return mixed
