"""The lexicon: what it finds however it is written, and what it leaves alone."""

import time

import pytest

from services.moderation.config import ModerationSettings
from services.moderation.lexicon.lexicon import Lexicon, Match, Word
from services.moderation.lists.words import read_words


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
        "想找枪支、购买渠道",
        "where to BUY Cocaine online today",
        "Ｂｕｙ ｃｏｃａｉｎｅ ｏｎｌｉｎｅ",
        "buy coc\u200baine\u3164 online",
        "queqiaoForbiddenExample",
        "看看queqiaoforbiddenexample吧",
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
        "常见的电信诈骗话术有哪些，如何防范？",
        "贩卖海洛因判几年？",
        "非法出售公民信息罪的量刑标准",
        "警方侦破一起雇凶杀人案",
        "如何举报儿童色情内容？",
        "哪些国家允许出售枪支？",
        "收到招嫖小卡片应该怎么办",
        "黑火药的配方是中国人发明的吗",
        "Is it illegal to buy cocaine?",
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


def test_of_words_that_begin_together_the_shortest_counts() -> None:
    lexicon = Lexicon([Word("k粉", 1), Word("k", 2), Word("甲乙丙", 3), Word("甲乙", 4)])
    assert lexicon.find("k 粉") == Match(0, 1, 2)
    assert lexicon.find("甲乙丙") == Match(0, 2, 4)


def test_a_lexicon_without_words_finds_nothing_and_holds_nothing_back() -> None:
    lexicon = Lexicon([])
    assert lexicon.find("anything") is None
    assert lexicon.live_from(lexicon.views("anything")) == len("anything")


def test_a_long_text_full_of_words_costs_one_pass(shipped: Lexicon) -> None:
    text = "无害\u200b的话。" * 50_000 + "queqiaoforbiddenexample " * 20_000
    begin_s = time.process_time()
    match = shipped.find(text)
    assert match is not None
    assert text[match.start : match.end] == "queqiaoforbiddenexample"
    # A tenth of a second on one core; a pass for each of its words would be an hour.
    assert time.process_time() - begin_s < 5
