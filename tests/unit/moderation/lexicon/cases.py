"""How words are written to evade a lexicon, and innocent sentences that contain the same characters.

One lexicon for all of them: what makes one case found must not make another's innocent sentence found.
"""

from dataclasses import dataclass

from services.moderation.lexicon.entries import Entry, Evasion, Tier
from services.moderation.lexicon.lexicon import Lexicon

ALSO = frozenset(Evasion)

ENTRIES = (
    Entry("赌博"),
    Entry("枪支"),
    Entry("台独"),
    Entry("违禁词"),
    Entry("裸聊", also=ALSO),
    Entry("卖淫", also=frozenset({Evasion.HOMOPHONES, Evasion.PINYIN})),
    Entry("激情视频"),
    Entry("六四"),
    Entry("9024"),
    Entry("fuck"),
    Entry("ass"),
    Entry("god"),
    Entry("buy cocaine"),
    Entry("k粉"),
    Entry("发票"),
    Entry("冰毒", near=("出售", "购买", "货到付款"), within=8),
    Entry("毒", 20006, Tier.REVIEW),
    Entry("裸机", 21000, Tier.ALLOW),
    Entry("一台独立", 21000, Tier.ALLOW),
    Entry("两台独立", 21000, Tier.ALLOW),
    Entry("病毒", 21000, Tier.ALLOW),
)

LEXICON = Lexicon(ENTRIES)


@dataclass(frozen=True)
class Class:
    """A way of writing: texts → the word that is refused in them; and texts in which nothing is."""

    evaded: dict[str, str]
    innocent: tuple[str, ...]


CLASSES = {
    "as it is": Class(
        {"他在赌博": "赌博", "枪支弹药": "枪支", "what the fuck": "fuck", "号码9024": "9024", "纪念六四": "六四"},
        (
            "他在读博",
            "独立枪手与支架",
            "一共19024元",
            "90245",
            "2024年9月",
            "class",
            "passage",
            "grass roots",
            "六十四",
        ),
    ),
    "width and case": Class(
        {"FUCK": "fuck", "ｆｕｃｋ": "fuck", "FuCk!": "fuck", "Ｋ粉": "k粉", "ⓕⓤⓒⓚ": "fuck"},
        ("ＣＬＡＳＳ", "Ass​essment", "OK粉丝"),
    ),
    "traditional characters": Class(
        {"賭博": "赌博", "槍支": "枪支", "違禁詞": "违禁词", "臺獨": "台独", "發票": "发票"},
        ("讀博", "一臺獨立顯卡", "病毒學"),
    ),
    "zero-width and control characters": Class(
        {
            "赌\u200b博": "赌博",
            "赌\u2060\ufeff博": "赌博",
            "f\u200bu\u200cc\u200dk": "fuck",
            "赌\x07博": "赌博",
            "赌\u0301博": "赌博",
        },
        ("读\u200b博", "cl\u200bass"),
    ),
    "punctuation and spaces": Class(
        {
            "赌 博": "赌博",
            "赌-博": "赌博",
            "赌...博": "赌博",
            "违*禁*词": "违禁词",
            "违 / 禁 / 词": "违禁词",
            "f.u.c.k": "fuck",
            "f u c k": "fuck",
            "buy   cocaine": "buy cocaine",
            "buy_cocaine": "buy cocaine",
        },
        ("他先赌，博物馆后去", "as soon as", "a s\u3000soon", "go d", "his of ficer", "buy coca ine"),
    ),
    "letters, digits and tags between": Class(
        {
            "违a禁b词": "违禁词",
            "违1禁2词": "违禁词",
            "违<b>禁</b>词": "违禁词",
            "违[u]禁[/u]词": "违禁词",
            "违 x 禁 x 词": "违禁词",
            "违&nbsp;禁&nbsp;词": "违禁词",
            "去a赌a博a吧": "赌博",
        },
        ("违约金按1禁止", "违a禁止", "赌A博士", "违反Python禁用的词", "赌3场博2次", "违abc禁abc词"),
    ),
    "line breaks": Class(
        {"违\n禁\n词": "违禁词", "去\n赌\n博\n吧": "赌博"},
        ("他先赌\n博物馆后去", "诗一首：\n赌\n读"),
    ),
    "repeats": Class(
        {"赌赌博博": "赌博", "违禁禁禁词": "违禁词", "fuuuuck": "fuck", "赌 赌 博": "赌博", "bad god": "god"},
        ("good", "goddess", "读读博博", "aas"),
    ),
    "forms of digits": Class(
        {
            "⑨⓪②④": "9024",
            "９０２４": "9024",
            "九零二四": "9024",
            "玖〇贰肆": "9024",
            "九⓿二肆": "9024",
            "9-0-2-4": "9024",
        },
        ("64位系统", "一九零二四五", "90 245", "9.024.5", "六四三", "90，24"),
    ),
    "look-alikes": Class(
        {"赌愽": "赌博", "fuсk": "fuck", "gоd": "god", "аss": "ass"},
        ("сlаss", "愽士"),
    ),
    "split characters": Class(
        {"贝者博": "赌博", "赌十尃": "赌博", "贝者十尃": "赌博", "木仓支": "枪支", "贝 者 博": "赌博"},
        ("贝者", "木仓库", "珠贝者多"),
    ),
    "emoji": Class(
        {"🔫支": "枪支", "🔫️支弹药": "枪支"},
        ("我画了🔫", "吃🐔支持你", "🔫手"),
    ),
    "pinyin": Class(
        {
            "luo liao": "裸聊",
            "luoliao": "裸聊",
            "裸liao": "裸聊",
            "luo聊": "裸聊",
            "LuoLiao吗": "裸聊",
            "mai yin": "卖淫",
        },
        ("luoliaoning", "galuoliao", "luo", "maying", "dubo"),
    ),
    "initials": Class(
        {"ll吗": "裸聊", "来ＬＬ吧": "裸聊"},
        ("all", "hello", "my"),
    ),
    "homophones": Class(
        {"落聊": "裸聊", "裸疗": "裸聊", "买银": "卖淫", "麦音": "卖淫"},
        ("聊天", "银行", "渡博", "度波"),
    ),
    "reversal": Class(
        {"聊裸": "裸聊", "来聊 裸吗": "裸聊"},
        ("博赌", "支枪"),
    ),
    "leetspeak": Class(
        {"@ss": "ass", "g0d": "god", "a$$": "ass"},
        ("cl4ss", "455", "一共455元", "$ 455", "90d", "f4ct"),
    ),
    "combinations": Class(
        {"出售一批冰毒": "冰毒", "冰毒贝勾买": "冰毒", "冰毒，货到付款": "冰毒", "購買氷 冰 毒": "冰毒"},
        ("出售一批手机，警方提醒大家远离", "冰毒的危害"),
    ),
    "allowed phrases": Class(
        {"台独分子": "台独", "裸机，也有裸聊": "裸聊"},
        ("一台独立的服务器", "两台独立显卡", "我买了裸机", "电脑病毒"),
    ),
}

EVADED = [(name, text, word) for name, each in CLASSES.items() for text, word in each.evaded.items()]
INNOCENT = [(name, text) for name, each in CLASSES.items() for text in each.innocent]
