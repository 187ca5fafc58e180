"""What requests of APIv3 say, and whether that is well-formed. Source: WeChat Pay's APIv3 documents."""

from datetime import datetime
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from sandbox.wechat.v3_gate import RefusedError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")

BodyT = TypeVar("BodyT")

OutTradeNo = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_|*-]{6,32}$")]
Fen = Annotated[int, msgspec.Meta(ge=1)]
Url = Annotated[str, msgspec.Meta(max_length=256)]


class Amount(msgspec.Struct):
    """What an order costs."""

    total: Fen
    currency: Literal["CNY"] = "CNY"


class Payer(msgspec.Struct):
    """Who is to pay."""

    openid: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class SceneInfo(msgspec.Struct):
    """From where the payer asks."""

    payer_client_ip: Annotated[str, msgspec.Meta(min_length=1, max_length=45)]


class Prepay(msgspec.Struct):
    """What a NATIVE order says."""

    appid: str
    mchid: str
    description: Annotated[str, msgspec.Meta(min_length=1, max_length=127)]
    out_trade_no: OutTradeNo
    notify_url: Url
    amount: Amount
    time_expire: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    attach: Annotated[str, msgspec.Meta(max_length=128)] = ""
    scene_info: SceneInfo | None = None


class PrepayJsapi(Prepay, kw_only=True):
    """What a JSAPI order says."""

    payer: Payer


class Close(msgspec.Struct):
    """Whose order is closed."""

    mchid: str


class RefundAmount(msgspec.Struct):
    """How much of how much goes back."""

    refund: Fen
    total: Fen
    currency: Literal["CNY"]


class RefundWish(msgspec.Struct):
    """What a refund's request says; one of the order's two numbers is set."""

    out_refund_no: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_|*@-]{1,64}$")]
    amount: RefundAmount
    transaction_id: str = ""
    out_trade_no: str = ""
    reason: Annotated[str, msgspec.Meta(max_length=80)] = ""
    notify_url: Url = ""


def parse(body: bytes, kind: type[BodyT]) -> BodyT:
    """A request's body.

    Raises:
        RefusedError: PARAM_ERROR, with the field.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise RefusedError(400, "PARAM_ERROR", f"参数错误：{error}") from None


def check_notify_url(url: str) -> None:
    """Refuse what WeChat cannot call; unlike it, the stand-in also calls http on this machine.

    Raises:
        RefusedError: PARAM_ERROR.
    """
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not (local or (parts.scheme == "https" and parts.hostname)) or parts.query or parts.fragment:
        raise RefusedError(400, "PARAM_ERROR", "notify_url必须为https地址，且不能携带参数")
