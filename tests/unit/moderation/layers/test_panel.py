"""Who is asked, and what their silence means."""

import asyncio
import time
from dataclasses import replace

import pytest

from services.moderation.domain import Direction, Layer, Opinion, OutputPlan, Review, Subject
from services.moderation.errors import LayerDownError, ModerationUnavailableError
from services.moderation.layers.panel import Panel
from services.moderation.layers.policy import Ask, Mode, OpenAIPolicy, OutputPolicy, Policy, WeChatPolicy, WhenDown
from tests.fakes.remote_layers import CountedConsequences, ScriptedLayer

pytestmark = pytest.mark.xdist_group("clock")

REFUSED = Opinion(refused=True, label=20006, rule="said so")
PASSED = Opinion(refused=False)
DOWN = LayerDownError("error")
QUESTION = Subject(Direction.INPUT, "req_1", "usr_1", "一句话", openid="openid")


def panel(
    wechat: ScriptedLayer | None = None,
    openai: ScriptedLayer | None = None,
    policy: Policy | None = None,
    metrics: CountedConsequences | None = None,
) -> Panel:
    """A panel of the layers that are given."""
    given = {Layer.WECHAT: wechat, Layer.OPENAI: openai}
    layers = {layer: scripted for layer, scripted in given.items() if scripted is not None}
    return Panel(layers, policy or Policy(), metrics or CountedConsequences())


def policy(wechat: WhenDown, openai: WhenDown = WhenDown.OPEN, *, openai_asks: Ask = Ask.REVIEW) -> Policy:
    return Policy(wechat=WeChatPolicy(when_down=wechat), openai=OpenAIPolicy(when_down=openai, ask_input=openai_asks))


class TestPlans:
    def test_without_layers_nothing_is_asked(self) -> None:
        alone = panel()
        assert alone.plan_input("req_1", "openid", referred=True) is Review.NONE
        assert alone.plan_output("req_1", "openid").review is Review.NONE

    def test_by_default_questions_go_to_wechat_beside_the_model(self) -> None:
        both = panel(ScriptedLayer(), ScriptedLayer())
        assert both.plan_input("req_1", "openid", referred=False) is Review.BESIDE

    def test_by_default_only_passages_of_answers_that_are_referred_are_asked(self) -> None:
        both = panel(ScriptedLayer(), ScriptedLayer(), Policy(output=OutputPolicy(passage_characters=300)))
        assert both.plan_output("req_1", "openid") == OutputPlan(Review.BESIDE, True, 300, 20)

    def test_an_answer_that_a_layer_sees_whole_is_asked_in_all_its_passages(self) -> None:
        whole = panel(ScriptedLayer(), ScriptedLayer(), Policy(openai=OpenAIPolicy(ask_output=1.0, output=Mode.BEFORE)))
        assert whole.plan_output("req_1", "openid") == OutputPlan(Review.BEFORE, False, 200, 20)

    def test_a_layer_that_comes_first_counts_only_when_it_is_due(self) -> None:
        first = panel(ScriptedLayer(), ScriptedLayer(), Policy(openai=OpenAIPolicy(input=Mode.BEFORE)))
        assert first.plan_input("req_1", "openid", referred=False) is Review.BESIDE
        assert first.plan_input("req_1", "openid", referred=True) is Review.BEFORE

    def test_a_layer_that_has_no_account_is_off(self) -> None:
        assert panel(None, ScriptedLayer()).plan_input("req_1", "openid", referred=False) is Review.NONE
        assert panel(None, ScriptedLayer()).plan_input("req_1", "openid", referred=True) is Review.BESIDE

    def test_a_user_who_is_not_from_wechat_is_the_next_layers(self) -> None:
        assert panel(ScriptedLayer(), ScriptedLayer()).plan_input("req_1", "", referred=False) is Review.BESIDE
        assert panel(ScriptedLayer()).plan_input("req_1", "", referred=True) is Review.NONE

    def test_where_only_wechat_judges_and_must_a_user_of_no_wechat_is_not_let_pass(self) -> None:
        strict = panel(ScriptedLayer(), None, policy(WhenDown.CLOSED))
        assert strict.plan_input("req_1", "", referred=False) is Review.BESIDE

    def test_the_version_is_the_policys(self) -> None:
        assert panel().version == Policy().version


