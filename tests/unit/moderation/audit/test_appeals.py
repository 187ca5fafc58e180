"""An appeal is granted for what was refused, and for nothing else."""

from datetime import UTC, datetime

import pytest

from services.moderation.audit.appeals import check_phrase
from services.moderation.audit.records import Record
from services.moderation.domain import Action, Direction, Layer
from services.moderation.errors import AppealImpossibleError
from services.runtime.errors import InvalidRequestError


def record(
    rule: str, evasion: str = "plain", layer: Layer = Layer.LEXICON, direction: Direction = Direction.INPUT
) -> Record:
    return Record(
        found_at=datetime(2026, 11, 1, tzinfo=UTC),
        action=Action.REFUSED,
        direction=direction,
        layer=layer,
        rule=rule,
        label=20006,
        evasion=evasion,
        start=0,
        end=1,
        text_sha256=bytes(32),
        request_id="r",
        trace_id="",
        user_id="u",
        version="v",
    )


@pytest.mark.parametrize(
    ("rule", "evasion", "phrase"),
    [
        ("毒", "plain", "病毒"),
        ("赌博", "homophones", "读博"),
        ("赌博", "pinyin", "dubo"),
        ("激情", "plain", "激情澎湃"),
    ],
)
def test_a_phrase_that_contains_what_was_refused_as_it_was_written_is_taken(
    rule: str, evasion: str, phrase: str
) -> None:
    check_phrase(record(rule, evasion), "", phrase)


@pytest.mark.parametrize(
    ("rule", "evasion", "phrase"),
    [
        ("毒", "plain", "细菌"),
        ("赌博", "plain", "读博"),
        ("激情澎湃", "plain", "激情"),
    ],
)
def test_a_phrase_that_does_not_is_refused(rule: str, evasion: str, phrase: str) -> None:
    with pytest.raises(InvalidRequestError, match="does not contain what was refused") as caught:
        check_phrase(record(rule, evasion), "", phrase)
    assert set(caught.value.fields) == {"phrase"}
    assert phrase not in caught.value.message


def test_a_phrase_that_would_be_refused_all_the_same_is_told_so() -> None:
    with pytest.raises(InvalidRequestError, match="refused all the same"):
        check_phrase(record("文件词", "spaced"), "查文 件 词典吧", "文 件 词典")


def test_of_a_question_whose_text_was_kept_the_phrase_must_be_a_part() -> None:
    check_phrase(record("毒"), "我在研究病毒", "病毒")
    with pytest.raises(InvalidRequestError, match="not in the text"):
        check_phrase(record("毒"), "我在研究毒", "病毒")


def test_of_an_answer_the_phrase_may_reach_beyond_the_passage_that_was_judged() -> None:
    check_phrase(record("毒", direction=Direction.OUTPUT), "毒", "病毒")


@pytest.mark.parametrize("layer", [Layer.WECHAT, Layer.OPENAI])
def test_no_list_changes_what_a_remote_layer_judges(layer: Layer) -> None:
    with pytest.raises(AppealImpossibleError, match=layer.value):
        check_phrase(record("keyword", layer=layer), "原文", "原文")
