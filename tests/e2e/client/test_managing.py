"""Somebody looks after their conversations, their money, and how the app looks."""

import json

import pytest
from playwright.async_api import Browser, expect

from sandbox.mesh import Mesh
from tests.e2e.client.conftest import DESKTOP, Bring, Visitor
from tests.fakes.scripted_provider import Script, ScriptedProvider

pytestmark = pytest.mark.xdist_group("client")


def authorized(visitor: Visitor) -> dict[str, str]:
    return {"Authorization": f"Bearer {visitor.token}"}


async def test_conversations_are_found_renamed_pinned_exported_and_deleted(
    bring: Bring, provider: ScriptedProvider
) -> None:
    provider.knows("苏州两天怎么玩", Script("第一天：拙政园、平江路；第二天：虎丘、山塘街。"))
    provider.knows("推荐三本书", Script("《活着》《城南旧事》《万历十五年》。"))
    visitor = await bring()
    for question in ("苏州两天怎么玩", "推荐三本书"):
        await visitor.ask(question)
        await visitor.finished()
        await visitor.press("新对话")
    await visitor.press("对话列表")
    await visitor.sees("今天")
    await visitor.shown("conversations")

    await visitor.page.get_by_label("搜索标题和内容").fill("拙政园")
    await visitor.misses("推荐三本书")
    await visitor.sees("平江路")
    await visitor.shown("search")
    await visitor.press("清空")
    await visitor.sees("推荐三本书")

    await visitor.press("更多操作 苏州两天怎么玩")
    await visitor.shown("conversation-actions")
    await visitor.press("重命名")
    await visitor.page.get_by_role("dialog").locator("input").fill("苏州周末")
    await visitor.press("保存")
    await visitor.sees("苏州周末")
    await visitor.press("更多操作 苏州周末")
    await visitor.press("置顶")
    await visitor.sees("置顶")

    await visitor.press("更多操作 苏州周末")
    await visitor.press("导出")
    async with visitor.page.expect_download() as downloading:
        await visitor.press("Markdown 文本")
    download = await downloading.value
    assert download.suggested_filename == "苏州周末.md"
    exported = (await download.path()).read_text(encoding="utf-8")
    assert "拙政园" in exported
    assert "AI 生成" in exported

    await visitor.press("更多操作 推荐三本书")
    await visitor.press("删除")
    await visitor.sees("删除后不能恢复")
    await visitor.page.get_by_role("dialog").get_by_role("button", name="删除", exact=True).click()
    await visitor.misses("推荐三本书")


async def test_an_empty_wallet_leads_to_the_wallet_and_back_to_the_same_question(
    bring: Bring, provider: ScriptedProvider, client_mesh: Mesh, chromium: Browser
) -> None:
    provider.knows("写一首小诗", Script("月光落在桥上，\n\n风把思念吹长。"))
    key = await client_mesh.queqiao("keys", "issue", "--user", "poor", "--name", "browser", "--secret-only")
    visitor = await bring(new=True)
    await visitor.page.get_by_role("checkbox").click()
    await visitor.press("用访问密钥登录")
    await visitor.page.get_by_role("dialog").locator("input").fill("sk-qq-wrong")
    await visitor.press("登录")
    await visitor.sees("这个密钥不能用")
    await visitor.shown("login-by-key")
    await visitor.page.get_by_role("dialog").locator("input").fill(key)
    await visitor.press("登录")
    await visitor.sees("今天想聊点什么？")
    await visitor.ask("写一首小诗")
    await visitor.sees("余额不够回答这个问题了")
    await visitor.shown("empty-wallet")
    await visitor.press("去充值")
    await visitor.sees("体验包")
    await visitor.shown("wallet-empty")
    await visitor.page.get_by_role("button", name="体验包").click()
    await visitor.sees("用微信扫一扫支付")
    await visitor.shown("pay")
    number = (await visitor.page.locator(".number").inner_text()).split()[-1]

    # With another device, as a code is scanned: a page behind another one is not drawn.
    phone = await chromium.new_context()
    cashier = await phone.new_page()
    await cashier.goto(f"{client_mesh.env['WECHATPAY_BASE_URL']}/pay/{number}")
    await cashier.get_by_role("button", name="支付 Pay").click()
    await phone.close()

    await visitor.sees("充值成功")
    await visitor.shown("paid")
    await visitor.press("继续刚才的问题")
    await expect(visitor.page.locator(".composer textarea")).to_have_value("写一首小诗")
    await visitor.press("发送")
    await visitor.sees("风把思念吹长")


