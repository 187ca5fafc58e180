"""Turns that are charged at once, through the service's own gRPC, on real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from queqiao.billing.v1 import billing_pb2

from services.runtime.errors import RemoteError, ServiceError
from tests.integration.billing.streaming import StreamingBilling
from tests.integration.billing.test_billing import TURN_MICROS, assert_books_balance, billing_service, reason


@pytest.fixture
async def billing(database_url: str) -> AsyncIterator[StreamingBilling]:
    async with billing_service(database_url, trial_credit_micros=10 * TURN_MICROS) as service:
        client = StreamingBilling(service.peer)
        await client.open()
        yield client
    await assert_books_balance(database_url)


async def receipt(billing: StreamingBilling, request_id: str) -> billing_pb2.Receipt:
    request = billing_pb2.GetReceiptRequest(user_id="u", request_id=request_id)
    response: billing_pb2.GetReceiptResponse = await billing.peer.unary(billing.stub.GetReceipt, request, timeout_s=5)
    return response.receipt


async def test_a_charge_is_answered_when_it_is_on_the_books_and_a_repetition_as_at_first(
    billing: StreamingBilling,
) -> None:
    assert await billing.charge("r") == await billing.charge("r") == TURN_MICROS
    assert await billing.wallet() == (9 * TURN_MICROS, 0, 9 * TURN_MICROS)
    assert await reason(billing.charge("r", run_id="another")) == "REQUEST_CONFLICT"
    assert await reason(billing.charge("r", output=499)) == "REQUEST_CONFLICT"
    assert await reason(billing.reserve("r")) == await reason(billing.settle("r")) == "REQUEST_CONFLICT"
    assert await reason(billing.release("r")) == "RESERVATION_CLOSED"


async def test_its_receipt_and_its_usage_are_those_of_a_settled_turn(billing: StreamingBilling) -> None:
    await billing.charge("r")
    found = await receipt(billing, "r")
    assert (found.state, found.outcome) == (billing_pb2.RECEIPT_STATE_SETTLED, billing_pb2.TURN_OUTCOME_COMPLETED)
    assert (found.source, found.model) == (billing_pb2.ANSWER_SOURCE_CACHE, "gpt-4o-mini")
    assert (found.usage.input_tokens, found.usage.output_tokens) == (1000, 500)
    assert found.reserved_micros == found.charged_micros == TURN_MICROS
    begin, end = Timestamp(seconds=found.create_time.seconds - 60), Timestamp(seconds=found.create_time.seconds + 60)
    request = billing_pb2.GetUsageRequest(user_id="u", start_time=begin, end_time=end)
    usage: billing_pb2.GetUsageResponse = await billing.peer.unary(billing.stub.GetUsage, request, timeout_s=5)
    assert [(line.turns, line.charged_micros) for line in usage.lines] == [(1, TURN_MICROS)]


async def test_what_is_voided_is_given_back_and_what_was_voided_first_is_never_charged(
    billing: StreamingBilling,
) -> None:
    await billing.charge("r")
    assert await billing.void("r") == await billing.void("r") == TURN_MICROS
    assert await billing.void("late") == 0
    assert await reason(billing.charge("late")) == "RESERVATION_CLOSED"
    assert await billing.wallet() == (10 * TURN_MICROS, 0, 10 * TURN_MICROS)
    states = [(await receipt(billing, request)).state for request in ("r", "late")]
    assert states == [billing_pb2.RECEIPT_STATE_REVERSED, billing_pb2.RECEIPT_STATE_RELEASED]


async def test_another_runs_charge_is_not_voided(billing: StreamingBilling) -> None:
    await billing.charge("r", run_id="first")
    assert await reason(billing.void("r", run_id="second")) == "REQUEST_CONFLICT"
    assert await billing.wallet() == (9 * TURN_MICROS, 0, 9 * TURN_MICROS)


async def test_of_a_hundred_charges_at_once_those_are_carried_out_that_the_wallet_affords(
    billing: StreamingBilling,
) -> None:
    await billing.reserve("running")
    outcomes = await asyncio.gather(*(billing.charge(f"r{n}") for n in range(100)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, ServiceError)]
    assert (len(refused), {error.wire_reason for error in refused}) == (91, {"INSUFFICIENT_QUOTA"})
    assert isinstance(refused[0], RemoteError)
    assert refused[0].metadata == {"required_micros": str(TURN_MICROS), "available_micros": "0"}
    assert await billing.wallet() == (TURN_MICROS, TURN_MICROS, 0)


async def test_one_that_is_wrong_does_not_fail_those_it_shares_a_message_with(billing: StreamingBilling) -> None:
    outcomes = await asyncio.gather(
        billing.charge("r1"), billing.charge("a b"), billing.charge("r2", user="nobody"), billing.charge("r3"),
        return_exceptions=True,
    )  # fmt: skip
    assert (outcomes[0], outcomes[3]) == (TURN_MICROS, TURN_MICROS)
    reasons = [outcome.wire_reason for outcome in outcomes if isinstance(outcome, ServiceError)]
    assert reasons == ["INVALID_REQUEST", "WALLET_NOT_FOUND"]
