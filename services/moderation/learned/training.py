"""Trains weights, with scikit-learn: the same sentences make the same bytes on every machine.

For each label a logistic regression tells its sentences from innocent ones; sentences of other labels help a little,
because offers resemble each other. Each feature counts by how unlike both kinds are in it (Wang and Manning, 2012), so
that what is in one sentence alone is learned less than what is in many. Each label is then calibrated on sentences that
it had not seen (cross-validation), and all are moved together until of innocent questions which nothing was fitted to
as many are referred as are meant to be.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array
from sklearn.linear_model import LogisticRegression

from services.moderation.layers.policy import REFER_FROM
from services.moderation.learned.features import Featurizer, features
from services.moderation.learned.model import Screener, Weights, feature_value, read_weights, write_weights
from services.moderation.learned.samples import Sample

_SEED = 7
_FOLDS = 5
_LARGEST = 127

# Of a longer sentence the beginning is learned.
_CHARACTERS_MAX = 200

# As if every feature had been there so often in each kind of sentence.
_SMOOTHING = 0.05

# Of the questions that thresholds are set by so many may be referred: less than is wanted of everybody's, because those
# by other hands are referred more often.
_REFERRED_SHARE = 0.003

# How far below every threshold a text is that has no score.
_FAR = 30.0

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How is trained.

    Attributes:
        bits: The binary logarithm of the number of features.
        strength: Of the regression's penalty the inverse (scikit-learn's C).
        kindred: What a harmful sentence of another label weighs.
    """

    bits: int = 18
    strength: float = 1.0
    kindred: float = 0.1


def train(
    samples: Sequence[Sample],
    featurizer: Featurizer,
    recipe: Recipe | None = None,
    *,
    questions: Sequence[str] = (),
    about: str,
) -> bytes:
    """A weights file that tells these samples apart; hardly any of these innocent `questions` is referred by it.

    Raises:
        ValueError: There are too few of them.
    """
    recipe = recipe or Recipe()
    labels = sorted({sample.label for sample in samples} - {0})
    fewest = min((sum(sample.label == label for sample in samples) for label in (0, *labels)), default=0)
    if not labels or fewest < _FOLDS * 2:
        raise ValueError(f"Each label, and what is innocent, needs at least {_FOLDS * 2} sentences.")
    rows = _features(samples, featurizer, recipe.bits)
    matrix = np.zeros((1 << recipe.bits, len(labels)), dtype=np.int8)
    gains, offsets = [], []
    for column, label in enumerate(labels):
        fitted = _fit(samples, rows, label, recipe)
        slope, shift = _calibration(samples, rows, label, recipe)
        scale = float(np.abs(fitted.weights).max()) / _LARGEST
        matrix[:, column] = np.round(fitted.weights / scale).astype(np.int8)
        gains.append(_rounded(slope * scale))
        offsets.append(_rounded(slope * fitted.intercept + shift))
    weights = Weights(tuple(labels), matrix, tuple(gains), tuple(offsets), about)
    excess = _excess(Screener(weights, featurizer), questions)
    moved = replace(weights, offsets=tuple(_rounded(offset - excess) for offset in offsets))
    return write_weights(replace(moved, version=read_weights(write_weights(moved)).version))


def _features(samples: Sequence[Sample], featurizer: Featurizer, bits: int) -> csr_matrix:
    """One row a sample: how often each feature is there."""
    found = [features(featurizer.view(sample.text)[:_CHARACTERS_MAX], bits) for sample in samples]
    data = np.concatenate([np.full(len(each), feature_value(len(each))) for each in found])
    ends = np.cumsum([0, *map(len, found)])
    rows = csr_matrix((data, np.concatenate(found), ends), shape=(len(samples), 1 << bits))
    rows.sum_duplicates()
    return rows


def _importance(samples: Sequence[Sample], label: int, recipe: Recipe) -> Vector:
    return np.array([1.0 if sample.label in (0, label) else recipe.kindred for sample in samples])


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What one regression found: a weight for each feature, and what is added to their sum."""

    weights: Vector
    intercept: float

    def decide(self, rows: csr_matrix) -> Vector:
        said: Vector = rows @ self.weights + self.intercept
        return said


def _fit(
    samples: Sequence[Sample], rows: csr_matrix, label: int, recipe: Recipe, chosen: NDArray[np.int64] | None = None
) -> _Fitted:
    chosen = np.arange(len(samples)) if chosen is None else chosen
    harmful = np.array([sample.label != 0 for sample in samples], dtype=np.int8)[chosen]
    importance = _importance(samples, label, recipe)[chosen]
    evidence = _evidence(rows[chosen], harmful, importance)
    # Coordinate descent in one thread, in a fixed order: no library of linear algebra rounds in its own way.
    model = LogisticRegression(
        C=recipe.strength, solver="liblinear", dual=True, random_state=_SEED, max_iter=2_000, tol=1e-3
    )
    model.fit(rows[chosen] @ diags_array(evidence), harmful, sample_weight=importance)
    return _Fitted(model.coef_[0] * evidence, float(model.intercept_[0]))


def _evidence(rows: csr_matrix, harmful: NDArray[np.int8], importance: Vector) -> Vector:
    """How unlike harmful and innocent sentences are in each feature: the logarithm of how many times as often it is."""
    often = [_SMOOTHING + rows.T @ (importance * (harmful == kind)) for kind in (1, 0)]
    of_each = [each / each.sum() for each in often]
    unlike: Vector = np.round(np.abs(np.log(of_each[0] / of_each[1])), 4)
    return unlike


def _calibration(samples: Sequence[Sample], rows: csr_matrix, label: int, recipe: Recipe) -> tuple[float, float]:
    """Slope and shift that make odds of what the model says of written sentences that it was not fitted to."""
    of_label = np.array([sample.label in (0, label) and sample.written for sample in samples])
    fold = np.random.RandomState(_SEED).randint(0, _FOLDS, len(samples))
    said = np.zeros(len(samples))
    for number in range(_FOLDS):
        unseen = np.flatnonzero((fold == number) & of_label)
        seen = np.flatnonzero(~((fold == number) & of_label))
        said[unseen] = _fit(samples, rows, label, recipe, seen).decide(rows[unseen])
    measured = np.flatnonzero(of_label)
    harmful = np.array([samples[row].label == label for row in measured.tolist()])
    # As many of each, however many were written: a threshold means the same for every label.
    importance = np.where(harmful, len(measured) / harmful.sum(), len(measured) / (~harmful).sum())
    platt = LogisticRegression(C=1e6, solver="liblinear", dual=False, random_state=_SEED, tol=1e-6)
    platt.fit(said[measured].reshape(-1, 1), harmful, sample_weight=importance)
    return float(platt.coef_[0][0]), float(platt.intercept_[0])


def _excess(screener: Screener, questions: Sequence[str]) -> float:
    """By how much all odds are too high: without it, as many questions as may be are referred, and not one more."""
    over = sorted((_beyond(screener, text) for text in questions), reverse=True)
    allowed = int(len(over) * _REFERRED_SHARE)
    return (over[allowed - 1] + over[allowed]) / 2 if allowed else 0.0


def _beyond(screener: Screener, text: str) -> float:
    """How far above its label's threshold the odds of a text are, of the label that is the farthest."""
    scores = [each for each in screener.scores(text) if str(each.label) in REFER_FROM]
    beyond = (_odds(each.probability) - _odds(REFER_FROM[str(each.label)]) for each in scores)
    return max(beyond, default=-_FAR)


def _odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def _rounded(value: float) -> float:
    """To five digits: what differs beyond them between machines is none of the file's business."""
    return float(f"{value:.5g}")
