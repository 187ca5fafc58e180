"""The page on which a person pays, and the launcher's part in it."""

import stat
from pathlib import Path

from wechatpayv3.async_ import AsyncWeChatPay

from sandbox import parts
from sandbox.ports import free_ports
from sandbox.state import State
from sandbox.supervisor import Supervisor
from sandbox.wechat.merchant import Merchant
from tests.fakes.callbacks import Callbacks
from tests.integration.sandbox.conftest import StandIn, place, sdk, verified


async def test_a_person_pays_by_a_button(stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks) -> None:
    number = await place(merchant, callbacks, 1234, description="<b>词元</b>")
    _, listed = await stand_in.text("GET", "/pay")
    assert f"/pay/{number}" in listed
    assert "&lt;b&gt;词元" in listed
    _, page = await stand_in.text("GET", f"/pay/{number}")
    assert "¥12.34" in page
    assert "支付 Pay" in page
    assert "<script" not in page
    _, paid = await stand_in.text("POST", f"/pay/{number}", data={"do": "pay", "how": "normal"})
    assert "已支付" in paid
    assert verified(merchant, await callbacks.next())["resource"]["out_trade_no"] == number
    assert f"/pay/{number}" not in (await stand_in.text("GET", "/pay"))[1]


async def test_who_cancels_can_still_pay(stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks) -> None:
    number = await place(merchant, callbacks)
    _, page = await stand_in.text("POST", f"/pay/{number}", data={"do": "cancel"})
    assert f"/pay/{number}" in page
    assert await callbacks.nothing_comes(within_s=0.1)
    assert (await stand_in.pay(number))["state"] == "SUCCESS"


async def test_paying_twice_or_nothing_says_why(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    number = await place(merchant, callbacks)
    await stand_in.pay(number)
    status, page = await stand_in.text("POST", f"/pay/{number}", data={"do": "pay"})
    assert (status, "已支付" in page) == (400, True)
    assert (await stand_in.text("GET", "/pay/T000000"))[0] == 404
    assert (await stand_in.pay("T000000"))["error"] == "订单不存在"


def test_keys_are_made_once_and_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "wechatpay"
    first, again = Merchant.open(folder), Merchant.open(folder)
    assert first.env("") == again.env("")
    assert first.public_key_private.private_numbers() == again.public_key_private.private_numbers()
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_real_account_is_passed_on_and_nothing_is_started(tmp_path: Path) -> None:
    given = {"WECHAT_APPID": "wx1", "WECHAT_SECRET": "s", "WECHATPAY_MCHID": "1", "VIRTUAL_PAYMENT_OFFER_ID": "2"}
    given |= {"WECHAT_MESSAGE_TOKEN": "t"}
    part = await parts.start_wechat(given | {"HOME": "/", "WECHATPAY_V2_KEY": ""}, State(tmp_path), Supervisor(), 1)
    assert part.env == given
    assert list(tmp_path.iterdir()) == []


async def test_half_a_line_that_a_kill_left_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "wechatpay").mkdir()
    (tmp_path / "wechatpay" / "trade.jsonl").write_text('{"order":{"out_trade')
    supervisor = Supervisor()
    try:
        env = (await parts.start_wechat({}, State(tmp_path), supervisor, free_ports(1)[0])).env
        async with sdk(dict(env)) as client:
            async with Callbacks() as callbacks:
                number = await place(client, callbacks)
                assert (await client.query(out_trade_no=number))[0] == 200
    finally:
        await supervisor.stop()
