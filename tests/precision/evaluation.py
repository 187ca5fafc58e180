"""Recall and false refusals of a lexicon, with the intervals that so many sentences allow."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from operator import or_
from pathlib import Path

from services.moderation.config import ModerationSettings
from services.moderation.domain import Direction
from services.moderation.layers.policy import LearnedPolicy
from services.moderation.learned.features import Featurizer
from services.moderation.learned.judging import LearnedLayer
from services.moderation.learned.model import SHIPPED, Screener, read_weights
from services.moderation.lexicon.judging import judge
from services.moderation.lexicon.lexicon import Lexicon
from services.moderation.lists.domain import compiled, read_list
from services.moderation.lists.formats import form_of_file
from tests.precision.corpus import EVASIONS, Corpus

_Z = 1.96


@dataclass(frozen=True)
class Share:
    """`hits` of `of`, and the 95 % interval of the share (Wilson, 1927)."""

    hits: int
    of: int

    @property
    def share(self) -> float:
        return self.hits / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        if not self.of:
            return 0.0, 1.0
        middle = (self.share + _Z**2 / (2 * self.of)) / (1 + _Z**2 / self.of)
        half = _Z / (1 + _Z**2 / self.of) * sqrt(self.share * (1 - self.share) / self.of + _Z**2 / (4 * self.of**2))
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.share:6.1%} ({self.hits}/{self.of}, {low:.1%} to {high:.1%})"


@dataclass(frozen=True)
class Result:
    """What a lexicon does to sentences, and to the harmful ones by evasion and by label."""

    refused_innocent: Share
    referred_innocent: Share
    refused_harmful: Share
    caught_harmful: Share
    refused_by_evasion: dict[str, Share]
    refused_by_label: dict[int, Share]


def evaluate(lexicon: Lexicon, corpus: Corpus) -> Result:
    """Judge every sentence."""
    good, bad = corpus.innocent, corpus.harmful
    good_judged = [judge(lexicon, text) for text in good]
    bad_judged = [judge(lexicon, text) for _, text in bad]
    return Result(
        refused_innocent=Share(sum(each.refused is not None for each in good_judged), len(good)),
        referred_innocent=Share(sum(bool(each.referred) for each in good_judged), len(good)),
        refused_harmful=Share(sum(each.refused is not None for each in bad_judged), len(bad)),
        caught_harmful=Share(sum(bool(each.refused or each.referred) for each in bad_judged), len(bad)),
        refused_by_evasion={name: _refused(lexicon, _rewritten(name, bad)) for name in EVASIONS},
        refused_by_label={
            label: _refused(lexicon, [text for each, text in bad if each == label])
            for label in sorted({b[0] for b in bad})
        },
    )


def _rewritten(evasion: str, bad: Sequence[tuple[int, str]]) -> list[str]:
    chance = random.Random(evasion)  # noqa: S311  # the same sentences each time
    return [EVASIONS[evasion](text, chance) for _, text in bad]


def _refused(lexicon: Lexicon, texts: Iterable[str]) -> Share:
    refused = [judge(lexicon, text).refused is not None for text in texts]
    return Share(sum(refused), len(refused))


def mistakes(lexicon: Lexicon, corpus: Corpus) -> list[str]:
    """Innocent sentences that are refused, and harmful ones that are not."""
    refused = [f"  refused   {text}" for text in corpus.innocent if judge(lexicon, text).refused is not None]
    accepted = [f"  accepted  {label} {text}" for label, text in corpus.harmful if judge(lexicon, text).refused is None]
    return refused + accepted


@dataclass(frozen=True)
class Local:
    """What the local layers do: refused by a list; refused or referred by lists, by scores, by both."""

    refused: Share
    by_lists: Share
    by_scores: Share
    by_both: Share


def local(lexicon: Lexicon, learned: LearnedLayer, texts: Sequence[str]) -> Local:
    """Judge every text by the lists and by the learned layer."""
    judged = [judge(lexicon, text) for text in texts]
    lists = [bool(each.refused or each.referred) for each in judged]
    scores = [learned.judge(lexicon, text, Direction.INPUT) is not None for text in texts]
    size = len(texts)
    return Local(
        Share(sum(each.refused is not None for each in judged), size),
        Share(sum(lists), size),
        Share(sum(scores), size),
        Share(sum(map(or_, lists, scores)), size),
    )


def shipped_learned(weights: Path = SHIPPED) -> LearnedLayer:
    """The learned layer of a weights file, the one that ships, under the policy that ships."""
    return LearnedLayer(_OfFile(weights), LearnedPolicy())


class _OfFile:
    """The port `Screeners`."""

    def __init__(self, weights: Path) -> None:
        self.current = Screener(read_weights(weights.read_bytes()), Featurizer.shipped())


def shipped() -> Lexicon:
    """The lexicon of the lists that ship."""
    folder: Path = ModerationSettings.model_fields["lexicon_path"].default
    files = sorted(file for file in folder.iterdir() if file.suffix in (".txt", ".csv"))
    return compiled((read_list(file.name, form_of_file(file.name), file.read_bytes()) for file in files), 0)
