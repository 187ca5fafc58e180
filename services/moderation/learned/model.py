"""The linear model: a weight for each feature and label, and what their sum means. Pure."""

import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.moderation.domain import LABELS
from services.moderation.errors import InvalidWeightsError
from services.moderation.learned.features import Featurizer, features, features_of_all, gram_at

# The weights that ship.
SHIPPED = Path(__file__).parent / "shipped" / "screener.weights"

BYTES_MAX = 2_000_000
# With the features the number changes: weights of other features say nothing.
_MAGIC = b"queqiao screener 2\n"
_SHA256_BYTES = 32
_VERSION_DIGITS = 12
_BITS = (10, 20)

# A longer text is judged part by part, so that what is harmful in it is not thinned by what stands around it.
WHOLE_CHARACTERS = 100


class _Scale(NamedTuple):
    """Parts of so many characters, one beginning so many after the other.

    Each part is a chance to be mistaken, and a short one more than a long one: so often the logarithm of their number
    is taken from the logarithm of the odds.
    """

    characters: int
    step: int
    caution: float


_SCALES = (_Scale(60, 20, 0.25), _Scale(30, 10, 0.5))
_PART_CHARACTERS_MAX = max(scale.characters for scale in _SCALES)

# Of fewer characters nothing is said: "120,000" is one, a number.
_CHARACTERS_MIN = 4

# What is summed at once, to bound the memory of a text of a million characters.
_BLOCK_CHARACTERS = 16_384

_GRAMS_EXPLAINED = 12
_GRAMS_CONSIDERED = 48

# A text of fewer features is not sure of anything: it weighs as if it had so many.
_FEATURES_MIN = 16


@dataclass(frozen=True, slots=True)
class Weights:
    """What a model knows.

    Attributes:
        labels: WeChat's label codes, one a column.
        matrix: int8, of shape (2 ** bits, labels).
        gains: Per label: what a sum of weights, each counted as `feature_value` says, is multiplied by …
        offsets: … and what is added, to make the logarithm of the odds that the text is of this label.
        about: What it was trained on, for whoever asks.
        version: Names the weights: the same for the same content.
    """

    labels: tuple[int, ...]
    matrix: NDArray[np.int8] = field(repr=False)
    gains: tuple[float, ...]
    offsets: tuple[float, ...]
    about: str
    version: str = ""

    @property
    def bits(self) -> int:
        """The binary logarithm of the number of features."""
        return int(self.matrix.shape[0]).bit_length() - 1


class Score(NamedTuple):
    """How sure the model is, 0 to 1, that a text is of a label; `start` to `end` is the part of its view."""

    label: int
    probability: float
    start: int
    end: int


class Screener:
    """Scores texts by weights."""

    def __init__(self, weights: Weights, featurizer: Featurizer) -> None:
        """Use these."""
        self.weights = weights
        self.version = weights.version
        self._featurizer = featurizer
        self._gains = np.array(weights.gains)
        self._offsets = np.array(weights.offsets)

    def scores(self, text: str) -> Sequence[Score]:
        """For each label the score of the part of the text that has the highest; none for a text of hardly anything."""
        return self.scores_of_all([text])[0]

    def scores_of_all(self, texts: Sequence[str]) -> list[Sequence[Score]]:
        """The scores of each text: those of many short ones take hardly longer than those of one."""
        views = [self._featurizer.view(text) for text in texts]
        whole = [view for view in views if _CHARACTERS_MIN <= len(view) <= WHOLE_CHARACTERS]
        odds = iter(self._odds(whole) if whole else ())
        scores: list[Sequence[Score]] = []
        for view in views:
            if len(view) < _CHARACTERS_MIN:
                scores.append(())
            elif len(view) > WHOLE_CHARACTERS:
                scores.append(self._scores_of_parts(view))
            else:
                told = zip(self.weights.labels, next(odds), strict=True)
                scores.append([Score(label, _probability(each), 0, len(view)) for label, each in told])
        return scores

    def explain(self, text: str, score: Score) -> list[tuple[str, float]]:
        """The n-grams that speak most for a score, with what each adds to the logarithm of the odds, the most first."""
        view = self._featurizer.view(text)[score.start : score.end]
        column = self.weights.labels.index(score.label)
        found = features(view, self.weights.bits)
        added = self.weights.matrix[found, column] * (self.weights.gains[column] * feature_value(len(found)))
        chosen: dict[str, float] = {}
        for number in np.argsort(-added, kind="stable")[:_GRAMS_CONSIDERED].tolist():
            gram = gram_at(view, number)
            # A part of an n-gram that is named already says nothing new.
            if added[number] > 0 and gram.isprintable() and not any(gram in each or each in gram for each in chosen):
                chosen[gram] = round(float(added[number]), 2)
        return list(chosen.items())[:_GRAMS_EXPLAINED]

    def _odds(self, views: Sequence[str]) -> list[list[float]]:
        """The odds of each view as a whole."""
        # One alone, as every question is, costs half of what cutting it out of all of them would.
        return [self._odds_of(views[0])] if len(views) == 1 else self._odds_of_all(views)

    def _odds_of(self, view: str) -> list[float]:
        found = features(view, self.weights.bits)
        sums = self.weights.matrix.take(found, axis=0).sum(axis=0, dtype=np.int32)
        odds: list[float] = (sums * (self._gains * feature_value(len(found))) + self._offsets).tolist()
        return odds

    def _odds_of_all(self, views: Sequence[str]) -> list[list[float]]:
        weights = self.weights.matrix.take(features_of_all(views, self.weights.bits), axis=0)
        # With its marks, a view has two more characters; and one pair less than characters, and one triple less again.
        lengths = np.array([len(view) + 2 for view in views])
        ends = lengths.cumsum()
        starts, split = ends - lengths, (ends[-1], 2 * ends[-1] - 1)
        sums = np.zeros((len(views), weights.shape[1]), dtype=np.int32)
        for less, grams in enumerate(np.split(weights, split)):
            # From a start to an end are a view's own n-grams, and from there to the next start those of two.
            edges = np.stack((starts, ends - less), axis=1).ravel()[:-1]
            sums += np.add.reduceat(grams, edges, axis=0, dtype=np.int32)[::2]
        values = np.array([feature_value(3 * length - 3) for length in lengths.tolist()])
        odds: list[list[float]] = (sums * (self._gains * values[:, np.newaxis]) + self._offsets).tolist()
        return odds

    def _scores_of_parts(self, view: str) -> Sequence[Score]:
        spans, odds = self._odds_of_parts(view)
        best = odds.argmax(axis=0).tolist()
        return [
            Score(label, _probability(float(odds[row, column])), *spans[row])
            for column, (label, row) in enumerate(zip(self.weights.labels, best, strict=True))
        ]

    def _odds_of_parts(self, view: str) -> tuple[list[tuple[int, int]], NDArray[np.float64]]:
        """Where the parts of a long view stand, and the odds of each, less caution; it is summed once."""
        spans: list[tuple[int, int]] = []
        odds: list[NDArray[np.float64]] = []
        caution = {scale: scale.caution * math.log(len(view) / scale.step) for scale in _SCALES}
        for begin in range(0, max(1, len(view) - _PART_CHARACTERS_MAX), _BLOCK_CHARACTERS):
            block = view[begin : begin + _BLOCK_CHARACTERS + _PART_CHARACTERS_MAX]
            weights = self.weights.matrix.take(features(block, self.weights.bits), axis=0)
            # Two more single characters than the block has, for its marks; then one pair more; then the triples.
            split = (len(block) + 2, 2 * len(block) + 3)
            singles, pairs, triples = (_summed(each) for each in np.split(weights, split))
            for scale in _SCALES:
                last = len(block) - scale.characters
                starts = np.array([*range(0, last, scale.step), last])
                # The mark before the block moves all by one: a part of so many characters has two more.
                ends = starts + scale.characters + 2
                sums = singles[ends] - singles[starts] + pairs[ends - 1] - pairs[starts]
                sums += triples[ends - 2] - triples[starts]
                value = feature_value(3 * scale.characters + 3)
                odds.append(sums * (self._gains * value) + self._offsets - caution[scale])
                spans += [(begin + start, begin + start + scale.characters) for start in starts.tolist()]
        return spans, np.concatenate(odds)


