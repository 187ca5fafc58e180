"""Callbacks that are repeated, and trade that outlives the stand-in's process."""

from pathlib import Path

import aiohttp
from wechatpayv3.async_ import AsyncWeChatPay

from sandbox import parts
from sandbox.ports import free_ports
from sandbox.state import State
from sandbox.supervisor import Supervisor
from tests.fakes.callbacks import Callbacks, Reply
from tests.integration.sandbox.conftest import StandIn, place, refund, sdk, verified


async def test_trade_survives_a_restart(tmp_path: Path, callbacks: Callbacks) -> None:
    state, numbers = State(tmp_path), []
    for _ in range(2):
        supervisor = Supervisor()
        try:
            env = dict((await parts.start_wechat({}, state, supervisor, free_ports(1)[0])).env)
            async with sdk(env) as client:
                numbers.append(await place(client, callbacks))
                answers = [(await client.query(out_trade_no=number))[0] for number in numbers]
        finally:
            await supervisor.stop()
    assert answers == [200, 200]


async def test_a_refund_that_was_under_way_ends_after_a_restart(tmp_path: Path, callbacks: Callbacks) -> None:
    state, supervisor = State(tmp_path), Supervisor()
    try:
        env = dict((await parts.start_wechat({}, state, supervisor, free_ports(1)[0])).env)
        async with aiohttp.ClientSession() as http, sdk(env) as client:
            stand_in = StandIn(env, http)
            await stand_in.settings(refund_ends="success", refund_after_s=60)
            number = await place(client, callbacks)
            await stand_in.pay(number)
            await callbacks.next()
            await refund(client, number, 1000, notify_url=callbacks.url)
        await supervisor.stop()
        env = dict((await parts.start_wechat({}, state, supervisor, free_ports(1)[0])).env)
        async with sdk(env) as client:
            assert verified(client, await callbacks.next())["event_type"] == "REFUND.SUCCESS"
    finally:
        await supervisor.stop()


async def test_a_refused_callback_is_repeated_until_it_is_accepted(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    callbacks.replies = [Reply(500, b'{"code":"FAIL"}'), Reply(401), Reply(302), Reply(200)]
    number = await place(merchant, callbacks)
    await stand_in.pay(number)
    tries = [await callbacks.next() for _ in range(4)]
    assert await callbacks.nothing_comes(within_s=0.5)
    assert {verified(merchant, item)["id"] for item in tries} == {verified(merchant, tries[0])["id"]}
    assert len({item.headers["Wechatpay-Nonce"] for item in tries}) == 4
    attempts = [item for item in (await stand_in.trade())["attempts"] if item["out_trade_no"] == number]
    assert [(item["status"], item["accepted"]) for item in attempts] == [
        (500, False),
        (401, False),
        (302, False),
        (200, True),
    ]


async def test_a_merchant_who_takes_longer_than_five_seconds_is_called_again(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    callbacks.replies = [Reply(after_s=5.5)]
    await stand_in.pay(await place(merchant, callbacks))
    await callbacks.next()
    assert await callbacks.nothing_comes(within_s=4.5)
    await callbacks.next(timeout_s=3)
