"""Somebody asks, reads, stops, changes their mind, loses the network, and is refused."""

import pytest
from playwright.async_api import expect

from sandbox.mesh import Mesh
from tests.cut_line import cut_line
from tests.e2e.client.conftest import DESKTOP, Bring
from tests.fakes.scripted_provider import Script, ScriptedProvider

pytestmark = pytest.mark.xdist_group("client")

PLAN = """## 四周 5 公里训练计划

每周**三次**，每次之间休息一天；跑前热身 5 分钟。

| 周 | 周二 | 周四 | 周六 |
|---|---|---|---|
| 1 | 跑走 20 分钟 | 快走 30 分钟 | 跑走 25 分钟 |
| 2 | 慢跑 15 分钟 | 跑走 25 分钟 | 慢跑 20 分钟 |
| 3 | 慢跑 20 分钟 | 间歇 6 × 1 分钟 | 慢跑 30 分钟 |
| 4 | 慢跑 20 分钟 | 休息 | **5 公里** |

- 呼吸跟不上就走一会儿
- 膝盖疼痛要停下来
"""
QUESTION = "帮我做一个四周的 5 公里跑步训练计划"


async def test_a_new_person_agrees_logs_in_and_reads_an_answer_as_it_is_written(
    bring: Bring, provider: ScriptedProvider
) -> None:
    provider.knows(QUESTION, Script(PLAN, every_s=0.02))
    visitor = await bring(new=True)
    await visitor.shown("welcome")
    await visitor.press("开始使用")
    await visitor.sees("请先阅读并同意《隐私说明》")
    await visitor.page.get_by_role("checkbox").click()
    await visitor.press("开始使用")
    await visitor.sees("今天想聊点什么？")
    await visitor.shown("empty")
    await visitor.ask(QUESTION)
    await visitor.sees("四周 5 公里训练计划")
    await expect(visitor.button("停止")).to_be_visible()
    await visitor.shown("streaming")
    await visitor.finished()
    await visitor.sees("膝盖疼痛要停下来")
    await expect(visitor.page.get_by_role("table")).to_be_visible()
    await visitor.sees("AI 生成")
    await visitor.shown("answer")


async def test_what_was_stopped_stays_and_goes_on(bring: Bring, provider: ScriptedProvider) -> None:
    provider.knows("讲一个长故事", Script("很久很久以前，" * 200, every_s=0.02), Script("后来他们见面了。"))
    visitor = await bring()
    await visitor.ask("讲一个长故事")
    await visitor.sees("很久很久以前，很久很久以前")
    await visitor.press("停止")
    await visitor.sees("已停止，写到这里")
    await visitor.shown("stopped")
    await visitor.press("继续")
    await visitor.sees("后来他们见面了。")
    await visitor.finished()
    await visitor.sees("很久很久以前")


async def test_another_answer_is_a_branch_and_so_is_another_question(bring: Bring, provider: ScriptedProvider) -> None:
    provider.knows("起一个店名", Script("第一个：喜鹊咖啡。"), Script("第二个：桥边书房。"))
    provider.knows("起一个书名", Script("《银河两岸》"))
    visitor = await bring()
    await visitor.ask("起一个店名")
    await visitor.finished()
    await visitor.sees("喜鹊咖啡")
    await visitor.press("重新回答")
    await visitor.sees("桥边书房")
    await visitor.finished()
    await visitor.misses("喜鹊咖啡")
    await visitor.sees("2 / 2")
    await visitor.shown("branches")
    await visitor.press("上一个回答")
    await visitor.sees("喜鹊咖啡")

    await visitor.press("编辑并重发")
    await visitor.page.get_by_role("dialog").locator("textarea").fill("起一个书名")
    await visitor.shown("editing")
    await visitor.press("重发")
    await visitor.sees("《银河两岸》")
    await visitor.misses("喜鹊咖啡")
    await visitor.finished()
    await visitor.page.reload()
    await visitor.press("对话列表")
    await visitor.page.get_by_role("button", name="起一个店名", exact=True).click()
    await visitor.sees("《银河两岸》")