def _summed(weights: NDArray[np.int8]) -> NDArray[np.int32]:
    """The sums of the rows before each."""
    upto = np.zeros((len(weights) + 1, weights.shape[1]), dtype=np.int32)
    np.cumsum(weights, axis=0, dtype=np.int32, out=upto[1:])
    return upto


def feature_value(count: int) -> float:
    """What each of a text's features counts, so that long texts do not count more than short ones."""
    return 1 / math.sqrt(max(count, _FEATURES_MIN))


def write_weights(weights: Weights) -> bytes:
    """A weights file: a line that names the format, a line of JSON, the matrix packed, and the SHA-256 of all that."""
    header = {
        "labels": weights.labels,
        "bits": weights.bits,
        "gains": weights.gains,
        "offsets": weights.offsets,
        "about": weights.about,
    }
    told = json.dumps(header, ensure_ascii=False).encode() + b"\n"
    content = _MAGIC + told + zlib.compress(weights.matrix.tobytes(), 9)
    return content + hashlib.sha256(content).digest()


def read_weights(content: bytes) -> Weights:
    """The weights of a file.

    Raises:
        InvalidWeightsError: Something is wrong with it; one sentence.
    """
    if len(content) > BYTES_MAX:
        raise InvalidWeightsError(f"The weights file is too large: at most {BYTES_MAX:,} bytes.")
    if not content.startswith(_MAGIC):
        raise InvalidWeightsError("This is no weights file of format 2: `queqiao screener train` writes one.")
    body, checksum = content[:-_SHA256_BYTES], content[-_SHA256_BYTES:]
    if hashlib.sha256(body).digest() != checksum:
        raise InvalidWeightsError("The weights file is damaged: its checksum does not fit; copy or train it again.")
    told, _, packed = body.removeprefix(_MAGIC).partition(b"\n")
    try:
        return _weights(json.loads(told), packed, checksum.hex()[:_VERSION_DIGITS])
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise InvalidWeightsError(f"The weights file makes no sense ({error}): train it again.") from None


def _weights(header: Mapping[str, object], packed: bytes, version: str) -> Weights:
    labels, bits = _numbers(header["labels"]), header["bits"]
    gains, offsets = _numbers(header["gains"]), _numbers(header["offsets"])
    if not labels or not set(labels) <= set(LABELS) or len({len(labels), len(gains), len(offsets)}) != 1:
        raise ValueError("labels")
    if not isinstance(bits, int) or not _BITS[0] <= bits <= _BITS[1]:
        raise ValueError("bits")
    size = (1 << bits) * len(labels)
    unpacking = zlib.decompressobj()
    unpacked = unpacking.decompress(packed, size + 1)
    if len(unpacked) != size:
        raise ValueError("size of the matrix")
    matrix = np.frombuffer(unpacked, dtype=np.int8).reshape(1 << bits, len(labels))
    return Weights(tuple(map(int, labels)), matrix, gains, offsets, str(header["about"])[:500], version)


def _numbers(value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or not all(isinstance(each, int | float) and math.isfinite(each) for each in value):
        raise ValueError("numbers")
    return tuple(value)


def _probability(odds: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))
