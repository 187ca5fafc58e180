"""What happens to a text between the layers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.moderation.checks import Checks, Window
from services.moderation.domain import Action, Direction, Finding, Layer, Opinion, OutputPlan, Review, Subject, Verdict
from services.moderation.layers.policy import LearnedPolicy
from services.moderation.learned.features import Featurizer
from services.moderation.learned.judging import LearnedLayer
from services.moderation.learned.model import SHIPPED, Screener, read_weights
from services.moderation.lexicon.entries import Entry, Tier
from services.moderation.lexicon.lexicon import Lexicon

LEXICON = Lexicon(
    [
        Entry("违禁词", 20006),
        Entry("存疑词", 20008, Tier.REVIEW),
        Entry("记录词", 20012, Tier.LOG),
    ],
    version="lists-1",
)


@dataclass
class OneLexicon:
    """The port `Lexicons`."""

    current: Lexicon = LEXICON


@dataclass
class ScriptedPanel:
    """The port `Panel`: says what it is told to, and remembers what it was asked."""

    refusal: tuple[Layer, Opinion] | None = None
    opinions: Sequence[tuple[Layer, Opinion]] = ()
    version: str = "policy-1"
    judges_input: bool = True
    asked: list[tuple[str, bool]] = field(default_factory=list)

    def plan_input(self, request_id: str, openid: str, *, referred: bool) -> Review:
        return Review.BEFORE if referred else Review.BESIDE

    def plan_output(self, request_id: str, openid: str) -> OutputPlan:
        return OutputPlan(Review.BESIDE, referred_only=True)

    async def review(self, subject: Subject, *, referred: bool) -> tuple[Layer, Opinion] | None:
        self.asked.append((subject.text, referred))
        return self.refusal

    async def moderate(self, subject: Subject) -> list[tuple[Layer, Opinion]]:
        return list(self.opinions)


@dataclass
class Notes:
    """The ports `Audit` and `Metrics`."""

    noted: list[Finding] = field(default_factory=list)
    counted: list[Finding] = field(default_factory=list)
    texts: int = 0

    def note(self, findings: Sequence[Finding]) -> None:
        self.noted += findings

    def found(self, findings: Sequence[Finding]) -> None:
        self.counted += findings

    @contextmanager
    def timed(self, direction: Direction, *, texts: int) -> Iterator[None]:
        self.texts += texts
        yield


@dataclass
class OneScreener:
    """The port `Screeners`."""

    current: Screener | None = None


def checks(panel: ScriptedPanel | None = None, learned: LearnedLayer | None = None) -> tuple[Checks, Notes]:
    notes = Notes()
    learned = learned or LearnedLayer(OneScreener(), LearnedPolicy())
    return Checks(OneLexicon(), learned, panel or ScriptedPanel(), notes, notes), notes


def question(text: str) -> Subject:
    return Subject(Direction.INPUT, "req_1", "usr_1", text, "openid")


def window(text: str, *, preceding: str = "", last: bool = False) -> Window:
    return Window("req_1", "usr_1", text, preceding, last)


async def test_a_question_that_the_lexicon_refuses_asks_nobody_else() -> None:
    judging, notes = checks()
    check = await judging.check_input(question("请问违禁词怎么说"))
    assert check.verdict == Verdict(refused=True, layer=Layer.LEXICON, label=20006)
    assert (check.review, check.output) == (Review.NONE, OutputPlan())
    (finding,) = notes.noted
    assert (finding.action, finding.direction, finding.rule) == (Action.REFUSED, Direction.INPUT, "违禁词")
    assert finding.text[finding.start : finding.end] == "违禁词"
    assert (finding.request_id, finding.user_id, finding.version) == ("req_1", "usr_1", "lists-1")
    assert notes.counted == notes.noted


async def test_the_panel_decides_who_is_asked_and_is_told_what_the_lexicon_refers() -> None:
    judging, notes = checks()
    assert (await judging.check_input(question("今天天气怎么样"))).review is Review.BESIDE
    assert notes.noted == []
    check = await judging.check_input(question("存疑词是什么"))
    assert (check.verdict.refused, check.review, check.version) == (False, Review.BEFORE, "lists-1.none.policy-1")
    assert [finding.action for finding in notes.noted] == [Action.REFERRED]


async def test_what_is_only_noted_changes_nothing() -> None:
    judging, notes = checks()
    check = await judging.check_input(question("记录词"))
    assert (check.verdict.refused, check.review) == (False, Review.BESIDE)
    assert [finding.action for finding in notes.noted] == [Action.LOGGED]


async def test_a_remote_refusal_is_noted_as_its_own_and_the_lexicons_findings_are_not_noted_twice() -> None:
    panel = ScriptedPanel(refusal=(Layer.WECHAT, Opinion(refused=True, label=20002, rule="keyword")))
    judging, notes = checks(panel)
    verdict = await judging.review(question("存疑词是什么"))
    assert verdict == Verdict(refused=True, layer=Layer.WECHAT, label=20002)
    assert panel.asked == [("存疑词是什么", True)]
    (finding,) = notes.noted
    assert (finding.layer, finding.rule, finding.start, finding.end) == (Layer.WECHAT, "keyword", 0, 6)


async def test_a_passage_whose_combination_began_before_it_is_referred_all_the_same() -> None:
    panel = ScriptedPanel()
    judging, _ = checks(panel)
    await judging.review(question("只有后半"), referred=True)
    assert panel.asked == [("只有后半", True)]


async def test_what_is_found_in_a_window_is_of_its_turns_trace() -> None:
    judging, notes = checks()
    judging.screen([Window("req_1", "usr_1", "这是违禁词", "", last=True, traceparent=f"00-{'ab' * 16}-{'cd' * 8}-00")])
    assert [finding.trace_id for finding in notes.noted] == ["ab" * 16]


async def test_what_no_layer_refuses_is_accepted() -> None:
    judging, notes = checks()
    assert await judging.review(question("今天天气怎么样")) == Verdict()
    assert notes.noted == []


def test_windows_are_judged_each_by_itself_and_in_order() -> None:
    judging, notes = checks()
    results = judging.screen([window("平安"), window("这是违禁词"), window("这是违禁"), window("有存疑词。")])
    assert [(r.released_characters, r.verdict.refused, r.referred) for r in results] == [
        (2, False, False),
        (2, True, False),
        (2, False, False),
        (5, False, True),
    ]
    assert [finding.action for finding in notes.noted] == [Action.REFUSED, Action.REFERRED]
    assert {finding.direction for finding in notes.noted} == {Direction.OUTPUT}
    assert notes.texts == 4


async def test_moderating_puts_all_layers_together_the_first_that_refuses_gives_the_verdict() -> None:
    openai = Opinion(
        refused=True, label=20002, rule="sexual", scores={"sexual": 0.9, "violence": 0.1}, flagged=("sexual",)
    )
    wechat = Opinion(refused=False)
    judging, notes = checks(ScriptedPanel(opinions=[(Layer.WECHAT, wechat), (Layer.OPENAI, openai)]))
    moderated = await judging.moderate(question("含违禁词"))
    assert moderated.verdict == Verdict(refused=True, layer=Layer.LEXICON, label=20006)
    assert moderated.categories == {"illicit": (True, 1.0), "sexual": (True, 0.9), "violence": (False, 0.1)}
    assert {finding.layer for finding in notes.noted} == {Layer.LEXICON, Layer.OPENAI}
    assert (await judging.moderate(question("平安"))).verdict.layer is Layer.OPENAI


OFFER = "宝妈在家就能做的手机兼职，每天结算，不收押金，想了解的私聊我加微信"


def shipped(**policy: dict[str, float]) -> LearnedLayer:
    screener = Screener(read_weights(SHIPPED.read_bytes()), Featurizer.shipped())
    return LearnedLayer(OneScreener(screener), LearnedPolicy(**policy))  # type: ignore[arg-type]  # two tables


async def test_an_offer_that_no_list_knows_is_referred_with_its_score_and_why() -> None:
    panel = ScriptedPanel()
    judging, notes = checks(panel, shipped())
    check = await judging.check_input(question(OFFER))
    assert (check.verdict.refused, check.review) == (False, Review.BEFORE)
    (finding,) = notes.noted
    assert (finding.action, finding.layer, finding.label) == (Action.REFERRED, Layer.LEARNED, 20008)
    assert finding.score > 0.85
    assert finding.grams
    assert all(len(gram) in (1, 2, 3) for gram in finding.grams)
    await judging.review(question(OFFER))
    assert panel.asked == [(OFFER, True)]


async def test_a_question_is_refused_only_where_the_policy_says_from_which_score() -> None:
    judging, _ = checks(learned=shipped(block={"20008": 0.9}))
    check = await judging.check_input(question(OFFER))
    assert check.verdict == Verdict(refused=True, layer=Layer.LEARNED, label=20008)
    assert check.review is Review.NONE
    asked = await judging.check_input(question("宝妈想找一份在家能做的兼职，怎么分辨是不是骗局？"))
    assert not asked.verdict.refused


async def test_an_answer_is_referred_at_the_end_of_a_sentence_and_never_refused_by_a_score() -> None:
    judging, notes = checks(learned=shipped(block={"20008": 0.5}))
    (unfinished,) = judging.screen([window(OFFER)])
    (finished,) = judging.screen([window(OFFER + "。")])
    assert (unfinished.referred, finished.referred) == (False, True)
    assert not finished.verdict.refused
    assert [finding.action for finding in notes.noted] == [Action.REFERRED]


async def test_scores_are_told_by_category() -> None:
    judging, _ = checks(learned=shipped())
    moderated = await judging.moderate(question(OFFER))
    assert not moderated.verdict.refused
    flagged, score = moderated.categories["fraud"]
    assert not flagged
    assert score > 0.85


async def test_an_allowed_phrase_says_nothing_of_a_text() -> None:
    learned = shipped()
    allowing = Lexicon([Entry(phrase, tier=Tier.ALLOW) for phrase in OFFER.split("，")])
    assert learned.judge(LEXICON, OFFER, Direction.INPUT) is not None
    assert learned.judge(allowing, f"请问：{OFFER}", Direction.INPUT) is None


async def test_the_weights_are_part_of_the_version() -> None:
    judging, _ = checks(learned=shipped())
    version = (await judging.check_input(question("你好"))).version
    assert version == f"lists-1.{read_weights(SHIPPED.read_bytes()).version}.policy-1"
