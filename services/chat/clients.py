"""Moderation and billing, over gRPC, behind the ports of a turn."""

import asyncio
from collections.abc import Sequence

from queqiao.billing.v1 import billing_pb2, billing_pb2_grpc
from queqiao.moderation.v1 import moderation_pb2, moderation_pb2_grpc

from services.chat import convert
from services.chat.domain import Model, Outcome, Question, Screened, Usage, Verdict
from services.chat.errors import UpstreamError
from services.runtime.batching import Batcher
from services.runtime.channels import Peer
from services.runtime.errors import Code, ServiceError
from services.runtime.exchange import Exchange

# A check is microseconds of work: a peer that takes longer than this is not well.
_CHECK_TIMEOUT_S = 2.0
_LEDGER_TIMEOUT_S = 5.0

# As moderation.proto says.
_WINDOW_CHARACTERS_MAX = 65_536

# A settlement is money: it is tried again for as long as the reservation surely holds.
_SETTLE_ATTEMPTS = 6
_SETTLE_BACKOFF_S = 0.5


class ModerationClient:
    """The port `Moderation`."""

    def __init__(self, peer: Peer) -> None:
        """Use this peer; windows of all live answers share calls."""
        self._peer = peer
        self._stub = moderation_pb2_grpc.ModerationServiceStub(peer.channel)
        self._screening = Exchange(peer, self._stub.ScreenOutput, timeout_s=_CHECK_TIMEOUT_S)
        # One exchange at a time: what arrives meanwhile shares the next.
        self._windows: Batcher[moderation_pb2.OutputWindow, Screened] = Batcher(self._screen_all, in_flight_max=1)

    async def check_input(self, question: Question) -> Verdict:
        """Judge everything that the caller wrote, in one call."""
        # What a caller says that the assistant said is the caller's own text, too.
        text = "\n".join(message.content for message in question.messages)
        request = moderation_pb2.CheckInputRequest(request_id=question.request_id, user_id=question.user_id, text=text)
        response = await self._peer.unary(self._stub.CheckInput, request, timeout_s=_CHECK_TIMEOUT_S)
        return convert.verdict(response.verdict)

    async def screen(self, request_id: str, window: str, *, preceding: str, last: bool) -> Screened:
        """Judge a window, together with those of other answers.

        Raises:
            UpstreamError: It is longer than any window may be; the other answers' call must not suffer for it.
        """
        if len(window) > _WINDOW_CHARACTERS_MAX:
            raise UpstreamError("The model wrote too much at once; ask again.")
        return await self._windows.submit(
            moderation_pb2.OutputWindow(request_id=request_id, text=window, preceding=preceding, last=last)
        )

    async def _screen_all(self, windows: Sequence[moderation_pb2.OutputWindow]) -> Sequence[Screened]:
        response = await self._screening.send(moderation_pb2.ScreenOutputRequest(windows=windows))
        return [convert.screened(result) for result in response.results]


class WalletClient:
    """The port `Wallet`."""

    def __init__(self, peer: Peer, *, turn_s_max: float) -> None:
        """Reserve for a little longer than the longest turn."""
        self._peer = peer
        self._stub = billing_pb2_grpc.BillingServiceStub(peer.channel)
        self._ttl_s = int(turn_s_max) + 60

    async def reserve(self, question: Question, model: Model, input_tokens: int, max_output_tokens: int) -> None:
        """Set aside the worst case."""
        request = billing_pb2.ReserveRequest(
            request_id=question.request_id,
            user_id=question.user_id,
            model=model.id,
            input_tokens=input_tokens,
            max_output_tokens=max_output_tokens,
            ttl_s=self._ttl_s,
        )
        await self._peer.unary(self._stub.Reserve, request, timeout_s=_LEDGER_TIMEOUT_S)

    async def settle(self, question: Question, usage: Usage, outcome: Outcome) -> int:
        """Charge; tries again while billing is away, for the write is idempotent."""
        request = billing_pb2.SettleRequest(
            request_id=question.request_id,
            user_id=question.user_id,
            usage=convert.billed_usage(usage),
            outcome=convert.OUTCOMES[outcome],
        )
        for attempt in range(_SETTLE_ATTEMPTS):
            try:
                response = await self._peer.unary(self._stub.Settle, request, timeout_s=_LEDGER_TIMEOUT_S)
            except ServiceError as error:
                if error.wire_code is not Code.UNAVAILABLE or attempt + 1 == _SETTLE_ATTEMPTS:
                    raise
                await asyncio.sleep(_SETTLE_BACKOFF_S * 2**attempt)
            else:
                return response.charged_micros
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def release(self, question: Question) -> None:
        """Give the reservation back; one that is left behind expires by itself."""
        request = billing_pb2.ReleaseRequest(request_id=question.request_id, user_id=question.user_id)
        await self._peer.unary(self._stub.Release, request, timeout_s=_LEDGER_TIMEOUT_S)