async def test_an_answer_goes_on_after_the_network_was_lost(
    bring: Bring, provider: ScriptedProvider, client_mesh: Mesh
) -> None:
    text = "".join(f"第{number}句。" for number in range(1, 121))
    provider.knows("数到一百二十", Script(text, every_s=0.03))
    async with cut_line(client_mesh.url) as line:
        visitor = await bring(url=line.url)
        await visitor.ask("数到一百二十")
        await visitor.sees("第9句。")
        line.cut()
        await visitor.sees("网络断开了，恢复后会接着写")
        await visitor.shown("offline")
        line.mend()
        await visitor.sees("第120句。", timeout_s=30)
        await visitor.finished()
        answer = await visitor.page.locator(".answer .text").inner_text()
    # Nothing is missing and nothing comes twice.
    assert answer.strip() == text
    assert provider.script_of("数到一百二十").text == text


async def test_a_refused_question_is_told_why_and_the_next_one_is_answered(bring: Bring) -> None:
    visitor = await bring()
    await visitor.ask("请问什么是鹊桥违禁词示例")
    await visitor.sees("内容包含违规信息")
    await visitor.shown("refused")
    await visitor.ask("那说点别的")
    await visitor.sees("好的。")


async def test_a_retracted_answer_leaves_no_word_on_the_screen(bring: Bring, provider: ScriptedProvider) -> None:
    # The lexicon refers the answer to the remote layers, which read it beside the stream.
    provider.knows(
        "复核一下", Script("鹊桥存疑词示例。先说一句平常的话。再说说暴力示例。" + "后面还有。" * 40, every_s=0.05)
    )
    visitor = await bring()
    await visitor.ask("复核一下")
    await visitor.sees("先说一句平常的话")
    await visitor.sees("提问涉及敏感话题")
    await visitor.misses("先说一句平常的话")
    await visitor.shown("retracted")


async def test_thoughts_are_folded_once_the_answer_is_there(bring: Bring, provider: ScriptedProvider) -> None:
    provider.knows(
        "哪个更大", Script("9.8 更大。", reasoning="先比整数部分，都是 9。再比十分位：8 大于 1。", every_s=0.05)
    )
    visitor = await bring(size=DESKTOP)
    await visitor.page.get_by_role("button", name="选择模型").click()
    await visitor.shown("models")
    await visitor.page.get_by_role("radio", name="deepseek-reasoner").click()
    await visitor.ask("9.11 和 9.8 哪个更大")
    await visitor.sees("先比整数部分")
    await visitor.finished()
    await visitor.misses("先比整数部分")
    await visitor.page.get_by_role("button", name="已思考").click()
    await visitor.sees("先比整数部分")
    await visitor.shown("thinking-desktop")


async def test_everything_can_be_done_by_keyboard(bring: Bring, provider: ScriptedProvider) -> None:
    provider.knows("键盘", Script("收到。"))
    visitor = await bring(size=DESKTOP)
    keyboard = visitor.page.keyboard
    await visitor.page.locator(".composer textarea").focus()
    await keyboard.type("键盘")
    await keyboard.press("Enter")
    await visitor.sees("收到。")
    await visitor.finished()
    reached = set()
    for _ in range(40):
        await keyboard.press("Tab")
        name = "(at => at.getAttribute('aria-label') || at.innerText.trim().split('\\n')[0])(document.activeElement)"
        reached.add(await visitor.page.evaluate(name))
    assert {"新对话", "复制", "重新回答", "有帮助", "钱包", "设置", "编辑并重发"} <= reached
    await visitor.page.get_by_role("button", name="钱包").focus()
    await keyboard.press("Enter")
    await visitor.sees("大约还能问")
