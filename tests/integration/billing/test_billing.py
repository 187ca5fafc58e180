"""The ledger on real PostgreSQL, through the service's own gRPC."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from queqiao.billing.v1 import billing_pb2, billing_pb2_grpc

from services.billing.app import app
from services.billing.config import BillingSettings
from services.runtime.channels import Peer
from services.runtime.errors import Code, RemoteError, ServiceError
from services.runtime.process import Runtime
from services.runtime.trace import Telemetry
from tests.ledger.books import assert_sound
from tests.ledger.postgres import read_books

# gpt-4o-mini, 1,000 tokens in and 500 out, at the seeded price and rate.
TURN_MICROS = 3195


class Billing:
    """A client of one billing process's worth of service."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.stub = billing_pb2_grpc.BillingServiceStub(peer.channel)

    async def open(self, user: str = "u") -> billing_pb2.OpenWalletResponse:
        return await self.peer.unary(self.stub.OpenWallet, billing_pb2.OpenWalletRequest(user_id=user), timeout_s=5)

    async def wallet(self, user: str = "u") -> tuple[int, int, int]:
        response = await self.peer.unary(self.stub.GetWallet, billing_pb2.GetWalletRequest(user_id=user), timeout_s=5)
        return response.wallet.balance_micros, response.wallet.reserved_micros, response.wallet.available_micros

    async def grant(self, amount: int, request_id: str = "g", user: str = "u") -> billing_pb2.GrantCreditResponse:
        request = billing_pb2.GrantCreditRequest(request_id=request_id, user_id=user, amount_micros=amount)
        return await self.peer.unary(self.stub.GrantCredit, request, timeout_s=5)

    async def reserve(
        self, request_id: str, user: str = "u", output: int = 500, model: str = "gpt-4o-mini", ttl_s: int = 0
    ) -> int:
        request = reserve_request(request_id, user, output, model, ttl_s)
        return (await self.peer.unary(self.stub.Reserve, request, timeout_s=30)).reserved_micros

    async def settle(self, request_id: str, output: int = 500, user: str = "u") -> int:
        request = settle_request(request_id, output, user)
        return (await self.peer.unary(self.stub.Settle, request, timeout_s=30)).charged_micros

    async def release(self, request_id: str, user: str = "u") -> None:
        request = billing_pb2.ReleaseRequest(request_id=request_id, user_id=user)
        await self.peer.unary(self.stub.Release, request, timeout_s=5)


def reserve_request(request_id: str, user: str, output: int, model: str, ttl_s: int) -> billing_pb2.ReserveRequest:
    return billing_pb2.ReserveRequest(
        request_id=request_id,
        user_id=user,
        model=model,
        input_tokens=1000,
        max_output_tokens=output,
        ttl_s=ttl_s,
    )


def settle_request(request_id: str, output: int, user: str) -> billing_pb2.SettleRequest:
    return billing_pb2.SettleRequest(
        request_id=request_id,
        user_id=user,
        usage=billing_pb2.Usage(input_tokens=1000, output_tokens=output),
        outcome=billing_pb2.TURN_OUTCOME_COMPLETED,
    )


@asynccontextmanager
async def billing_service(database_url: str, **options: float) -> AsyncIterator[Billing]:
    settings = BillingSettings(port=0, database_url=SecretStr(database_url), drain_s=0, **options)  # type: ignore[arg-type]  # pydantic converts
    telemetry = Telemetry(None)
    async with app(settings, Runtime("billing", settings, CollectorRegistry(), telemetry)) as server:
        peer = Peer("billing", f"127.0.0.1:{server.port}", telemetry)
        try:
            yield Billing(peer)
        finally:
            await peer.close()
            await server.drain()


@pytest.fixture
async def billing(database_url: str) -> AsyncIterator[Billing]:
    async with billing_service(database_url, trial_credit_micros=1_000_000) as service:
        yield service


async def reason(work: object) -> str:
    with pytest.raises(ServiceError) as caught:
        await work  # type: ignore[misc]  # any awaitable
    return caught.value.wire_reason


async def test_a_new_wallet_has_its_trial_credit_once(billing: Billing) -> None:
    first, second = await billing.open(), await billing.open()
    assert (first.opened, second.opened) == (True, False)
    assert await billing.wallet() == (1_000_000, 0, 1_000_000)


async def test_a_turn_is_reserved_and_settled_to_the_micro_yuan(billing: Billing) -> None:
    await billing.open()
    assert await billing.reserve("r1", output=4000) == 18_105
    assert await billing.wallet() == (1_000_000, 18_105, 981_895)
    assert await billing.settle("r1") == TURN_MICROS
    assert await billing.wallet() == (1_000_000 - TURN_MICROS, 0, 1_000_000 - TURN_MICROS)


async def test_retries_of_every_write_are_answered_as_the_first_time(billing: Billing) -> None:
    await billing.open()
    await billing.grant(5)
    await billing.grant(5)
    assert await billing.reserve("r1") == await billing.reserve("r1")
    assert await billing.settle("r1") == await billing.settle("r1") == TURN_MICROS
    assert await billing.reserve("r2") == TURN_MICROS
    await billing.release("r2")
    await billing.release("r2")
    assert await billing.wallet() == (1_000_005 - TURN_MICROS, 0, 1_000_005 - TURN_MICROS)


