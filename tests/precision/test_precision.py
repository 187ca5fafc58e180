"""Precision is a feature: the lists that ship may not become worse than they were measured."""

import random

import pytest

from services.moderation.lexicon.judging import judge
from services.moderation.lexicon.lexicon import Lexicon
from tests.precision.corpus import (
    EVASIONS,
    INSERTIONS,
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


# What lists and scores catch of the harmful ones of each look; the fourth has none.
_CAUGHT = {"first look": 0.82, "second look": 0.7, "third look": 0.6, "fourth look": 0.0}


@pytest.mark.parametrize("look", LOOKS)
def test_what_fresh_eyes_wrote_is_judged_as_the_documents_say(lexicon: Lexicon, look: str) -> None:
    learned, kinds = shipped_learned(), by_kind(LOOKS[look])
    innocent = local(lexicon, learned, kinds["innocent"])
    assert innocent.refused.share <= 0.002
    assert innocent.by_both.share <= 0.01
    assert local(lexicon, learned, kinds["innocent-everyday"]).by_both.share <= 0.005
    assert local(lexicon, learned, kinds.get("harmful", ())).by_both.share >= _CAUGHT[look]


@pytest.mark.parametrize("evasion", INSERTIONS)
def test_letters_tags_breaks_and_blanks_between_characters_undo_nothing(lexicon: Lexicon, evasion: str) -> None:
    chance = random.Random(evasion)  # noqa: S311  # the same sentences each time
    written = [INSERTIONS[evasion](text, chance) for _, text in beside_the_lists()]
    judged = [judge(lexicon, text) for text in written]
    # A word with a letter of its own, such as K粉, loses it with those that were put in.
    assert sum(each.refused is not None for each in judged) >= len(judged) - 3
    assert sum(bool(each.refused or each.referred) for each in judged) >= len(judged) - 1


@pytest.mark.parametrize(
    "text",
    [
        f"冰毒{' ' * 12}货到付款",
        f"气枪{chr(0x3000) * 12}包邮{' ' * 12}货到付款",
        "出售手\n枪，现\n货",
        "zizhi shouqiang jiaocheng，要的来",
        "xiqiantongdaozhaoshang",
        "来个上门yuanjiao",
        "急找 ZZSQJC 的老板",
    ],
)
def test_blanks_in_a_combination_breaks_in_a_word_pinyin_and_initials_are_found(lexicon: Lexicon, text: str) -> None:
    judged = judge(lexicon, text)
    assert judged.refused or judged.referred


@pytest.mark.parametrize(
    "text",
    [
        "工资日结，想做的加V",
        "当天放款，不看征信，凭身份证",
        "无视逾期，花户也下款",
        "彩金多，首存当天就到",
        "棋牌上分下分找我",
        "四件套，网银盾齐",
        "卡主看过来，车队日结",
        "嫩模上门，快餐六百，过夜一千五",
        "涨粉一千三十块，私我",
        "跑分车队，佣金日结",
    ],
)
def test_jargon_beside_a_price_a_contact_or_other_jargon_is_referred(lexicon: Lexicon, text: str) -> None:
    assert judge(lexicon, text).referred


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
