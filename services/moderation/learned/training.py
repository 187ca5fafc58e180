"""Trains weights, with scikit-learn: the same sentences make the same bytes on every machine.

For each label a logistic regression tells its sentences from innocent ones; sentences of other labels help a little,
because offers resemble each other. Each is then calibrated on sentences that it had not seen (cross-validation).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from services.moderation.learned.features import Featurizer, features
from services.moderation.learned.model import Weights, feature_value, read_weights, write_weights
from services.moderation.learned.samples import Sample

_SEED = 7
_FOLDS = 5
_LARGEST = 127

# Of a longer sentence the beginning is learned.
_CHARACTERS_MAX = 200

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How is trained.

    Attributes:
        bits: The binary logarithm of the number of features.
        strength: Of the regression's penalty the inverse (scikit-learn's C).
        drawn: What a sentence that a grammar made, or that was taken, weighs beside one that was written.
        kindred: What a harmful sentence of another label weighs.
    """

    bits: int = 18
    strength: float = 50.0
    drawn: float = 0.25
    kindred: float = 0.1


def train(samples: Sequence[Sample], featurizer: Featurizer, recipe: Recipe | None = None, *, about: str) -> bytes:
    """A weights file that tells these samples apart.

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
        weights = fitted.coef_[0]
        scale = float(np.abs(weights).max()) / _LARGEST
        matrix[:, column] = np.round(weights / scale).astype(np.int8)
        gains.append(_rounded(slope * scale))
        offsets.append(_rounded(slope * float(fitted.intercept_[0]) + shift))
    unnamed = Weights(tuple(labels), matrix, tuple(gains), tuple(offsets), about)
    return write_weights(replace(unnamed, version=read_weights(write_weights(unnamed)).version))


def _features(samples: Sequence[Sample], featurizer: Featurizer, bits: int) -> csr_matrix:
    """One row a sample: how often each feature is there."""
    found = [features(featurizer.view(sample.text)[:_CHARACTERS_MAX], bits) for sample in samples]
    data = np.concatenate([np.full(len(each), feature_value(len(each))) for each in found])
    ends = np.cumsum([0, *map(len, found)])
    rows = csr_matrix((data, np.concatenate(found), ends), shape=(len(samples), 1 << bits))
    rows.sum_duplicates()
    return rows


def _importance(samples: Sequence[Sample], label: int, recipe: Recipe) -> Vector:
    def of(sample: Sample) -> float:
        own = 1.0 if sample.written else recipe.drawn
        return own if sample.label in (0, label) else own * recipe.kindred

    return np.array([of(sample) for sample in samples])


def _fit(
    samples: Sequence[Sample], rows: csr_matrix, label: int, recipe: Recipe, chosen: NDArray[np.int64] | None = None
) -> LogisticRegression:
    chosen = np.arange(len(samples)) if chosen is None else chosen
    harmful = np.array([sample.label != 0 for sample in samples], dtype=np.int8)
    # Coordinate descent in one thread, in a fixed order: no library of linear algebra rounds in its own way.
    model = LogisticRegression(
        C=recipe.strength, solver="liblinear", dual=True, random_state=_SEED, max_iter=2_000, tol=1e-3
    )
    importance = _importance(samples, label, recipe)
    model.fit(rows[chosen], harmful[chosen], sample_weight=importance[chosen])
    return model


def _calibration(samples: Sequence[Sample], rows: csr_matrix, label: int, recipe: Recipe) -> tuple[float, float]:
    """Slope and shift that make odds of what the model says of written sentences that it was not fitted to."""
    of_label = np.array([sample.label in (0, label) and sample.written for sample in samples])
    fold = np.random.RandomState(_SEED).randint(0, _FOLDS, len(samples))
    said = np.zeros(len(samples))
    for number in range(_FOLDS):
        unseen = np.flatnonzero((fold == number) & of_label)
        seen = np.flatnonzero(~((fold == number) & of_label))
        said[unseen] = _fit(samples, rows, label, recipe, seen).decision_function(rows[unseen])
    measured = np.flatnonzero(of_label)
    harmful = np.array([samples[row].label == label for row in measured.tolist()])
    # As many of each, however many were written: a threshold means the same for every label.
    importance = np.where(harmful, len(measured) / harmful.sum(), len(measured) / (~harmful).sum())
    platt = LogisticRegression(C=1e6, solver="liblinear", dual=False, random_state=_SEED, tol=1e-6)
    platt.fit(said[measured].reshape(-1, 1), harmful, sample_weight=importance)
    return float(platt.coef_[0][0]), float(platt.intercept_[0])


def _rounded(value: float) -> float:
    """To five digits: what differs beyond them between machines is none of the file's business."""
    return float(f"{value:.5g}")
