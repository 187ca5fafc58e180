"""Sentences to measure by: of our own writing, from templates, and harmful ones rewritten as people evade filters.

Nothing here knows the engine: each evasion is written down once more, from what people do.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from services.moderation.learned.samples import HELD_OUT, read_samples

_FOLDER = Path(__file__).parent

# Written by somebody who had seen neither the lists nor the training part; each was measured before it changed any.
LOOKS = {f"{look} look": HELD_OUT / f"{look}_look" for look in ("first", "second", "third", "fourth")}

_TOPICS = (
    *(
        "怎样学好英语",
        "怎样提高记忆力",
        "高血压患者的饮食",
        "糖尿病的早期症状",
        "感冒发烧吃什么药",
        "孩子挑食",
        "失眠的调理",
    ),
    *(
        "租房合同的陷阱",
        "劳动仲裁的流程",
        "离婚财产的分割",
        "交通事故的责任认定",
        "防范电信诈骗",
        "青少年禁毒教育",
        "枪支管理的法律",
    ),
    *(
        "鸦片战争的影响",
        "唐朝的对外贸易",
        "第二次世界大战的转折点",
        "中国古代的四大发明",
        "甲午战争的经过",
        "丝绸之路的路线",
    ),
    *(
        "Python的异常处理",
        "数据库的索引",
        "病毒查杀软件的原理",
        "线程与进程的区别",
        "独立显卡的选购",
        "64位操作系统的优点",
    ),
    *("红烧肉的做法", "冰镇酸梅汤的配方", "草莓大福的步骤", "鸡胸肉的低脂吃法", "茶叶的冲泡水温", "菠菜的营养价值"),
    *("射击运动的规则", "足球越位的判罚", "马拉松的训练计划", "溜冰的入门技巧", "围棋的定式", "扑克牌魔术的手法"),
    *("基金定投的风险", "彩票中奖的概率", "信用卡的还款日", "比特币的历史", "个人所得税的计算", "银行卡被冻结的处理"),
    *("激情四射的演讲稿", "裸眼三维技术", "情人节的由来", "性格测试的可信度", "抑郁症的求助渠道", "自我伤害行为的干预"),
)
_FORMS = (
    "请介绍一下{}。",
    "老师，我想了解{}，能讲讲吗？",
    "帮我写一段关于{}的文字，三百字左右。",
    "{}有哪些常见误区？",
    "新闻里提到{}，这是什么意思？",
    "我同事昨天问我{}，我没答上来。",
    "把“{}”翻译成英文。",
    "给小学生讲{}，要用打比方的方法。",
    "关于{}，网上的说法不一样，哪个对？",
    "今天的作业是{}，请给我一个提纲。",
    "{}？越简单越好。",
    "如果只能记住三点，{}应该记哪三点？",
    "1. 背景；2. {}；3. 总结。请按这个提纲写。",
    "我爸妈总问我{}，怎么跟他们解释？",
    "请用表格比较{}的不同方案。",
    "昨晚梦到了{}，真奇怪哈哈哈",
    "推荐几本讲{}的书。",
    "谢谢！再问一个：{}。",
    "（课堂讨论）{}：你怎么看？",
    "写一首关于{}的小诗。",
)


@dataclass(frozen=True)
class Corpus:
    """Sentences: innocent ones, and (WeChat's label, sentence) of what is to be refused or at least referred."""

    innocent: tuple[str, ...]
    harmful: tuple[tuple[int, str], ...]


def development() -> Corpus:
    """By which lists are made."""
    harmful = (*_labelled("harmful.txt"), *tuple(_labelled("paraphrased.txt"))[::2])
    return Corpus(tuple(_lines("innocent.txt"))[::2], harmful)


def beside_the_lists() -> tuple[tuple[int, str], ...]:
    """Harmful sentences that say what the lists say."""
    return tuple(_labelled("harmful.txt"))


def unseen() -> Corpus:
    """Written after the lists were finished. Once a list is changed by it, it is unseen no more: write another."""
    return Corpus(tuple(_lines("unseen_innocent.txt")), tuple(_labelled("unseen.txt")))


def held_out() -> Corpus:
    """The other half. Not unseen: the lists say some of its phrases word for word, so its figures flatter them."""
    templates = (form.format(topic) for form, topic in product(_FORMS, _TOPICS))
    return Corpus((*tuple(_lines("innocent.txt"))[1::2], *templates), tuple(_labelled("paraphrased.txt"))[1::2])


def by_kind(folder: Path) -> dict[str, list[str]]:
    """A held-out part of the learned layer's corpus: all that is harmful, by label, all that is innocent, by file."""
    kinds: dict[str, list[str]] = {"harmful": [], "innocent": []}
    for sample in read_samples(folder):
        kinds["harmful" if sample.label else "innocent"].append(sample.text)
        if sample.label:
            kinds.setdefault(str(sample.label), []).append(sample.text)
    for file in sorted(folder.glob("innocent-*.txt")):
        kinds.setdefault(file.stem, list(_of_file(file)))
    return {kind: texts for kind, texts in sorted(kinds.items()) if texts}


def _labelled(name: str) -> Iterator[tuple[int, str]]:
    return ((int(label), text) for label, text in (line.split("\t") for line in _lines(name)))


def _lines(name: str) -> Iterator[str]:
    return _of_file(_FOLDER / name)


def _of_file(file: Path) -> Iterator[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return (line for line in lines if line and not line.startswith("#"))


Rewrite = Callable[[str, random.Random], str]

_TRADITIONAL = str.maketrans(
    "货现发开网络证办钞枪炸药卖赌钱银软师视频质联语", "貨現發開網絡證辦鈔槍炸藥賣賭錢銀軟師視頻質聯語"
)
_SPLIT = {
    "枪": "木仓",
    "赌": "贝者",
    "博": "十尃",
    "骗": "马扁",
    "炸": "火乍",
    "弹": "弓单",
    "钱": "金戋",
    "裸": "衣果",
    "码": "石马",
    "冰": "冫水",
}
_EMOJI = {"枪": "🔫", "药": "💊", "弹": "💣", "钱": "💰", "赌": "🎰", "冰": "🧊", "烟": "🚬", "票": "🎫", "卡": "💳"}
_DIGITS = str.maketrans("一二三四五六七八九", "①②③④⑤⑥⑦⑧⑨")


def _between(between: str) -> Rewrite:
    return lambda text, chance: "".join(
        character + (between if "\u4e00" <= character <= "\u9fff" else "") for character in text
    )


def _doubled(text: str, chance: random.Random) -> str:
    return "".join(character * chance.choice((1, 1, 2, 3)) for character in text)


def _mapped(table: dict[str, str]) -> Rewrite:
    return lambda text, chance: "".join(table.get(character, character) for character in text)


EVASIONS: dict[str, Rewrite] = {
    "as it is": lambda text, chance: text,
    "spaces": _between(" "),
    "punctuation": _between("."),
    "zero-width": _between("\u200b"),
    "combining marks": _between("\u0336"),
    "repeats": _doubled,
    "traditional": lambda text, chance: text.translate(_TRADITIONAL),
    "full width": lambda text, chance: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "split characters": _mapped(_SPLIT),
    "emoji": _mapped(_EMOJI),
    "digits": lambda text, chance: text.translate(_DIGITS),
}

# What is put between characters, of which a view without it is made; a word's own letters are lost with it.
INSERTIONS: dict[str, Rewrite] = {
    "letters": _between("a"),
    "digits between": _between("7"),
    "tags": _between("<b>"),
    "line breaks": _between("\n"),
    "blanks": _between(" " * 12),
}
