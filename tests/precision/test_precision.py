"""Precision is a feature: the lists that ship may not become worse than they were measured."""

import pytest

from services.moderation.lexicon.lexicon import Lexicon
from tests.precision.corpus import (
    EVASIONS,
    LOOKS,
    Corpus,
    beside_the_lists,
    by_kind,
    development,
    held_out,
    unseen,
)
from tests.precision.evaluation import evaluate, local, mistakes, shipped, shipped_learned


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return shipped()


def test_the_lists_do_what_they_mean_to(lexicon: Lexicon) -> None:
    innocent = development().innocent
    assert mistakes(lexicon, Corpus(innocent, beside_the_lists())) == []


def test_innocent_sentences_of_the_held_out_half_are_not_refused(lexicon: Lexicon) -> None:
    result = evaluate(lexicon, held_out())
    assert result.refused_innocent.of > 1_000
    assert result.refused_innocent.share <= 0.002
    assert result.referred_innocent.share <= 0.01


def test_scores_catch_what_lists_do_not_and_hardly_any_innocent_sentence(lexicon: Lexicon) -> None:
    learned = shipped_learned()
    innocent = local(lexicon, learned, held_out().innocent)
    assert innocent.by_scores.share <= 0.005
    harmful = local(lexicon, learned, [text for _, text in unseen().harmful])
    assert harmful.by_both.share >= 0.6
    assert harmful.by_lists.share < 0.25


# The third look is measured once, after what is to be changed.
@pytest.mark.parametrize("look", ["first look", "second look"])
def test_what_fresh_eyes_wrote_is_judged_as_the_documents_say(lexicon: Lexicon, look: str) -> None:
    learned, kinds = shipped_learned(), by_kind(LOOKS[look])
    innocent = local(lexicon, learned, kinds["innocent"])
    assert innocent.refused.share <= 0.002
    assert innocent.by_both.share <= 0.02
    assert local(lexicon, learned, kinds["innocent-everyday"]).by_both.share <= 0.0105
    assert local(lexicon, learned, kinds["harmful"]).by_both.share >= 0.85


@pytest.mark.parametrize("evasion", EVASIONS)
def test_no_evasion_is_worth_the_trouble(lexicon: Lexicon, evasion: str) -> None:
    result = evaluate(lexicon, Corpus((), beside_the_lists()))
    assert result.refused_by_evasion[evasion].share >= 0.97


def test_corpora_hold_each_sentence_once() -> None:
    for corpus in (development(), held_out(), unseen()):
        assert len(set(corpus.innocent)) == len(corpus.innocent)
        assert len(set(corpus.harmful)) == len(corpus.harmful)
    assert not set(development().harmful) & set(held_out().harmful)
    known = {*development().innocent, *held_out().innocent}, {*development().harmful, *held_out().harmful}
    assert not known[0] & set(unseen().innocent)
    assert not known[1] & set(unseen().harmful)
