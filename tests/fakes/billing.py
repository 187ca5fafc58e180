"""The billing service's wallets, over real gRPC, in memory."""

from dataclasses import dataclass, field
from typing import Any

from queqiao.billing.v1 import billing_pb2, billing_pb2_grpc

from services.runtime.errors import Code, RemoteError, ServiceError

TRIAL_MICROS = 1_000_000


@dataclass
class FakeBilling(billing_pb2_grpc.BillingServiceServicer):
    """Opens wallets with a trial credit, once each; `trouble` is raised in place of every answer."""

    trouble: ServiceError | None = None
    wallets: dict[str, billing_pb2.Wallet] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)

    def reset(self) -> None:
        """Be as new."""
        self.trouble = None
        self.wallets.clear()
        self.opened.clear()

    async def OpenWallet(  # noqa: N802  # gRPC's spelling
        self, request: billing_pb2.OpenWalletRequest, context: Any
    ) -> billing_pb2.OpenWalletResponse:
        self._demand_health()
        fresh = request.user_id not in self.wallets
        if fresh:
            self.opened.append(request.user_id)
            self.wallets[request.user_id] = billing_pb2.Wallet(
                user_id=request.user_id, balance_micros=TRIAL_MICROS, available_micros=TRIAL_MICROS
            )
        return billing_pb2.OpenWalletResponse(wallet=self.wallets[request.user_id], opened=fresh)

    async def GetWallet(  # noqa: N802  # as above
        self, request: billing_pb2.GetWalletRequest, context: Any
    ) -> billing_pb2.GetWalletResponse:
        self._demand_health()
        if request.user_id not in self.wallets:
            raise RemoteError(Code.NOT_FOUND, "WALLET_NOT_FOUND", "There is no such wallet.")
        return billing_pb2.GetWalletResponse(wallet=self.wallets[request.user_id])

    def _demand_health(self) -> None:
        if self.trouble is not None:
            raise self.trouble
