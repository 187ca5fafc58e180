"""What the scores of a text come to under the policy. Pure.

The weights in force and the lexicon's allowed phrases come from outside; a phrase that is allowed says nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from re import compile as pattern
from typing import Protocol

from services.moderation.categories import CATEGORY_OF_LABEL
from services.moderation.domain import Action, Direction, Opinion
from services.moderation.layers.policy import LearnedPolicy
from services.moderation.learned.model import Score, Screener
from services.moderation.lexicon.lexicon import Lexicon

# An answer is scored by its last sentences: so many characters, whenever one of them ends …
_SCORED_CHARACTERS = 100

# … or when none has ended for so many.
_UNENDED_CHARACTERS = 100

_END = pattern("[。！？!?\n；;…]")


class Screeners(Protocol):
    """Which weights are in force."""

    @property
    def current(self) -> Screener | None:
        """Those of this moment; None when there are none."""
        ...


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A score that does something: it refuses a text, or refers it. `grams` weighed most, the heaviest first."""

    action: Action
    label: int
    score: float
    grams: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A label's score, from where on it does something (0: nowhere), and the n-grams that weighed."""

    label: int
    score: float
    refer_from: float
    block_from: float
    grams: Sequence[tuple[str, float]]


class LearnedLayer:
    """Judges texts by the weights in force."""

    def __init__(self, screeners: Screeners, policy: LearnedPolicy) -> None:
        """Use these weights under this policy."""
        self._screeners = screeners
        self._policy = policy
        self._refer = {int(label): threshold for label, threshold in policy.refer.items()}
        self._block = {int(label): threshold for label, threshold in policy.block.items()}

    @property
    def version(self) -> str:
        """Names the weights in force; "none" when there are none."""
        screener = self._screeners.current
        return screener.version if screener is not None else "none"

    def judge(self, lexicon: Lexicon, text: str, direction: Direction) -> Suspicion | None:
        """The worst that a label's score does to a text: of what does as much, the highest. None: it passes."""
        return self._judge_all(lexicon, [text], direction)[0]

    def judge_windows(self, lexicon: Lexicon, windows: Sequence[tuple[str, str, bool]]) -> list[Suspicion | None]:
        """As `judge`, of answers' last sentences, when one of them ends in the window; else None.

        Args:
            lexicon: Whose allowed phrases say nothing.
            windows: Of each answer what stands before the window, the window, and whether nothing follows.
        """
        suspicions: list[Suspicion | None] = [None] * len(windows)
        due = {
            number: (preceding + window)[-_SCORED_CHARACTERS:]
            for number, (preceding, window, last) in enumerate(windows)
            if last or _END.search(window) or _is_unended(preceding + window)
        }
        if due:
            judged = self._judge_all(lexicon, list(due.values()), Direction.OUTPUT)
            for number, suspicion in zip(due, judged, strict=True):
                suspicions[number] = suspicion
        return suspicions

    def _judge_all(self, lexicon: Lexicon, texts: Sequence[str], direction: Direction) -> list[Suspicion | None]:
        screener = self._screeners.current
        if screener is None or not self._policy.judges(direction):
            return [None] * len(texts)
        heard = [lexicon.without_allowed(text) for text in texts]
        scored = zip(heard, screener.scores_of_all(heard), strict=True)
        return [self._suspected(screener, text, scores, direction) for text, scores in scored]

    def _suspected(
        self, screener: Screener, heard: str, scores: Sequence[Score], direction: Direction
    ) -> Suspicion | None:
        block = self._block if direction is Direction.INPUT else {}
        for action, thresholds in ((Action.REFUSED, block), (Action.REFERRED, self._refer)):
            above = [each for each in scores if each.probability >= thresholds.get(each.label, 2.0)]
            if above:
                return self._suspicion(screener, heard, action, max(above, key=lambda each: each.probability))
        return None

    def flags(self, screener: Screener, lexicon: Lexicon, text: str) -> bool:
        """Whether these weights would refer or refuse a question under this policy."""
        thresholds = {**self._block, **self._refer}
        scores = screener.scores(lexicon.without_allowed(text))
        return any(each.probability >= thresholds.get(each.label, 2.0) for each in scores)

    def opinion(self, lexicon: Lexicon, text: str, suspicion: Suspicion | None) -> Opinion | None:
        """Every label's score, by category, and a refusal when the suspicion is one; None when nothing is scored."""
        screener = self._screeners.current
        if screener is None or not self._policy.input:
            return None
        scores = {
            CATEGORY_OF_LABEL[score.label]: round(score.probability, 4)
            for score in screener.scores(lexicon.without_allowed(text))
        }
        if suspicion is None or suspicion.action is not Action.REFUSED:
            return Opinion(refused=False, scores=scores)
        flagged = (CATEGORY_OF_LABEL[suspicion.label],)
        return Opinion(refused=True, label=suspicion.label, rule="score", scores=scores, flagged=flagged)

    def explain(self, lexicon: Lexicon, text: str) -> list[Explanation]:
        """Every label's score of a text and why, the highest first."""
        screener = self._screeners.current
        if screener is None:
            return []
        heard = lexicon.without_allowed(text)
        return [
            Explanation(
                label=score.label,
                score=score.probability,
                refer_from=self._refer.get(score.label, 0.0),
                block_from=self._block.get(score.label, 0.0),
                grams=screener.explain(heard, score),
            )
            for score in sorted(screener.scores(heard), key=lambda score: -score.probability)
        ]

    @staticmethod
    def _suspicion(screener: Screener, heard: str, action: Action, score: Score) -> Suspicion:
        grams = tuple(gram for gram, _ in screener.explain(heard, score))
        return Suspicion(action, score.label, score.probability, grams, screener.version)


def _is_unended(seen: str) -> bool:
    return len(seen) >= _UNENDED_CHARACTERS and _END.search(seen, len(seen) - _UNENDED_CHARACTERS) is None
