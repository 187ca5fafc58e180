"""Orders: what can be bought, buying it, and how it stands."""

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from services.billing.errors import RequestConflictError
from services.billing.payments.domain import Channel, Order, OrderState, Package, Payer
from services.billing.payments.errors import (
    ChannelUnavailableError,
    OrderClosedError,
    OrderNotFoundError,
    PackageNotFoundError,
    PaymentRefusedError,
    TooManyOrdersError,
)
from services.billing.payments.lookup import Lookup
from services.billing.payments.metrics import PaymentMetrics
from services.billing.payments.ports import ExchangeRates, PaymentProvider
from services.billing.payments.registry import Providers
from services.billing.payments.settlement import Settlement
from services.billing.payments.store import PaymentStore
from services.billing.pricing import package_fen
from services.runtime.errors import InvalidRequestError, ServiceError

# The package that prices any number of tokens; it is not for sale itself.
_CUSTOM = "custom"

# Orders of one user that may wait for payment at once.
_WAITING_MAX = 10

# A reader who waits for a payment makes us ask the provider at most this often.
_ASK_EVERY_S = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a user asks to buy: a package, or a number of tokens."""

    user_id: str
    request_id: str
    channel: Channel
    payer: Payer
    package_id: str = ""
    tokens: int = 0

    @property
    def sha256(self) -> bytes:
        """The hash of what is asked."""
        return hashlib.sha256(f"order\n{self.channel}\n{self.tokens}\n{self.package_id}".encode()).digest()


@dataclass(frozen=True, slots=True)
class Offer:
    """A package at today's price, and the ways in which it can be paid."""

    package: Package
    amount_fen: int
    channels: tuple[Channel, ...]


