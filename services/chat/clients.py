"""Moderation and billing, over gRPC, behind the ports of a turn."""

import asyncio
from collections.abc import Iterator, Sequence

from google.rpc import status_pb2
from queqiao.billing.v1 import billing_pb2, billing_pb2_grpc
from queqiao.moderation.v1 import moderation_pb2, moderation_pb2_grpc

from services.chat.convert import peers
from services.chat.domain import Model, Prepayment, Question
from services.chat.ports import Bill, Window
from services.chat.texts import texts_of
from services.chat.verdicts import InputCheck, Screened, Verdict
from services.runtime.batching import Batcher
from services.runtime.channels import Peer
from services.runtime.errors import Code, RemoteError, ServiceError, UnavailableError, UnknownCallError
from services.runtime.exchange import Exchange, ExchangePool
from services.runtime.status import from_status
from services.runtime.trace import current_traceparent

# A check is microseconds of work: a peer that takes longer than this is not well.
_CHECK_TIMEOUT_S = 2.0

# A review asks remote layers, whose budgets are the owner's policy: it is moderation that gives up in time.
_REVIEW_TIMEOUT_S = 15.0
_LEDGER_TIMEOUT_S = 5.0

# While one message of writes waits for its commit, what arrives meanwhile goes with the next.
_LEDGER_CALLS = 2

# As billing.proto says.
_WRITES_MAX = 512

# What closes a reservation may wait this long to share a message: the text has been shown, only the charge is to come.
_CLOSING_PATIENCE_S = 0.05

# Characters of all windows in a message: at four bytes a character that is half of what a peer takes.
_MESSAGE_CHARACTERS_MAX = 1_000_000

# While moderation screens one message of windows the next is on its way.
_SCREENING_CALLS = 2

# As moderation.proto says.
_WINDOWS_MAX = 1024
_SHARED_CHARACTERS_MAX = 16_384

# Half of what moderation takes: who is in a message waits for all of it, and more would save hardly anything.
_QUESTIONS_MAX = 32

# A settlement is money: it is tried again for as long as the reservation surely holds.
_SETTLE_ATTEMPTS = 6
_SETTLE_BACKOFF_S = 0.5


class ModerationClient:
    """The port `Moderation`."""

    def __init__(self, peer: Peer) -> None:
        """Use this peer; questions of turns that begin together share calls."""
        self._peer = peer
        self._stub = moderation_pb2_grpc.ModerationServiceStub(peer.channel)
        self._screening = ExchangePool(
            peer, self._stub.ScreenOutput, calls=_SCREENING_CALLS, timeout_s=_CHECK_TIMEOUT_S
        )
        self._checking = Exchange(peer, self._stub.CheckInputs, timeout_s=_CHECK_TIMEOUT_S)
        self._questions: Batcher[moderation_pb2.CheckInputRequest, InputCheck | ServiceError] = Batcher(
            self._check_all, in_flight_max=1, batch_max=_QUESTIONS_MAX
        )

    async def check_input(self, question: Question) -> InputCheck:
        """Judge everything that the caller wrote, together with what others did unless it is long."""
        request = moderation_pb2.CheckInputRequest(
            request_id=question.request_id, user_id=question.user_id, text=_written(question), openid=question.openid
        )
        if len(request.text) > _SHARED_CHARACTERS_MAX:
            return await self._check(request)
        request.traceparent = current_traceparent()
        outcome = await self._questions.submit(request)
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    async def review_input(self, question: Question) -> Verdict:
        """Judge the same by the remote layers."""
        request = moderation_pb2.ReviewInputRequest(
            request_id=question.request_id, user_id=question.user_id, text=_written(question), openid=question.openid
        )
        response = await self._peer.unary(self._stub.ReviewInput, request, timeout_s=_REVIEW_TIMEOUT_S)
        return peers.verdict(response.verdict)

    async def screen(self, windows: Sequence[Window]) -> Sequence[Screened]:
        """Judge windows of many answers in one message, or as few as may be."""
        results: list[Screened] = []
        for part in _parts(windows):
            request = moderation_pb2.ScreenOutputRequest(windows=map(peers.output_window, part))
            response = await self._screening.send(request)
            results += [peers.screened(result, response.version) for result in response.results]
        return results

    async def review_output(self, question: Question, passage: str, *, referred: bool) -> Verdict:
        """Judge a passage by the remote layers."""
        request = moderation_pb2.ReviewOutputRequest(
            request_id=question.request_id,
            user_id=question.user_id,
            text=passage,
            openid=question.openid,
            referred=referred,
        )
        response = await self._peer.unary(self._stub.ReviewOutput, request, timeout_s=_REVIEW_TIMEOUT_S)
        return peers.verdict(response.verdict)

    async def _check(self, request: moderation_pb2.CheckInputRequest) -> InputCheck:
        return peers.input_check(await self._peer.unary(self._stub.CheckInput, request, timeout_s=_CHECK_TIMEOUT_S))

    async def _check_all(
        self, questions: Sequence[moderation_pb2.CheckInputRequest]
    ) -> Sequence[InputCheck | ServiceError]:
        try:
            response = await self._checking.send(moderation_pb2.CheckInputsRequest(questions=questions))
        except UnknownCallError:
            # A replica from before questions shared calls, while all are being replaced.
            return await asyncio.gather(*map(self._check, questions))
        return [
            from_status(status_pb2.Status.FromString(result.error_status), self._peer.name)
            if result.HasField("error_status")
            else peers.input_check(result.check)
            for result in response.results
        ]


