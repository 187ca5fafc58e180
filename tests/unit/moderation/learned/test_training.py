"""The corpus, and what is made of it."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from services.moderation.audit.records import JudgedText
from services.moderation.domain import Action, Layer
from services.moderation.layers.policy import REFER_FROM
from services.moderation.learned.evaluation import THRESHOLDS, Figures, Share, measured, render
from services.moderation.learned.features import Featurizer
from services.moderation.learned.labels import labelled
from services.moderation.learned.model import SHIPPED, Screener, read_weights
from services.moderation.learned.samples import HELD_OUT, TRAINED, Sample, questions, read_samples
from services.moderation.learned.training import Recipe, train
from tests.precision.corpus import LOOKS

FEATURIZER = Featurizer.shipped()

# Of a sentence's triples of characters together with another's; more is a copy with a word changed.
_COPIED = 0.6


def triples(text: str) -> frozenset[str]:
    view = FEATURIZER.view(text)
    return frozenset(view[at : at + 3] for at in range(len(view) - 2)) or frozenset([view])


def test_the_corpus_is_large_and_no_held_out_sentence_is_trained_on() -> None:
    trained = read_samples(TRAINED)
    held_out = [sample for folder in (HELD_OUT, *LOOKS.values()) for sample in read_samples(folder)]
    assert sum(sample.label != 0 for sample in trained) >= 3_000
    assert sum(sample.label == 0 for sample in trained) >= 4_000
    views = {FEATURIZER.view(sample.text) for sample in trained}
    assert not [sample.text for sample in held_out if FEATURIZER.view(sample.text) in views]


@pytest.fixture(scope="module")
def trained() -> tuple[list[frozenset[str]], dict[str, list[int]]]:
    """The triples of each sentence that is trained on, and which of them have a triple."""
    of_each = [triples(sample.text) for sample in read_samples(TRAINED)]
    having: dict[str, list[int]] = defaultdict(list)
    for number, of_one in enumerate(of_each):
        for triple in of_one:
            having[triple].append(number)
    return of_each, having


@pytest.mark.parametrize("look", LOOKS)
def test_no_sentence_of_a_look_is_one_of_the_training_part_with_a_word_changed(
    trained: tuple[list[frozenset[str]], dict[str, list[int]]], look: str
) -> None:
    of_each, having = trained
    for sample in read_samples(LOOKS[look]):
        own = triples(sample.text)
        shared = Counter(number for triple in own for number in having.get(triple, ()))
        copies = [number for number, count in shared.items() if count >= _COPIED * len(own | of_each[number])]
        assert not copies, sample.text


def test_thresholds_are_set_by_questions_that_are_neither_trained_on_nor_held_out() -> None:
    screener = Screener(read_weights(SHIPPED.read_bytes()), FEATURIZER)
    elsewhere = (TRAINED, HELD_OUT, *LOOKS.values())
    views = {FEATURIZER.view(sample.text) for folder in elsewhere for sample in read_samples(folder)}
    asked = questions()
    assert len(asked) >= 900
    assert not [text for text in asked if FEATURIZER.view(text) in views]
    flagged = [text for text in asked if any(score.probability >= 0.83 for score in screener.scores(text))]
    assert len(flagged) <= 0.003 * len(asked)


def test_questions_that_are_too_often_referred_lower_every_score() -> None:
    samples = [sample for sample in read_samples(TRAINED) if sample.written and sample.label in (0, 20008)]
    recipe = Recipe(bits=12)
    asked = [sample.text for sample in samples if sample.label][:400]
    (before,) = read_weights(train(samples, FEATURIZER, recipe, about="")).offsets
    weights = read_weights(train(samples, FEATURIZER, recipe, questions=asked, about=""))
    assert weights.offsets[0] < before
    screener = Screener(weights, FEATURIZER)
    assert sum(score.probability >= REFER_FROM["20008"] for text in asked for score in screener.scores(text)) == 1


def test_the_weights_that_ship_are_worth_what_the_documents_say() -> None:
    screener = Screener(read_weights(SHIPPED.read_bytes()), FEATURIZER)
    flagged = measured(screener, read_samples(HELD_OUT)).flagged[REFER_FROM["20008"]]
    harmful = [share for label, share in flagged.items() if label]
    assert sum(share.hits for share in harmful) / sum(share.of for share in harmful) >= 0.42
    assert flagged[0].hits / flagged[0].of <= 0.02


def test_the_same_sentences_make_the_same_bytes() -> None:
    samples = [sample for sample in read_samples(TRAINED) if sample.written and sample.label in (0, 20008)]
    recipe = Recipe(bits=12)
    first = train(samples, FEATURIZER, recipe, about="a test")
    assert train(samples, FEATURIZER, recipe, about="a test") == first
    assert read_weights(first).labels == (20008,)


def test_what_an_owner_adds_is_learned() -> None:
    samples = [sample for sample in read_samples(TRAINED) if sample.written and sample.label in (0, 20008)]
    added = [Sample(20008, f"琉璃瓦片换云朵，第{number}号窗口") for number in range(30)]
    recipe = Recipe(bits=14)
    before = Screener(read_weights(train(samples, FEATURIZER, recipe, about="")), FEATURIZER)
    after = Screener(read_weights(train([*samples, *added], FEATURIZER, recipe, about="")), FEATURIZER)
    (old,), (new,) = before.scores("琉璃瓦片换云朵"), after.scores("琉璃瓦片换云朵")
    assert new.probability > max(0.8, old.probability)


def test_too_few_sentences_are_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        train([Sample(0, "你好"), Sample(20008, "刷单")], FEATURIZER, about="")


def test_a_grammar_draws_from_its_slots_and_a_wrong_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "shared.slots").write_text("[who] 甲|乙\n", encoding="utf-8")
    (tmp_path / "20008-a.grammar").write_text("count 4\n[does] 来|去\n{who}{does}\n", encoding="utf-8")
    (tmp_path / "innocent-a.txt").write_text("# comment\n你好\n", encoding="utf-8")
    samples = read_samples(tmp_path)
    assert {sample.text for sample in samples if not sample.written} == {"甲来", "甲去", "乙来", "乙去"}
    assert [sample for sample in samples if sample.written] == [Sample(0, "你好")]
    (tmp_path / "99999-b.txt").write_text("x\n", encoding="utf-8")
    with pytest.raises(ValueError, match="99999-b"):
        read_samples(tmp_path)


def test_a_kept_text_has_the_label_that_the_layers_gave_it() -> None:
    judged = [
        JudgedText("甲", Action.REFUSED, Layer.LEXICON, 20006, appealed=False),
        JudgedText("甲", Action.REFUSED, Layer.WECHAT, 20002, appealed=False),
        JudgedText("乙", Action.REFUSED, Layer.LEXICON, 20006, appealed=True),
        JudgedText("丙", Action.REFERRED, Layer.LEARNED, 20008, appealed=False),
        JudgedText("丁", Action.REFUSED, Layer.LEARNED, 20008, appealed=False),
    ]
    assert labelled(judged, remote=True) == [Sample(20002, "甲"), Sample(0, "乙"), Sample(0, "丙")]
    assert labelled(judged, remote=False) == [Sample(20002, "甲"), Sample(0, "乙")]


def test_a_share_has_wilsons_interval() -> None:
    assert str(Share(5, 100)) == "5.0% (2.2% to 11.2%) of 100"
    assert Share(0, 0).interval == (0.0, 1.0)


def test_figures_of_two_weights_stand_side_by_side() -> None:
    old, new = ({0: Share(1, 100), 20003: Share(1, 2), 20008: Share(hits, 4)} for hits in (1, 3))
    told = render({"in force": Figures(dict.fromkeys(THRESHOLDS, old)), "new": Figures(dict.fromkeys(THRESHOLDS, new))})
    block = [line.split() for line in told.splitlines()[:5]]
    assert block[0] == ["flagged", "at", "0.8", "in", "force", "new"]
    assert [(line[0], line[1], line[2], line[6]) for line in block[1:]] == [
        ("innocent", "100", "1.0%", "1.0%"),
        ("20003", "2", "50.0%", "50.0%"),
        ("20008", "4", "25.0%", "75.0%"),
        ("harmful", "6", "33.3%", "66.7%"),
    ]