async def test_the_same_request_id_with_other_content_is_a_conflict(billing: Billing) -> None:
    await billing.open()
    await billing.reserve("r1")
    assert await reason(billing.reserve("r1", output=501)) == "REQUEST_CONFLICT"
    await billing.settle("r1")
    assert await reason(billing.settle("r1", output=499)) == "REQUEST_CONFLICT"
    await billing.grant(5)
    assert await reason(billing.grant(6)) == "REQUEST_CONFLICT"


async def test_two_users_may_choose_the_same_request_id(billing: Billing) -> None:
    await billing.open("u")
    await billing.open("v")
    await billing.reserve("same", "u")
    await billing.reserve("same", "v")
    await billing.settle("same", user="v")
    assert await billing.wallet("u") == (1_000_000, TURN_MICROS, 1_000_000 - TURN_MICROS)


async def test_errors_name_their_reason_and_their_figures(billing: Billing) -> None:
    assert await reason(billing.wallet("nobody")) == "WALLET_NOT_FOUND"
    assert await reason(billing.reserve("r", "nobody")) == "WALLET_NOT_FOUND"
    await billing.open()
    assert await reason(billing.settle("never")) == "RESERVATION_NOT_FOUND"
    with pytest.raises(RemoteError) as caught:
        await billing.reserve("big", output=9_000_000)
    assert caught.value.wire_code is Code.FAILED_PRECONDITION
    assert caught.value.metadata == {"required_micros": "38341065", "available_micros": "1000000"}
    with pytest.raises(RemoteError) as caught:
        await billing.reserve("a b", output=-1)
    assert set(caught.value.fields) == {"request_id", "max_output_tokens"}


async def test_a_model_without_a_price_costs_the_general_price(billing: Billing) -> None:
    await billing.open()
    assert await billing.reserve("r1", model="my-own-vllm", output=0) == 17_750


@pytest.mark.parametrize("services", [1, 2])
async def test_a_thousand_reservations_of_a_wallet_that_affords_a_hundred(database_url: str, services: int) -> None:
    async with AsyncExitStack() as stack:
        running = [
            await stack.enter_async_context(billing_service(database_url, trial_credit_micros=100 * TURN_MICROS))
            for _ in range(services)
        ]
        await running[0].open()
        outcomes = await asyncio.gather(
            *(running[n % services].reserve(f"r{n}") for n in range(1000)), return_exceptions=True
        )
        granted = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, int)]
        refused = {o.wire_reason for o in outcomes if isinstance(o, ServiceError)}
        assert (len(granted), refused) == (100, {"INSUFFICIENT_QUOTA"})
        assert await running[0].wallet() == (100 * TURN_MICROS, 100 * TURN_MICROS, 0)
        await asyncio.gather(*(running[n % services].settle(f"r{n}") for n in granted))
        assert await running[0].wallet() == (0, 0, 0)
    await assert_books_balance(database_url)


async def test_an_overdue_reservation_is_released(database_url: str) -> None:
    async with billing_service(database_url, sweep_every_s=0.05) as billing:
        await billing.open()
        await billing.reserve("r1", ttl_s=1)
        async with asyncio.timeout(5):
            while await billing.wallet() != (1_000_000, 0, 1_000_000):
                await asyncio.sleep(0.05)
        assert await reason(billing.settle("r1")) == "RESERVATION_CLOSED"


async def test_a_lost_connection_is_an_error_that_may_be_retried(database_url: str) -> None:
    async with billing_service(database_url) as billing:
        await billing.open()
        admin = await asyncpg.connect(database_url)
        try:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        finally:
            await admin.close()
        async with asyncio.timeout(5):
            while True:
                try:
                    await billing.reserve("r1")
                    break
                except ServiceError as error:
                    assert error.wire_code is Code.UNAVAILABLE  # noqa: PT017  # the loop needs the error
        assert await billing.wallet() == (1_000_000, TURN_MICROS, 1_000_000 - TURN_MICROS)


async def test_the_journal_refuses_to_be_changed(billing: Billing, database_url: str) -> None:
    await billing.open()
    connection = await asyncpg.connect(database_url)
    try:
        for change in ("UPDATE billing.transfers SET amount_micros = 1", "DELETE FROM billing.transfers"):
            with pytest.raises(asyncpg.RaiseError, match="append-only"):
                await connection.execute(change)
    finally:
        await connection.close()


async def test_a_second_start_finds_the_schema_in_place(database_url: str) -> None:
    async with billing_service(database_url) as billing:
        await billing.open()
    async with billing_service(database_url) as billing:
        assert await billing.wallet() == (1_000_000, 0, 1_000_000)


async def assert_books_balance(database_url: str) -> None:
    """Every invariant of the ledger holds."""
    connection = await asyncpg.connect(database_url)
    try:
        assert_sound(await read_books(connection))
    finally:
        await connection.close()
