"""Payments' part of the composition root: the only place that builds their adapters."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal, cast

import asyncpg
from prometheus_client import CollectorRegistry

from services.billing.payments.callbacks import Callbacks
from services.billing.payments.cashier import Cashier
from services.billing.payments.config import PaymentSettings
from services.billing.payments.lookup import Lookup
from services.billing.payments.metrics import PaymentMetrics
from services.billing.payments.ports import ExchangeRates
from services.billing.payments.providers.platform_client import VirtualPaymentSettings
from services.billing.payments.providers.virtual_payment import VirtualPayment
from services.billing.payments.providers.wechatpay_client import WeChatPayV3Settings
from services.billing.payments.providers.wechatpay_v2 import WeChatPayV2
from services.billing.payments.providers.wechatpay_v2_client import WeChatPayV2Settings
from services.billing.payments.providers.wechatpay_v3 import WeChatPayV3
from services.billing.payments.reconciler import Reconciler
from services.billing.payments.refunds import Refunds
from services.billing.payments.registry import Providers
from services.billing.payments.servicer import PaymentServicer
from services.billing.payments.settlement import Settlement
from services.billing.payments.store import PaymentStore
from services.billing.payments.watch import PaymentWatch
from services.billing.writer import LedgerWriter
from services.runtime.errors import ConfigurationError
from services.runtime.process import running


async def payments(
    stack: AsyncExitStack,
    settings: PaymentSettings,
    pool: "asyncpg.Pool[asyncpg.Record]",
    writer: LedgerWriter,
    rates: ExchangeRates,
    registry: CollectorRegistry,
) -> PaymentServicer:
    """Build the payments and start their watch; the stack closes them.

    Raises:
        ConfigurationError: An account's keys cannot be read.
    """
    providers = Providers([await stack.enter_async_context(provider) for provider in _providers(settings)])
    metrics = PaymentMetrics(registry)
    store = PaymentStore(pool)
    settlement = Settlement(store, writer, metrics)
    lookup = Lookup(providers, settlement)
    refunds = Refunds(store, providers, settlement, writer, metrics)
    reconciler = Reconciler(store, metrics)
    cashier = Cashier(store, providers, rates, lookup, settlement, metrics, order_ttl_s=settings.order_ttl_s)
    callbacks = Callbacks(store, providers, settlement, metrics)
    if providers.all:
        watch = PaymentWatch(store, providers, lookup, refunds, reconciler, every_s=settings.payment_watch_every_s)
        await stack.enter_async_context(running(watch.run()))
        await stack.enter_async_context(running(watch.run_daily()))
    return PaymentServicer(store, providers, cashier, callbacks, refunds, reconciler)


def _providers(settings: PaymentSettings) -> "list[WeChatPayV3 | WeChatPayV2 | VirtualPayment]":
    """What is configured, if anything is."""
    found: list[WeChatPayV3 | WeChatPayV2 | VirtualPayment] = []
    if settings.wechatpay_mchid:
        found.append(_v3(settings))
        if settings.wechatpay_v2_key.get_secret_value():
            found.append(_v2(settings))
    if settings.virtual_payment_offer_id:
        found.append(_virtual(settings))
    return found


def _v3(settings: PaymentSettings) -> WeChatPayV3:
    return WeChatPayV3(
        WeChatPayV3Settings(
            base_url=settings.wechatpay_base_url,
            mchid=settings.wechatpay_mchid,
            appid=settings.wechat_appid,
            cert_serial_no=settings.wechatpay_cert_serial_no,
            notify_url=_notify_url(settings, "wechatpay"),
            private_key=_read("WECHATPAY_PRIVATE_KEY_FILE", settings.wechatpay_private_key_file),
            apiv3_key=settings.wechatpay_apiv3_key.get_secret_value(),
            public_key_id=settings.wechatpay_public_key_id,
            public_key=_read("WECHATPAY_PUBLIC_KEY_FILE", settings.wechatpay_public_key_file),
        )
    )


def _v2(settings: PaymentSettings) -> WeChatPayV2:
    return WeChatPayV2(
        WeChatPayV2Settings(
            base_url=settings.wechatpay_base_url,
            mchid=settings.wechatpay_mchid,
            appid=settings.wechat_appid,
            notify_url=_notify_url(settings, "wechatpay-v2"),
            api_key=settings.wechatpay_v2_key.get_secret_value(),
            mch_cert_file=str(settings.wechatpay_v2_cert_file or ""),
            mch_key_file=str(settings.wechatpay_v2_cert_key_file or ""),
            sign_type=cast("Literal['MD5', 'HMAC-SHA256']", settings.wechatpay_v2_sign_type),
        )
    )


def _virtual(settings: PaymentSettings) -> VirtualPayment:
    return VirtualPayment(
        VirtualPaymentSettings(
            base_url=settings.wechat_api_base_url,
            appid=settings.wechat_appid,
            secret=settings.wechat_secret.get_secret_value(),
            offer_id=settings.virtual_payment_offer_id,
            app_key=settings.virtual_payment_app_key.get_secret_value(),
            message_token=settings.wechat_message_token.get_secret_value(),
            encoding_aes_key=settings.wechat_message_aes_key.get_secret_value(),
            is_trial=settings.virtual_payment_sandbox,
        )
    )


def _notify_url(settings: PaymentSettings, provider: str) -> str:
    return f"{settings.payment_notify_base_url.rstrip('/')}/v1/payments/{provider}/notify"


def _read(name: str, file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name}: {file} cannot be read ({type(error).__name__}).") from None
