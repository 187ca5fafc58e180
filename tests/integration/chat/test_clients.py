"""Billing and moderation as a turn sees them, when they are away, slow or of another opinion."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import grpc
import pytest
from queqiao.billing.v1 import billing_pb2, billing_pb2_grpc
from queqiao.moderation.v1 import moderation_pb2, moderation_pb2_grpc

from sandbox.ports import free_ports
from services.chat.clients import ModerationClient, WalletClient
from services.chat.domain import Message, Model, Options, Outcome, Prepayment, Question, Role, Usage
from services.chat.ports import Bill, Window
from services.chat.verdicts import InputCheck
from services.runtime.channels import Peer
from services.runtime.errors import Code, InvalidRequestError, RemoteError, ServiceError, UnavailableError
from services.runtime.status import to_status
from services.runtime.trace import Telemetry, adopt_traceparent

QUESTION = Question("req_1", "usr_1", "", "m", (Message(Role.USER, "hi"),), Options())
MODEL = Model("m", 1000, 100, "o200k_base")
PREPAYMENT = Prepayment("usr_1", "req_1", "m", Usage(10, 5, 10), "run1")
CHARGE = billing_pb2.ChargeRequest(
    request_id="req_1",
    user_id="usr_1",
    model="m",
    usage=billing_pb2.Usage(input_tokens=10, cached_input_tokens=10, output_tokens=5),
    source=billing_pb2.ANSWER_SOURCE_CACHE,
    run_id="run1",
)


class Billing(billing_pb2_grpc.BillingServiceServicer):
    """Remembers the messages it was sent; refuses every write when it has an error; hangs or ends its first calls."""

    def __init__(self, error: ServiceError | None = None, *, hangs: int = 0, ends: int = 0, delay_s: float = 0) -> None:
        self.error = error
        self.calls = 0
        self.messages: list[list[Any]] = []
        self._hangs = hangs
        self._ends = ends
        self._delay_s = delay_s

    @property
    def asked(self) -> list[Any]:
        return [write for message in self.messages for write in message]

    @property
    def kinds(self) -> list[list[str]]:
        return [[write.WhichOneof("write") for write in message] for message in self.messages]

    async def Write(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802  # gRPC's spelling
        self.calls += 1
        number = self.calls
        async for request in request_iterator:
            self.messages.append(list(request.writes))
            if number <= self._hangs:
                await asyncio.sleep(60)
            await asyncio.sleep(self._delay_s)
            yield billing_pb2.WriteResponse(results=map(self._result, request.writes))
            if number <= self._ends:
                return

    async def _never(self, request: Any, context: Any) -> Any:
        raise AssertionError("chat writes over Write alone")

    OpenWallet = GetWallet = GrantCredit = Reserve = Settle = Release = ReverseTurn = _never
    ListTransactions = GetReceipt = GetUsage = ListPrices = _never

    def _result(self, write: Any) -> billing_pb2.LedgerWriteResult:
        error = self.error
        if write.reserve.user_id == "usr_poor":
            error = RemoteError(Code.FAILED_PRECONDITION, "INSUFFICIENT_QUOTA", "top up", metadata={"required": "9"})
        if error is not None:
            return billing_pb2.LedgerWriteResult(error_status=to_status(error).SerializeToString())
        return {
            "reserve": billing_pb2.LedgerWriteResult(reserve=billing_pb2.ReserveResponse(reserved_micros=9)),
            "settle": billing_pb2.LedgerWriteResult(settle=billing_pb2.SettleResponse(charged_micros=7)),
            "release": billing_pb2.LedgerWriteResult(release=billing_pb2.ReleaseResponse()),
            "charge": billing_pb2.LedgerWriteResult(charge=billing_pb2.ChargeResponse(charged_micros=5)),
            "void_charge": billing_pb2.LedgerWriteResult(void_charge=billing_pb2.VoidChargeResponse(returned_micros=5)),
        }[write.WhichOneof("write")]


async def serve(billing: Billing, port: int) -> grpc.aio.Server:
    server = grpc.aio.server()
    billing_pb2_grpc.add_BillingServiceServicer_to_server(billing, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return server


@asynccontextmanager
async def wallet_at(
    billing: Billing, *, timeout_s: float = 5.0, patience_s: float = 0.02
) -> AsyncIterator[WalletClient]:
    """A client of this billing service."""
    (port,) = free_ports(1)
    server = await serve(billing, port)
    peer = Peer("billing", f"127.0.0.1:{port}", Telemetry(None))
    try:
        yield WalletClient(peer, turn_s_max=300, timeout_s=timeout_s, closing_patience_s=patience_s)
    finally:
        await peer.close()
        await server.stop(0)


def asks(request_id: str, user_id: str = "usr_1") -> Question:
    return replace(QUESTION, request_id=request_id, user_id=user_id)


def bill(ledger_id: str = "req_1", outcome: Outcome = Outcome.COMPLETED) -> Bill:
    return Bill("usr_1", ledger_id, Usage(10, 5), outcome)


async def test_the_reservation_outlives_the_longest_turn_and_names_the_worst_case() -> None:
    billing = Billing()
    async with wallet_at(billing) as wallet:
        await wallet.reserve(QUESTION, MODEL, 50, 100)
    request = billing.asked[0].reserve
    assert (request.request_id, request.user_id, request.model) == ("req_1", "usr_1", "m")
    assert (request.input_tokens, request.max_output_tokens) == (50, 100)
    assert request.ttl_s > 300


async def test_turns_of_one_moment_share_a_message_and_a_refusal_is_one_turns_own() -> None:
    billing = Billing()
    async with wallet_at(billing) as wallet:
        users = ("usr_1", "usr_poor", "usr_3")
        turns = (wallet.reserve(asks(f"r{n}", user), MODEL, 50, 100) for n, user in enumerate(users))
        outcomes = await asyncio.gather(*turns, return_exceptions=True)
    assert billing.kinds == [["reserve"] * 3]
    refused = outcomes[1]
    assert (outcomes[0], outcomes[2]) == (None, None)
    assert isinstance(refused, RemoteError)
    assert (refused.wire_code, refused.wire_reason) == (Code.FAILED_PRECONDITION, "INSUFFICIENT_QUOTA")
    assert (refused.message, refused.metadata) == ("top up", {"required": "9"})


async def test_what_closes_a_turn_travels_with_the_next_reservation() -> None:
    billing = Billing()
    async with wallet_at(billing, patience_s=30) as wallet, asyncio.timeout(5):
        settling = asyncio.create_task(wallet.settle(bill("r1")))
        releasing = asyncio.create_task(wallet.release("usr_1", "r2"))
        await asyncio.sleep(0.05)
        assert billing.messages == []
        await wallet.reserve(asks("r3"), MODEL, 50, 100)
        assert await settling == 7
        await releasing
    assert billing.kinds == [["settle", "release", "reserve"]]


async def test_a_charge_waits_for_nobody_and_takes_along_what_does() -> None:
    billing = Billing()
    async with wallet_at(billing, patience_s=30) as wallet, asyncio.timeout(5):
        voiding = asyncio.create_task(wallet.void(PREPAYMENT))
        await asyncio.sleep(0.05)
        assert billing.messages == []
        assert await wallet.charge(PREPAYMENT) == 5
        await voiding
    assert billing.kinds == [["void_charge", "charge"]]
    assert billing.asked[0].void_charge == billing.asked[1].charge == CHARGE


async def test_a_charge_that_is_not_answered_is_sent_again_as_it_was_and_then_fails_in_time() -> None:
    billing = Billing(hangs=100)
    async with wallet_at(billing, timeout_s=0.5) as wallet, asyncio.timeout(2):
        with pytest.raises(UnavailableError):
            await wallet.charge(PREPAYMENT)
    assert [write.charge for write in billing.asked] == [CHARGE] * 2


async def test_what_closes_a_turn_does_not_wait_for_company_for_long() -> None:
    async with wallet_at(Billing(), patience_s=0.02) as wallet, asyncio.timeout(2):
        assert await wallet.settle(bill()) == 7


async def test_each_write_says_to_which_trace_it_belongs() -> None:
    billing, traceparent = Billing(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    async def traced(wallet: WalletClient) -> None:
        adopt_traceparent(traceparent)
        await wallet.reserve(asks("r1"), MODEL, 50, 100)

    async with wallet_at(billing) as wallet:
        await asyncio.gather(traced(wallet), wallet.reserve(asks("r2"), MODEL, 50, 100))
    assert sorted((write.reserve.request_id, write.traceparent == traceparent) for write in billing.asked) == [
        ("r1", True),
        ("r2", False),
    ]


async def test_a_settlement_waits_for_billing_to_come_back() -> None:
    billing, (port,) = Billing(), free_ports(1)
    peer = Peer("billing", f"127.0.0.1:{port}", Telemetry(None))
    settling = asyncio.create_task(WalletClient(peer, turn_s_max=300).settle(bill(outcome=Outcome.CANCELLED)))
    await asyncio.sleep(0.8)
    assert not settling.done()
    server = await serve(billing, port)
    async with asyncio.timeout(15):
        assert await settling == 7
    request = billing.asked[0].settle
    assert (request.usage.input_tokens, request.usage.output_tokens) == (10, 5)
    assert request.outcome == billing_pb2.TURN_OUTCOME_CANCELLED
    await peer.close()
    await server.stop(0)


async def test_what_billing_decided_is_not_asked_again() -> None:
    billing = Billing(RemoteError(Code.FAILED_PRECONDITION, "RESERVATION_CLOSED", "expired"))
    async with wallet_at(billing) as wallet:
        with pytest.raises(ServiceError) as caught:
            await wallet.settle(bill())
    assert caught.value.wire_reason == "RESERVATION_CLOSED"
    assert len(billing.asked) == 1


async def test_a_settlement_that_billing_cannot_write_now_is_sent_again_as_it_was() -> None:
    billing = Billing(UnavailableError("The ledger is busy."))
    async with wallet_at(billing) as wallet:
        settling = asyncio.create_task(wallet.settle(bill()))
        async with asyncio.timeout(5):
            while not billing.asked:
                await asyncio.sleep(0.01)
            billing.error = None
            assert await settling == 7
    assert len(billing.asked) == 2
    assert billing.asked[0] == billing.asked[1]


async def test_a_call_that_billing_ends_is_opened_anew() -> None:
    billing = Billing(ends=1)
    async with wallet_at(billing) as wallet:
        for number in range(3):
            await wallet.reserve(asks(f"r{number}"), MODEL, 50, 100)
    assert billing.calls == 2
    assert [write.reserve.request_id for write in billing.asked] == ["r0", "r1", "r2"]


async def test_a_message_that_is_not_answered_is_sent_again_as_it_was_over_another_call() -> None:
    billing = Billing(hangs=1)
    async with wallet_at(billing, timeout_s=1) as wallet:
        await wallet.reserve(QUESTION, MODEL, 50, 100)
    assert billing.calls == 2
    assert billing.messages[0] == billing.messages[1]


async def test_a_call_that_hangs_does_not_hold_up_the_others() -> None:
    billing = Billing(hangs=1)
    async with wallet_at(billing, timeout_s=4) as wallet:
        hanging = asyncio.create_task(wallet.reserve(asks("r0"), MODEL, 50, 100))
        while not billing.messages:
            await asyncio.sleep(0.01)
        async with asyncio.timeout(1):
            for number in range(1, 6):
                await wallet.reserve(asks(f"r{number}"), MODEL, 50, 100)
        assert not hanging.done()
        await hanging


async def test_when_every_call_hangs_a_write_fails_in_time_and_so_do_those_that_wait_behind_it() -> None:
    async with wallet_at(Billing(hangs=100), timeout_s=0.5) as wallet:

        async def refused(number: int) -> None:
            await asyncio.sleep(number * 0.05)
            async with asyncio.timeout(0.8):
                with pytest.raises(UnavailableError):
                    await wallet.reserve(asks(f"r{number}"), MODEL, 50, 100)

        await asyncio.gather(*map(refused, range(8)))


async def test_without_billing_nothing_is_reserved() -> None:
    peer = Peer("billing", "127.0.0.1:1", Telemetry(None))
    async with asyncio.timeout(6):
        with pytest.raises(UnavailableError):
            await WalletClient(peer, turn_s_max=300).reserve(QUESTION, MODEL, 50, 100)
    await peer.close()


class Moderation(moderation_pb2_grpc.ModerationServiceServicer):
    """Remembers what it was asked, and refuses what says no; what Mallory writes it cannot read."""

    def __init__(self) -> None:
        self.alone: list[str] = []
        self.together: list[list[moderation_pb2.CheckInputRequest]] = []

    async def CheckInput(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's spelling
        self.alone.append(request.request_id)
        return self._check(request)

    async def CheckInputs(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802  # as above
        async for request in request_iterator:
            self.together.append(list(request.questions))
            yield moderation_pb2.CheckInputsResponse(results=map(self._result, request.questions))

    async def _never(self, request: Any, context: Any) -> Any:
        raise AssertionError("nobody asked for this")

    ReviewInput = ReviewOutput = Moderate = _never
    ScreenOutput = cast("Any", _never)

    def _result(self, question: Any) -> moderation_pb2.CheckInputsResult:
        if question.user_id == "usr_mallory":
            error = InvalidRequestError("text is required.", fields={"text": "is required"})
            return moderation_pb2.CheckInputsResult(error_status=to_status(error).SerializeToString())
        return moderation_pb2.CheckInputsResult(check=self._check(question))

    def _check(self, question: Any) -> moderation_pb2.CheckInputResponse:
        verdict = moderation_pb2.Verdict(refused=question.text == "no", layer=moderation_pb2.LAYER_LEXICON, label=1)
        return moderation_pb2.CheckInputResponse(verdict=verdict, version=question.request_id)


class OldModeration(Moderation):
    """From before questions shared calls."""

    async def CheckInputs(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802  # gRPC's spelling
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        yield


@asynccontextmanager
async def moderation_at(moderation: Moderation) -> AsyncIterator[ModerationClient]:
    """A client of this moderation service."""
    server = grpc.aio.server()
    moderation_pb2_grpc.add_ModerationServiceServicer_to_server(moderation, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    peer = Peer("moderation", f"127.0.0.1:{port}", Telemetry(None))
    try:
        yield ModerationClient(peer)
    finally:
        await peer.close()
        await server.stop(0)


def wrote(text: str, request_id: str, user_id: str = "usr_1") -> Question:
    return replace(asks(request_id, user_id), messages=(Message(Role.USER, text),))


async def test_questions_of_one_moment_share_a_message_and_each_has_its_own_answer() -> None:
    moderation, traceparent = Moderation(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    adopt_traceparent(traceparent)
    questions = (wrote("yes", "r0"), wrote("no", "r1"), wrote("?", "r2", "usr_mallory"), wrote("yes", "r3"))
    async with moderation_at(moderation) as client:
        outcomes = await asyncio.gather(*map(client.check_input, questions), return_exceptions=True)
    assert [[question.request_id for question in message] for message in moderation.together] == [
        ["r0", "r1", "r2", "r3"]
    ]
    assert {question.traceparent for message in moderation.together for question in message} == {traceparent}
    checks = [outcome for outcome in outcomes if isinstance(outcome, InputCheck)]
    assert [(check.version, check.verdict.refused) for check in checks] == [("r0", False), ("r1", True), ("r3", False)]
    failed = outcomes[2]
    assert isinstance(failed, RemoteError)
    assert (failed.wire_reason, failed.fields) == ("INVALID_REQUEST", {"text": "is required"})


async def test_a_long_question_holds_up_no_others() -> None:
    moderation = Moderation()
    async with moderation_at(moderation) as client:
        await asyncio.gather(client.check_input(wrote("x" * 16_385, "long")), client.check_input(wrote("yes", "short")))
    assert moderation.alone == ["long"]
    assert [question.request_id for message in moderation.together for question in message] == ["short"]


async def test_a_moderation_of_before_is_asked_one_by_one() -> None:
    moderation = OldModeration()
    async with moderation_at(moderation) as client:
        checks = await asyncio.gather(client.check_input(wrote("yes", "r0")), client.check_input(wrote("no", "r1")))
    assert [check.verdict.refused for check in checks] == [False, True]
    assert moderation.alone == ["r0", "r1"]


async def test_without_moderation_nothing_is_let_through() -> None:
    peer = Peer("moderation", "127.0.0.1:1", Telemetry(None))
    client = ModerationClient(peer)
    with pytest.raises(UnavailableError):
        await client.check_input(QUESTION)
    with pytest.raises(UnavailableError):
        await client.screen([Window(QUESTION, "text", "", last=True)])
    await peer.close()
