"""The billing service's wallets: what they hold, what moved them, what things cost."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from queqiao.billing.v1 import billing_pb2, billing_pb2_grpc

from services.gateway.edge.body import wrong
from services.gateway.edge.pages import Page, PageRequest
from services.gateway.health.client import demand_serving
from services.gateway.wallet import convert
from services.gateway.wallet.domain import PriceList, Receipt, Transaction, UsageLine, Wallet
from services.runtime.channels import Peer
from services.runtime.errors import ServiceError

_TIMEOUT_S = 5.0


class BillingClient:
    """Asks BillingService. Every method raises ServiceError as billing.proto documents, or UnavailableError."""

    def __init__(self, peer: Peer) -> None:
        """Use this peer."""
        self._peer = peer
        self._stub = billing_pb2_grpc.BillingServiceStub(peer.channel)

    async def open(self, user_id: str, *, trial: bool) -> None:
        """Open the user's wallet, with trial credit or without, unless it is open."""
        request = billing_pb2.OpenWalletRequest(user_id=user_id, without_trial=not trial)
        await self._peer.unary(self._stub.OpenWallet, request, timeout_s=_TIMEOUT_S)

    async def wallet(self, user_id: str) -> Wallet:
        """The user's wallet; an empty one for a user who has none yet."""
        request = billing_pb2.GetWalletRequest(user_id=user_id)
        try:
            response = await self._peer.unary(self._stub.GetWallet, request, timeout_s=_TIMEOUT_S)
        except ServiceError as error:
            if error.wire_reason == "WALLET_NOT_FOUND":
                return Wallet()
            raise
        return convert.wallet(response.wallet)

    async def topped_up(self, user_id: str) -> bool:
        """Whether the user has ever paid for a top-up."""
        request = billing_pb2.GetWalletRequest(user_id=user_id)
        try:
            response = await self._peer.unary(self._stub.GetWallet, request, timeout_s=_TIMEOUT_S)
        except ServiceError as error:
            if error.wire_reason == "WALLET_NOT_FOUND":
                return False
            raise
        return bool(response.topped_up)

    async def transactions(self, user_id: str, page: PageRequest) -> Page[Transaction]:
        """What moved the user's balance, the newest first."""
        request = billing_pb2.ListTransactionsRequest(user_id=user_id, page_size=page.limit, page_token=page.after)
        try:
            response = await self._peer.unary(self._stub.ListTransactions, request, timeout_s=_TIMEOUT_S)
        except ServiceError as error:
            raise translated(error) from None
        items = tuple(convert.transaction(transaction) for transaction in response.transactions)
        return Page(items, response.next_page_token)

    async def receipt(self, user_id: str, request_id: str) -> Receipt:
        """What one turn cost, and why."""
        request = billing_pb2.GetReceiptRequest(user_id=user_id, request_id=request_id)
        response = await self._peer.unary(self._stub.GetReceipt, request, timeout_s=_TIMEOUT_S)
        return convert.receipt(response.receipt)

    async def usage(self, user_id: str, start: datetime, end: datetime) -> tuple[UsageLine, ...]:
        """The user's charged turns from `start` to before `end`, by day and model, the newest day first."""
        request = billing_pb2.GetUsageRequest(user_id=user_id, start_time=_timestamp(start), end_time=_timestamp(end))
        response = await self._peer.unary(self._stub.GetUsage, request, timeout_s=_TIMEOUT_S)
        return tuple(convert.usage_line(line) for line in response.lines)

    async def prices(self) -> PriceList:
        """What models cost now."""
        response = await self._peer.unary(self._stub.ListPrices, billing_pb2.ListPricesRequest(), timeout_s=_TIMEOUT_S)
        return convert.prices(response)

    async def check(self) -> None:
        """Ask the service whether it serves."""
        await demand_serving(self._peer)


def translated(error: ServiceError) -> ServiceError:
    """The same error, by the names of the public API: what billing calls a page's token is a cursor here."""
    return wrong("after", "cursor") if "page_token" in error.fields else error


def _timestamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