async def test_the_wallet_and_usage_say_in_plain_words_what_was_paid(bring: Bring, provider: ScriptedProvider) -> None:
    provider.knows("一句话介绍鹊桥", Script("七夕之夜，喜鹊搭成的一座桥。"))
    visitor = await bring()
    await visitor.ask("一句话介绍鹊桥")
    await visitor.finished()
    await visitor.press("这次花了多少")
    await visitor.sees("词元")
    await visitor.shown("receipt")
    await visitor.press("关闭")
    await visitor.press("有帮助")
    await expect(visitor.button("有帮助")).to_have_attribute("aria-pressed", "true")
    await visitor.press("钱包")
    await visitor.sees("大约还能问")
    await visitor.sees("新用户赠送")
    await visitor.shown("wallet")
    await visitor.press("用量")
    await visitor.sees("每天的花费")
    await visitor.shown("usage")


async def test_dark_english_and_large_type_hold_everywhere(bring: Bring, provider: ScriptedProvider) -> None:
    provider.knows(
        "sort a list", Script("Use `sorted`:\n\n```python\nnames = sorted(names, key=len)\n```\n\nIt is stable.")
    )
    visitor = await bring(size=DESKTOP)
    await visitor.press("设置")
    await visitor.page.get_by_role("radio", name="深色").click()
    await visitor.page.get_by_role("radio", name="English").click()
    await visitor.sees("Appearance")
    await visitor.page.get_by_role("radio", name="Large", exact=True).click()
    await visitor.shown("settings-dark-english")
    await visitor.press("Back")
    await visitor.page.locator(".composer textarea").fill("How do I sort a list in Python by length?")
    await visitor.press("Send")
    await visitor.sees("It is stable.")
    await visitor.shown("chat-dark-english-desktop")


async def test_a_dark_phone_is_dark_by_itself(bring: Bring) -> None:
    visitor = await bring(color_scheme="dark")
    await visitor.sees("今天想聊点什么？")
    await visitor.shown("empty-dark")
    await visitor.page.get_by_role("button", name="选择模型").click()
    await visitor.shown("models-dark")


async def test_whoever_logs_out_or_deletes_their_data_is_gone(bring: Bring, client_mesh: Mesh) -> None:
    visitor = await bring()
    await visitor.press("设置")
    await visitor.sees("用户编号")
    await visitor.shown("settings")
    await visitor.press("删除我的数据")
    await visitor.sees("不能恢复")
    await visitor.shown("delete-data")
    await visitor.press("永久删除")
    await visitor.sees("你好，我是鹊桥")
    answer = await visitor.page.request.get(f"{client_mesh.url}/v1/me", headers=authorized(visitor))
    assert answer.status == 401
    assert json.loads(await answer.text())["error"]["code"] == "invalid_api_key"


async def test_an_answer_of_a_page_that_was_left_is_there_when_one_comes_back(
    bring: Bring, provider: ScriptedProvider
) -> None:
    provider.knows("慢慢写", Script("一句接一句。" * 40, every_s=0.02))
    provider.knows("另一个问题", Script("另一个回答。"))
    visitor = await bring(size=DESKTOP)
    await visitor.ask("慢慢写")
    await visitor.sees("一句接一句。一句接一句。")
    await visitor.press("新对话")
    await visitor.ask("另一个问题")
    await visitor.sees("另一个回答。")
    await visitor.page.get_by_role("button", name="慢慢写", exact=True).click()
    await visitor.finished()
    answer = await visitor.page.locator(".answer .text").inner_text()
    assert answer.strip() == "一句接一句。" * 40