class Cashier:
    """Sells packages and tokens."""

    def __init__(
        self,
        store: PaymentStore,
        providers: Providers,
        rates: ExchangeRates,
        lookup: Lookup,
        settlement: Settlement,
        metrics: PaymentMetrics,
        *,
        order_ttl_s: float,
    ) -> None:
        """Sell through these providers; an order is closed when it was not paid within `order_ttl_s`."""
        self._store = store
        self._providers = providers
        self._rates = rates
        self._lookup = lookup
        self._settlement = settlement
        self._metrics = metrics
        self._order_ttl = timedelta(seconds=order_ttl_s)

    @property
    def channels(self) -> list[Channel]:
        """The ways to pay."""
        return self._providers.channels

    async def offers(self) -> list[Offer]:
        """What can be bought now.

        Raises:
            UnavailableError: The exchange rate is too old, or the database does not answer.
        """
        rate = self._rates.rate().cny_micros_per_usd
        offers = []
        for package in await self._store.packages():
            if package.package_id == _CUSTOM:
                continue
            amount_fen = package_fen(package.tokens, package.usd_micros_per_million, rate)
            sold = [one for one in self.channels if one is not Channel.VIRTUAL or package.virtual_product_id]
            offers.append(Offer(package, amount_fen, tuple(sold)))
        return offers

    async def buy(self, purchase: Purchase) -> Order:
        """Create an order and announce it, or go on with the one of the same request.

        Raises:
            ServiceError: As payments.proto says of CreateOrder.
        """
        provider = self._providers.of_channel(purchase.channel)
        _demand_payer(purchase)
        order = await self._store.order_of_request(purchase.user_id, purchase.request_id) or await self._added(purchase)
        if order.input_sha256 != purchase.sha256:
            raise RequestConflictError.used_before()
        now = datetime.now(UTC)
        if order.state is OrderState.CLOSED or (order.state is OrderState.CREATED and order.expires_at <= now):
            raise _closed()
        if order.state is not OrderState.CREATED:
            return order
        # The session key is of this request: it is never stored.
        return await self._announced(provider, _with_payer(order, purchase.payer), now)

    async def order(self, user_id: str, out_trade_no: str) -> Order:
        """An order; one that waits for payment is looked up at its provider first.

        Raises:
            OrderNotFoundError: The user has no such order.
            UnavailableError: The database does not answer.
        """
        order = await self._store.order(out_trade_no)
        if order is None or order.user_id != user_id:
            raise OrderNotFoundError("The user has no such order.")
        if not await self._store.claim_order(out_trade_no, datetime.now(UTC), every_s=_ASK_EVERY_S):
            return order
        try:
            await self._lookup.order(order)
        except ServiceError as error:
            # The reader gets what we know; the watch asks again.
            log.info("order not looked up", out_trade_no=out_trade_no, reason=error.wire_reason)
        return await self._stored(order)

    async def _announced(self, provider: PaymentProvider, order: Order, now: datetime) -> Order:
        """Announce an order; when the same request does so twice at once, the first answer counts."""
        try:
            parameters = await provider.prepay(order, now)
        except PaymentRefusedError:
            await self._settlement.close(order, among=[OrderState.CREATED])
            after = await self._stored(order)
            if after.state is OrderState.CLOSED:
                raise
            return after
        announced = await self._store.announced(order.out_trade_no, parameters)
        if announced is not None:
            self._metrics.orders.labels(order.channel.value, "announced").inc()
            return announced
        after = await self._stored(order)
        if after.state is OrderState.CLOSED:
            raise _closed()
        return after

    async def _added(self, purchase: Purchase) -> Order:
        order = await self._store.add_order(await self._priced(purchase), waiting_max=_WAITING_MAX)
        if order is None:
            raise TooManyOrdersError(
                f"At most {_WAITING_MAX} orders may wait for payment: pay one, or wait until they are closed.",
                metadata={"limit": str(_WAITING_MAX)},
                retry_after_s=60,
            )
        return order

    async def _priced(self, purchase: Purchase) -> Order:
        packages = {package.package_id: package for package in await self._store.packages()}
        package = packages.get(purchase.package_id or _CUSTOM)
        if package is None or purchase.package_id == _CUSTOM:
            raise PackageNotFoundError(
                "There is no such package: GET /v1/packages lists them.", metadata={"package_id": purchase.package_id}
            )
        tokens = purchase.tokens or package.tokens
        amount_fen = package_fen(tokens, package.usd_micros_per_million, self._rates.rate().cny_micros_per_usd)
        if purchase.channel is Channel.VIRTUAL:
            if package.virtual_amount_fen is None:
                raise ChannelUnavailableError(
                    "Only packages with a registered product can be paid virtually.",
                    metadata={"channel": purchase.channel.value},
                )
            amount_fen = package.virtual_amount_fen
        now = datetime.now(UTC)
        return Order(
            out_trade_no=_new_number(now),
            user_id=purchase.user_id,
            request_id=purchase.request_id,
            input_sha256=purchase.sha256,
            channel=purchase.channel,
            package_id=purchase.package_id,
            tokens=tokens,
            amount_fen=amount_fen,
            description=package.name_zh,
            payer=purchase.payer,
            created_at=now,
            expires_at=now + self._order_ttl,
            virtual_product_id=package.virtual_product_id,
        )

    async def _stored(self, order: Order) -> Order:
        return await self._store.order(order.out_trade_no) or order


def _new_number(now: datetime) -> str:
    """32 characters that begin with the time, so that people who compare bills find their way."""
    return f"Q{now:%Y%m%d%H%M%S}{secrets.token_hex(9)[:17]}"


def _demand_payer(purchase: Purchase) -> None:
    if purchase.channel is not Channel.NATIVE and not purchase.payer.openid:
        raise InvalidRequestError(
            "This channel needs the payer's openid.", fields={"payer.openid": "is required for this channel"}
        )
    if purchase.channel is Channel.VIRTUAL and not purchase.payer.session_key:
        raise InvalidRequestError(
            "This channel needs the session key of the payer's last login.",
            fields={"payer.session_key": "is required for this channel"},
        )


def _closed() -> OrderClosedError:
    return OrderClosedError("The order of this request_id was closed: use a new request_id.")


def _with_payer(order: Order, payer: Payer) -> Order:
    return replace(order, payer=replace(order.payer, session_key=payer.session_key))
