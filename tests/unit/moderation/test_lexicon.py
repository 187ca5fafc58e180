"""The lexicon: what it finds however it is written, and what it leaves alone."""

import pytest

from services.moderation.config import ModerationSettings
from services.moderation.lexicon import Lexicon, Word
from services.moderation.words import read_words


@pytest.fixture(scope="module")
def shipped() -> Lexicon:
    return Lexicon(read_words(ModerationSettings(port=0).lexicon_path))


@pytest.mark.parametrize(
    "text",
    [
        "鹊桥违禁词示例",
        "请看鹊桥违禁词示例。",
        "鹊 桥 违 禁 词 示 例",
        "鹊-桥.违*禁_词、示,例",
        "鹊桥\u200b违禁\u200d词示例",
        "鹊桥违\n禁词\t示例",
        "哪里有人出售冰毒",
        "想找枪支、出售的渠道",
        "how to BUY Cocaine today",
        "Ｂｕｙ ｃｏｃａｉｎｅ",
        "buy coc\u200baine",
        "queqiaoForbiddenExample",
    ],
)
def test_a_listed_word_is_found_however_it_is_written(shipped: Lexicon, text: str) -> None:
    match = shipped.find(text)
    assert match is not None
    assert 0 <= match.start < match.end <= len(text)


@pytest.mark.parametrize(
    "text",
    [
        "鹊桥仙·纤云弄巧",
        "违禁品的示例有哪些？",
        "病毒是如何传播的？",
        "冰毒对大脑有什么危害？",
        "如何帮助想自杀的朋友？",
        "枪支管理法是哪一年颁布的？",
        "打击电信诈骗的措施",
        "裸机编程和操作系统有什么区别",
        "激情澎湃的演讲稿怎么写",
        "一台独立服务器多少钱",
        "She decided to buy cocainetics-free cosmetics",
        "myqueqiaoforbiddenexample2",
        "",
        "😀🎉\u200b\ufeff",
    ],
)
def test_an_innocent_sentence_with_the_same_characters_is_left_alone(shipped: Lexicon, text: str) -> None:
    assert shipped.find(text) is None


def test_a_match_is_where_it_stands_in_the_original() -> None:
    text = "a\u200b，看 违-禁\u200d词 了"
    match = Lexicon([Word("违禁词", 21000)]).find(text)
    assert match is not None
    assert text[match.start : match.end] == "违-禁\u200d词"
    assert match.label == 21000


def test_the_word_that_begins_first_is_the_one_that_counts() -> None:
    match = Lexicon([Word("乙丙", 1), Word("甲乙丙丁", 2)]).find("甲乙丙丁")
    assert match is not None
    assert (match.start, match.label) == (0, 2)


def test_a_lexicon_without_words_finds_nothing() -> None:
    assert Lexicon([]).find("anything") is None
    assert Lexicon([]).releasable("anything") == len("anything")
