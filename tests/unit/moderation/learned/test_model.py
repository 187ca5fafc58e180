"""Weights files and scores."""

import hashlib
from math import exp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.moderation.errors import InvalidWeightsError
from services.moderation.learned.features import Featurizer, features, gram_at
from services.moderation.learned.model import SHIPPED, Screener, read_weights, write_weights

CONTENT = SHIPPED.read_bytes()
SCREENER = Screener(read_weights(CONTENT), Featurizer.shipped())
OFFER = "宝妈手机兼职日结，一天两百，不收押金，想做的加微信"


def test_what_is_written_is_read() -> None:
    weights = read_weights(CONTENT)
    assert write_weights(weights) == CONTENT
    assert weights.matrix.shape == (1 << weights.bits, len(weights.labels))
    assert len(CONTENT) < 2_000_000


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (b"", "no weights file"),
        (b"word,label\n", "no weights file"),
        (CONTENT.replace(b"screener 2", b"screener 1", 1), "no weights file of format 2"),
        (CONTENT[:-1], "damaged"),
        (CONTENT[: len(CONTENT) // 2], "damaged"),
        (CONTENT[:200] + b"\x00" + CONTENT[201:], "damaged"),
        (CONTENT + b"\x00" * 2_000_000, "too large"),
    ],
)
def test_a_broken_file_is_refused_with_a_sentence(broken: bytes, why: str) -> None:
    with pytest.raises(InvalidWeightsError, match=why) as raised:
        read_weights(broken)
    assert raised.value.message.endswith(".")


@pytest.mark.parametrize(
    "header",
    [
        b"{}",
        b"[]",
        b"no json",
        b'{"labels": [1], "bits": 17, "gains": [1.0], "offsets": [1.0], "about": ""}',
        b'{"labels": [20008], "bits": 40, "gains": [1.0], "offsets": [1.0], "about": ""}',
        b'{"labels": [20008], "bits": 17, "gains": [], "offsets": [1.0], "about": ""}',
        b'{"labels": [20008], "bits": 17, "gains": [NaN], "offsets": [1.0], "about": ""}',
    ],
)
def test_a_file_that_makes_no_sense_is_refused_though_its_checksum_fits(header: bytes) -> None:
    body = b"queqiao screener 2\n" + header + b"\nx"
    with pytest.raises(InvalidWeightsError, match="makes no sense"):
        read_weights(body + hashlib.sha256(body).digest())


def test_an_offer_in_words_of_its_own_scores_high_and_a_question_about_it_low() -> None:
    assert max(score.probability for score in SCREENER.scores(OFFER)) > 0.9
    for innocent in ("我妈想做手机兼职，怎么分辨是不是骗局", "帮我写一份请假条", "How do I center a div?", ""):
        assert max((score.probability for score in SCREENER.scores(innocent)), default=0.0) < 0.5


def test_an_offer_is_found_in_the_middle_of_a_long_text() -> None:
    article = "秦始皇统一六国以后推行书同文车同轨，统一度量衡，修筑长城，这些措施影响深远。" * 20
    alone = max(SCREENER.scores(OFFER), key=lambda score: score.probability)
    within = next(score for score in SCREENER.scores(article + OFFER + article) if score.label == alone.label)
    assert max(score.probability for score in SCREENER.scores(article)) < 0.5
    assert within.probability > 0.5


def test_an_explanation_names_n_grams_of_the_text() -> None:
    score = max(SCREENER.scores(OFFER), key=lambda score: score.probability)
    explained = SCREENER.explain(OFFER, score)
    view = Featurizer.shipped().view(OFFER)
    assert explained
    assert all(gram in view and weight > 0 for gram, weight in explained)
    assert [weight for _, weight in explained] == sorted((weight for _, weight in explained), reverse=True)


@settings(deadline=None)
@given(st.text(max_size=600))
def test_any_text_has_a_probability_of_every_label(text: str) -> None:
    scores = SCREENER.scores(text)
    assert [score.label for score in scores] in ([], list(SCREENER.weights.labels))
    assert all(0 < score.probability < 1 for score in scores)


@settings(deadline=None)
@given(st.text(min_size=1, max_size=60))
def test_every_feature_is_of_the_n_gram_that_is_named(view: str) -> None:
    # The feature of an n-gram is the same wherever it stands.
    known: dict[str, int] = {}
    for number, feature in enumerate(features(view, 17).tolist()):
        gram = gram_at(view, number)
        assert len(gram) in (1, 2, 3)
        assert known.setdefault(gram, feature) == feature


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.text("一二兼职日结加微信🔫 +a1，。", max_size=130), max_size=8))
def test_texts_that_are_scored_together_have_the_scores_that_each_has_alone(texts: list[str]) -> None:
    assert SCREENER.scores_of_all(texts) == [SCREENER.scores(text) for text in texts]


def test_what_short_texts_have_is_the_sum_of_the_weights_of_their_features() -> None:
    weights = SCREENER.weights
    for text in (OFFER, OFFER[:9], "今天天气不错，适合出门走走"):
        found = features(Featurizer.shipped().view(text), weights.bits)
        value = 1 / max(len(found), 16) ** 0.5
        odds = weights.matrix[found].sum(axis=0, dtype=int) * value * weights.gains + weights.offsets
        told = [score.probability for score in SCREENER.scores_of_all(["别的", text, OFFER])[1]]
        assert told == pytest.approx([1 / (1 + exp(-each)) for each in odds])
