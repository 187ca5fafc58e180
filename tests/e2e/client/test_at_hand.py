"""What hands do: choose a picture, swipe, wait for a limit, go by the keyboard alone, name and export."""

import base64
import io

import pytest
from PIL import Image
from playwright.async_api import Route, expect

from tests.e2e.client.conftest import DESKTOP, Bring
from tests.fakes.scripted_provider import Script, ScriptedProvider

pytestmark = pytest.mark.xdist_group("client")


async def test_a_picture_is_asked_about_and_seen_by_the_model(bring: Bring, provider: ScriptedProvider) -> None:
    provider.knows("图里是什么", Script("一片绿色。"))
    drawn = io.BytesIO()
    Image.new("RGB", (2400, 1200), "#0b7a5c").save(drawn, "PNG")
    visitor = await bring()
    async with visitor.page.expect_file_chooser() as choosing:
        await visitor.press("添加图片")
    await (await choosing.value).set_files({"name": "green.png", "mimeType": "image/png", "buffer": drawn.getvalue()})
    await expect(visitor.button("移除图片")).to_be_visible()
    await visitor.shown("picture-chosen")
    await visitor.ask("图里是什么")
    await visitor.sees("一片绿色。")
    await expect(visitor.button("查看图片")).to_be_visible()
    await visitor.shown("picture-asked")
    text, picture = provider.asked[-1]["messages"][-1]["content"]
    assert text == {"type": "text", "text": "图里是什么"}
    kind, _, data = picture["image_url"]["url"].partition(",")
    assert kind == "data:image/jpeg;base64"
    seen = Image.open(io.BytesIO(base64.b64decode(data)))
    # Made smaller on the way, and still the same.
    assert seen.size == (1280, 640)
    red, green, blue = seen.convert("RGB").resize((1, 1)).tobytes()
    assert abs(red - 0x0B) < 8 and abs(green - 0x7A) < 8 and abs(blue - 0x5C) < 8  # noqa: PT018  # one colour


async def test_a_swipe_offers_to_delete_and_deletes_only_when_that_is_confirmed(
    bring: Bring, provider: ScriptedProvider
) -> None:
    provider.knows("会被划走的对话", Script("好。"))
    visitor = await bring(has_touch=True)
    await visitor.ask("会被划走的对话")
    await visitor.finished()
    await visitor.press("对话列表")
    row = visitor.page.get_by_role("button", name="会被划走的对话", exact=True)
    box = await row.bounding_box()
    assert box is not None
    line, x, y = await visitor.context.new_cdp_session(visitor.page), box["x"] + box["width"] - 20, box["y"] + 20
    for kind, points in (
        ("touchStart", [{"x": x, "y": y}]),
        *(("touchMove", [{"x": x - step, "y": y}]) for step in range(10, 130, 10)),
        ("touchEnd", []),
    ):
        await line.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    await visitor.shown("swiped")
    await visitor.page.locator(".delete").click()
    await visitor.sees("删除后不能恢复")
    await visitor.press("取消")
    await expect(row).to_be_visible()
    await visitor.page.locator(".delete").click()
    await visitor.page.get_by_role("dialog").get_by_role("button", name="删除", exact=True).click()
    await expect(row).to_have_count(0)


async def test_a_limit_counts_down_and_then_lets_one_ask_again(bring: Bring, provider: ScriptedProvider) -> None:
    provider.knows("太快了吗", Script("不快了。"))
    visitor = await bring()

    async def refuse(route: Route) -> None:
        body = '{"error": {"code": "rate_limit_exceeded", "message": "slow down", "type": "x", "param": null}}'
        await route.fulfill(status=429, headers={"Retry-After": "4"}, content_type="application/json", body=body)

    await visitor.page.route("**/v1/chat/completions", refuse)
    await visitor.ask("太快了吗")
    await visitor.sees("3 秒后可以再试")
    await expect(visitor.button("重试")).to_be_disabled()
    await visitor.shown("limit")
    await visitor.page.unroute("**/v1/chat/completions")
    await visitor.sees("现在可以再试了")
    await visitor.press("重试")
    await visitor.sees("不快了。")


async def test_the_keyboard_stays_within_a_sheet_and_goes_back_to_where_it_was(
    bring: Bring, provider: ScriptedProvider
) -> None:
    provider.knows("键盘里的对话", Script("好。"))
    visitor = await bring(size=DESKTOP)
    await visitor.ask("键盘里的对话")
    await visitor.finished()
    more, keyboard, within = (
        visitor.button("更多操作 键盘里的对话"),
        visitor.page.keyboard,
        visitor.page.locator(".sheet"),
    )
    await more.focus()
    await keyboard.press("Enter")
    await expect(within.get_by_role("button", name="重命名")).to_be_focused()
    for key in ("Tab", "Shift+Tab"):
        for _ in range(12):
            await keyboard.press(key)
            await expect(within.locator(":focus")).to_have_count(1)
    # Out of one sheet comes another; both give the keyboard back to what opened the first.
    await within.get_by_role("button", name="重命名").focus()
    await keyboard.press("Enter")
    await expect(within.locator("input")).to_be_focused()
    await keyboard.press("Escape")
    await expect(within).to_have_count(0)
    await expect(more).to_be_focused()


async def test_a_new_name_stands_above_the_conversation_at_once(bring: Bring, provider: ScriptedProvider) -> None:
    provider.knows("还没有名字的对话", Script("好。"))
    visitor = await bring(size=DESKTOP)
    await visitor.ask("还没有名字的对话")
    await visitor.finished()
    await visitor.press("更多操作 还没有名字的对话")
    await visitor.press("重命名")
    await visitor.page.get_by_role("dialog").locator("input").fill("有了名字")
    await visitor.press("保存")
    await expect(visitor.page.get_by_role("heading", level=1)).to_have_text("有了名字")


async def test_a_refused_export_says_why(bring: Bring, provider: ScriptedProvider) -> None:
    provider.knows("导不出来的对话", Script("好。"))
    visitor = await bring(size=DESKTOP)
    await visitor.ask("导不出来的对话")
    await visitor.finished()

    async def refuse(route: Route) -> None:
        body = '{"error": {"code": "rate_limit_exceeded", "message": "一分钟后再导出", "type": "x", "param": null}}'
        await route.fulfill(status=429, content_type="application/json", body=body)

    await visitor.page.route("**/export?*", refuse)
    await visitor.press("更多操作 导不出来的对话")
    await visitor.press("导出")
    await visitor.press("Markdown 文本")
    await visitor.sees("一分钟后再导出")
