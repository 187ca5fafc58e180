"""Every evasion that undoes nothing for the lexicon undoes nothing for the score."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.moderation.learned.features import Featurizer
from services.moderation.learned.model import SHIPPED, Screener, read_weights
from tests.precision.corpus import EVASIONS, INSERTIONS, beside_the_lists

SCREENER = Screener(read_weights(SHIPPED.read_bytes()), Featurizer.shipped())
PLAIN = tuple(text for _, text in beside_the_lists())

# What is changed inside a sentence may move a score by so much: an emoji that stands for a character of another view.
_WIDTH = 0.1


def highest(text: str) -> float:
    return max(score.probability for score in SCREENER.scores(text))


@pytest.mark.parametrize("evasion", EVASIONS)
def test_a_sentence_in_disguise_keeps_its_score(evasion: str) -> None:
    chance = random.Random(evasion)  # noqa: S311  # the same sentences each time
    for text in PLAIN:
        assert highest(EVASIONS[evasion](text, chance)) >= highest(text) - _WIDTH, text


@pytest.mark.parametrize("evasion", INSERTIONS)
def test_a_sentence_without_letters_keeps_its_score_whatever_is_put_between(evasion: str) -> None:
    chance = random.Random(evasion)  # noqa: S311  # the same sentences each time
    for text in PLAIN:
        if not any(character.isascii() and character.isalnum() for character in text):
            assert highest(INSERTIONS[evasion](text, chance)) >= highest(text) - _WIDTH, text


_BETWEEN = st.sampled_from([" ", "  ", "\n", ".", "*", "\u200b", "\u0336", "~", "a", "7", "xx", "<b>", "❤", "　"])


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(PLAIN), _BETWEEN)
def test_whatever_stands_between_the_characters_the_score_stays(text: str, between: str) -> None:
    # A sentence that has letters or digits of its own has them dropped with the others.
    if not text.isascii() and not any(character.isascii() and character.isalnum() for character in text):
        assert highest(between.join(text)) >= highest(text) - _WIDTH