def _parts(windows: Sequence[Window]) -> Iterator[Sequence[Window]]:
    """The windows of each message; no window alone is too long for one."""
    start = characters = 0
    for index, window in enumerate(windows):
        length = len(window.text) + len(window.preceding)
        if characters + length > _MESSAGE_CHARACTERS_MAX or index - start == _WINDOWS_MAX:
            yield windows[start:index]
            start, characters = index, 0
        characters += length
    yield windows[start:]


def _written(question: Question) -> str:
    # What a caller says that the assistant said is the caller's own text, too.
    return "\n".join([*(message.content for message in question.messages), *texts_of(question.options.extra_json)])


class WalletClient:
    """The port `Wallet`: the writes of all turns share messages."""

    def __init__(
        self,
        peer: Peer,
        *,
        turn_s_max: float,
        timeout_s: float = _LEDGER_TIMEOUT_S,
        closing_patience_s: float = _CLOSING_PATIENCE_S,
    ) -> None:
        """Use this peer.

        Args:
            peer: Billing.
            turn_s_max: The longest turn; reservations hold for a little longer.
            timeout_s: How long a write may take, what waits for it included.
            closing_patience_s: How long what closes a reservation may wait to share a message.
        """
        stub = billing_pb2_grpc.BillingServiceStub(peer.channel)
        # A message that is not answered in half the time is sent once more, to another replica if there is one.
        self._ledger = ExchangePool(peer, stub.Write, calls=_LEDGER_CALLS, timeout_s=timeout_s / 2)
        self._writes: Batcher[billing_pb2.LedgerWrite, billing_pb2.LedgerWriteResult] = Batcher(
            self._write_all, in_flight_max=_LEDGER_CALLS, batch_max=_WRITES_MAX
        )
        self._peer = peer
        self._timeout_s = timeout_s
        self._closing_patience_s = closing_patience_s
        self._ttl_s = int(turn_s_max) + 60

    @property
    def reserved_s(self) -> float:
        """How long a reservation holds."""
        return self._ttl_s

    async def reserve(self, question: Question, model: Model, input_tokens: int, max_output_tokens: int) -> None:
        """Set aside the worst case."""
        request = billing_pb2.ReserveRequest(
            request_id=question.ledger_id,
            user_id=question.user_id,
            model=model.price or model.id,
            input_tokens=input_tokens,
            max_output_tokens=max_output_tokens,
            ttl_s=self._ttl_s,
        )
        result = await self._write(billing_pb2.LedgerWrite(reserve=request))
        if result.reserve.closed:
            raise RemoteError(
                Code.ALREADY_EXISTS, "REQUEST_CONFLICT", "This request_id is of a turn that is over: use a new one."
            )

    async def charge(self, prepayment: Prepayment) -> int:
        """Charge at once: the user waits for it, as for a reservation."""
        result = await self._write(billing_pb2.LedgerWrite(charge=peers.charge_request(prepayment)))
        return result.charge.charged_micros

    async def void(self, prepayment: Prepayment) -> None:
        """Make a charge undone, in one try."""
        write = billing_pb2.LedgerWrite(void_charge=peers.charge_request(prepayment))
        await self._write(write, patience_s=self._closing_patience_s)

    async def settle(self, bill: Bill) -> int:
        """Charge; tries again while billing is away, for the write is idempotent."""
        write = billing_pb2.LedgerWrite(settle=peers.settle_request(bill))
        for attempt in range(_SETTLE_ATTEMPTS):
            try:
                result = await self._write(write, patience_s=self._closing_patience_s)
            except ServiceError as error:
                if error.wire_code is not Code.UNAVAILABLE or attempt + 1 == _SETTLE_ATTEMPTS:
                    raise
                await asyncio.sleep(_SETTLE_BACKOFF_S * 2**attempt)
            else:
                return result.settle.charged_micros
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def release(self, user_id: str, ledger_id: str) -> None:
        """Give the reservation back, in one try; one that is left behind expires by itself."""
        request = billing_pb2.ReleaseRequest(request_id=ledger_id, user_id=user_id)
        await self._write(billing_pb2.LedgerWrite(release=request), patience_s=self._closing_patience_s)

    async def _write(self, write: billing_pb2.LedgerWrite, *, patience_s: float = 0) -> billing_pb2.LedgerWriteResult:
        write.traceparent = current_traceparent()
        try:
            async with asyncio.timeout(self._timeout_s):
                result = await self._writes.submit(write, patience_s=patience_s)
        except TimeoutError:
            raise UnavailableError(
                f"The {self._peer.name} service does not answer in time; try again.", retry_after_s=1
            ) from None
        if result.HasField("error_status"):
            raise from_status(status_pb2.Status.FromString(result.error_status), self._peer.name)
        return result

    async def _write_all(self, writes: Sequence[billing_pb2.LedgerWrite]) -> Sequence[billing_pb2.LedgerWriteResult]:
        response = await self._ledger.send(billing_pb2.WriteRequest(writes=writes))
        return response.results
