"""Builds the stand-in: login and content security for one mini-program, and, given a folder for keys and trade, payment
for one merchant.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette

from sandbox.wechat import login
from sandbox.wechat.bills import TradeBills
from sandbox.wechat.cashier import Cashier
from sandbox.wechat.checkout import Checkout, Notices
from sandbox.wechat.login import Platform
from sandbox.wechat.merchant import Merchant
from sandbox.wechat.misbehaviour import Control, Settings
from sandbox.wechat.notifier import Notifier
from sandbox.wechat.orders import Api, TradeBook
from sandbox.wechat.pay_v2 import PayV2
from sandbox.wechat.pay_v3 import PayV3
from sandbox.wechat.security import ContentSecurity
from sandbox.wechat.v2_messages import V2Notices
from sandbox.wechat.v3_messages import V3Notices
from sandbox.wechat.virtual import VirtualPayment
from sandbox.wechat.virtual_messages import VirtualNotices


def build(
    appid: str,
    secret: str,
    pay: Path | None = None,
    settings: Settings | None = None,
    *,
    security_delay_s: float = 0.1,
    cloud_run: bool = False,
) -> Starlette:
    """The stand-in for one mini-program.

    Args:
        appid: The mini-program's.
        secret: Its secret.
        pay: The folder of its merchant's keys and trade; None for login and content security alone.
        settings: How it behaves at first.
        security_delay_s: How long judging a text takes, in seconds.
        cloud_run: Whether texts come from WeChat Cloud Run, without a token.
    """
    platform = Platform(appid, secret)
    security = ContentSecurity(platform, delay_s=security_delay_s, cloud_run=cloud_run)
    routes = login.routes(platform) + security.routes()
    if pay is None:
        return Starlette(routes=routes)
    control = Control(settings or Settings())
    notifier = Notifier(control)
    # The merchant makes the folder, in which the book keeps its journal.
    merchant, book = Merchant.open(pay), TradeBook(pay / "trade.jsonl")
    notices: dict[Api, Notices] = {
        Api.V3: V3Notices(merchant, appid),
        Api.V2: V2Notices(merchant, appid),
        Api.VIRTUAL: VirtualNotices(merchant, control, book),
    }
    checkout = Checkout(book, notifier, control, notices)
    bills = TradeBills(merchant, appid, book, control)
    routes += [
        *PayV3(merchant, appid, checkout, bills, control).routes(),
        *PayV2(merchant, appid, checkout, bills, control).routes(),
        *VirtualPayment(platform, merchant, checkout, control).routes(),
        *Cashier(checkout, notifier, control).routes(),
    ]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with notifier.running():
            checkout.resume()
            yield

    return Starlette(routes=routes, lifespan=lifespan)