class TestReviewing:
    async def test_what_nobody_refuses_passes(self) -> None:
        assert await panel(ScriptedLayer(), ScriptedLayer()).review(QUESTION, referred=True) is None

    async def test_only_layers_that_are_due_are_asked(self) -> None:
        openai = ScriptedLayer(REFUSED)
        assert await panel(ScriptedLayer(), openai).review(QUESTION, referred=False) is None
        assert openai.asked == []

    @pytest.mark.parametrize("slow", [Layer.WECHAT, Layer.OPENAI])
    async def test_of_two_refusals_the_first_layers_is_answered_whoever_is_faster(self, slow: Layer) -> None:
        wechat, openai = ScriptedLayer(REFUSED), ScriptedLayer(Opinion(refused=True, label=20002))
        (wechat if slow is Layer.WECHAT else openai).after_s = 0.02
        assert await panel(wechat, openai).review(QUESTION, referred=True) == (Layer.WECHAT, REFUSED)

    async def test_a_refusal_waits_for_no_later_layer(self) -> None:
        openai = ScriptedLayer(after_s=30)
        begin = time.monotonic()
        assert await panel(ScriptedLayer(REFUSED, after_s=0.01), openai).review(QUESTION, referred=True) is not None
        assert time.monotonic() - begin < 1
        assert openai.cancelled == 1

    async def test_layers_are_asked_side_by_side(self) -> None:
        begin = time.monotonic()
        await panel(ScriptedLayer(after_s=0.2), ScriptedLayer(after_s=0.2)).review(QUESTION, referred=True)
        assert time.monotonic() - begin < 0.35

    async def test_a_caller_that_goes_away_takes_its_questions_along(self) -> None:
        wechat, openai = ScriptedLayer(after_s=30), ScriptedLayer(after_s=30)
        asking = asyncio.create_task(panel(wechat, openai).review(QUESTION, referred=True))
        await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (wechat.cancelled, openai.cancelled) == (1, 1)

    async def test_a_user_who_is_not_from_wechat_is_asked_of_the_next_layer(self) -> None:
        wechat, openai = ScriptedLayer(), ScriptedLayer(REFUSED)
        refusal = await panel(wechat, openai).review(replace(QUESTION, openid=""), referred=False)
        assert refusal == (Layer.OPENAI, REFUSED)
        assert wechat.asked == []


