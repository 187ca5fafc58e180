"""A client of billing whose writes share messages on one long-lived call."""

from collections.abc import Sequence

from google.rpc import status_pb2
from queqiao.billing.v1 import billing_pb2

from services.runtime.batching import Batcher
from services.runtime.channels import Peer
from services.runtime.exchange import Exchange
from services.runtime.status import from_status
from tests.integration.billing.test_billing import Billing, reserve_request, settle_request


class StreamingBilling(Billing):
    """As Billing, over `Write`."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(peer)
        self._exchange = Exchange(peer, self.stub.Write, timeout_s=10)
        self._writes: Batcher[billing_pb2.LedgerWrite, billing_pb2.LedgerWriteResult] = Batcher(
            self._write_all, in_flight_max=1
        )

    async def reserve(
        self, request_id: str, user: str = "u", output: int = 500, model: str = "gpt-4o-mini", ttl_s: int = 0
    ) -> int:
        request = reserve_request(request_id, user, output, model, ttl_s)
        return (await self._write(billing_pb2.LedgerWrite(reserve=request))).reserve.reserved_micros

    async def settle(self, request_id: str, output: int = 500, user: str = "u") -> int:
        request = settle_request(request_id, output, user)
        return (await self._write(billing_pb2.LedgerWrite(settle=request))).settle.charged_micros

    async def release(self, request_id: str, user: str = "u") -> None:
        request = billing_pb2.ReleaseRequest(request_id=request_id, user_id=user)
        await self._write(billing_pb2.LedgerWrite(release=request))

    async def charge(self, request_id: str, output: int = 500, user: str = "u", run_id: str = "run") -> int:
        request = charge_request(request_id, output, user, run_id)
        return (await self._write(billing_pb2.LedgerWrite(charge=request))).charge.charged_micros

    async def void(self, request_id: str, output: int = 500, user: str = "u", run_id: str = "run") -> int:
        request = charge_request(request_id, output, user, run_id)
        return (await self._write(billing_pb2.LedgerWrite(void_charge=request))).void_charge.returned_micros

    async def _write(self, write: billing_pb2.LedgerWrite) -> billing_pb2.LedgerWriteResult:
        result = await self._writes.submit(write)
        if result.HasField("error_status"):
            raise from_status(status_pb2.Status.FromString(result.error_status), self.peer.name)
        return result

    async def _write_all(self, writes: Sequence[billing_pb2.LedgerWrite]) -> Sequence[billing_pb2.LedgerWriteResult]:
        return (await self._exchange.send(billing_pb2.WriteRequest(writes=writes))).results


def charge_request(request_id: str, output: int, user: str, run_id: str) -> billing_pb2.ChargeRequest:
    return billing_pb2.ChargeRequest(
        request_id=request_id,
        user_id=user,
        model="gpt-4o-mini",
        usage=billing_pb2.Usage(input_tokens=1000, output_tokens=output),
        source=billing_pb2.ANSWER_SOURCE_CACHE,
        run_id=run_id,
    )