class TestSilence:
    async def test_open_lets_pass(self) -> None:
        counted, openai = CountedConsequences(), ScriptedLayer(REFUSED)
        asked = panel(ScriptedLayer(DOWN), openai, policy(WhenDown.OPEN), counted)
        assert await asked.review(QUESTION, referred=False) is None
        assert openai.asked == []
        assert counted.counted == [(Layer.WECHAT, WhenDown.OPEN)]

    async def test_closed_refuses_for_now(self) -> None:
        counted = CountedConsequences()
        with pytest.raises(ModerationUnavailableError) as caught:
            await panel(ScriptedLayer(DOWN), ScriptedLayer(), policy(WhenDown.CLOSED), counted).review(
                QUESTION, referred=True
            )
        assert (caught.value.metadata, caught.value.retry_after_s) == ({"layer": "wechat"}, 2.0)
        assert counted.counted == [(Layer.WECHAT, WhenDown.CLOSED)]

    @pytest.mark.parametrize(("says", "expected"), [(REFUSED, (Layer.OPENAI, REFUSED)), (PASSED, None)])
    async def test_next_asks_the_next_layer_although_it_was_not_due(
        self, says: Opinion, expected: tuple[Layer, Opinion] | None
    ) -> None:
        openai = ScriptedLayer(says)
        assert await panel(ScriptedLayer(DOWN), openai).review(QUESTION, referred=False) == expected
        assert openai.asked == [QUESTION]

    async def test_next_asks_nobody_twice(self) -> None:
        openai = ScriptedLayer()
        await panel(ScriptedLayer(DOWN), openai).review(QUESTION, referred=True)
        assert len(openai.asked) == 1

    async def test_next_after_the_last_layer_lets_pass(self) -> None:
        counted = CountedConsequences()
        assert await panel(ScriptedLayer(DOWN), metrics=counted).review(QUESTION, referred=False) is None
        assert counted.counted == [(Layer.WECHAT, WhenDown.OPEN)]

    async def test_next_does_not_reach_a_layer_that_is_off(self) -> None:
        openai = ScriptedLayer(REFUSED)
        off = Policy(openai=OpenAIPolicy(input=Mode.OFF))
        assert await panel(ScriptedLayer(DOWN), openai, off).review(QUESTION, referred=True) is None
        assert openai.asked == []

    @pytest.mark.parametrize("last", list(WhenDown))
    async def test_when_all_are_down_the_last_ones_policy_decides(self, last: WhenDown) -> None:
        asked = panel(ScriptedLayer(DOWN), ScriptedLayer(DOWN), policy(WhenDown.NEXT, last))
        if last is WhenDown.CLOSED:
            with pytest.raises(ModerationUnavailableError):
                await asked.review(QUESTION, referred=False)
        else:
            assert await asked.review(QUESTION, referred=False) is None

    @pytest.mark.parametrize("down", [Layer.WECHAT, Layer.OPENAI])
    async def test_a_refusal_is_certain_whoever_else_is_silent(self, down: Layer) -> None:
        says = {Layer.WECHAT: REFUSED, Layer.OPENAI: REFUSED}
        layers = {layer: ScriptedLayer(DOWN if layer is down else opinion) for layer, opinion in says.items()}
        strict = policy(WhenDown.CLOSED, WhenDown.CLOSED, openai_asks=Ask.ALL)
        refusal = await Panel(layers, strict, CountedConsequences()).review(QUESTION, referred=False)
        assert refusal is not None
        assert refusal[0] is not down

    @pytest.mark.parametrize("when_down", list(WhenDown))
    async def test_a_user_whom_wechat_cannot_judge_is_the_next_layers(self, when_down: WhenDown) -> None:
        asked = panel(ScriptedLayer(None), ScriptedLayer(REFUSED), policy(when_down))
        assert await asked.review(QUESTION, referred=False) == (Layer.OPENAI, REFUSED)

    @pytest.mark.parametrize("openid", ["openid", ""])
    async def test_a_user_whom_nobody_can_judge_is_refused_where_the_policy_is_to_refuse(self, openid: str) -> None:
        strict = panel(ScriptedLayer(None), None, policy(WhenDown.CLOSED))
        with pytest.raises(ModerationUnavailableError):
            await strict.review(replace(QUESTION, openid=openid), referred=False)
        lenient = panel(ScriptedLayer(None), None, policy(WhenDown.NEXT))
        assert await lenient.review(replace(QUESTION, openid=openid), referred=False) is None


class TestModerating:
    async def test_every_layer_that_is_on_is_heard_to_the_end(self) -> None:
        wechat, openai = ScriptedLayer(REFUSED), ScriptedLayer(PASSED, after_s=0.01)
        assert await panel(wechat, openai).moderate(QUESTION) == [(Layer.WECHAT, REFUSED), (Layer.OPENAI, PASSED)]

    async def test_a_layer_that_is_off_is_not_heard(self) -> None:
        wechat = ScriptedLayer(REFUSED)
        off = Policy(wechat=WeChatPolicy(input=Mode.OFF))
        assert await panel(wechat, ScriptedLayer(), off).moderate(QUESTION) == [(Layer.OPENAI, PASSED)]

    async def test_a_layer_that_is_down_is_left_out_or_refused_by_policy(self) -> None:
        assert await panel(ScriptedLayer(DOWN), ScriptedLayer()).moderate(QUESTION) == [(Layer.OPENAI, PASSED)]
        with pytest.raises(ModerationUnavailableError):
            await panel(ScriptedLayer(DOWN), ScriptedLayer(), policy(WhenDown.CLOSED)).moderate(QUESTION)
