"""Billing's commands against a billing service that answers what a test tells it to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry
from queqiao.billing.v1 import billing_pb2_grpc, books_pb2_grpc, payments_pb2_grpc
from structlog.testing import capture_logs
from typer.testing import CliRunner

from services.cli.__main__ import app
from services.runtime.errors import ServiceError
from services.runtime.grpc_server import GrpcServer
from services.runtime.interceptors import RpcMetrics
from services.runtime.trace import Telemetry
from tests.fakes.books import BooksServicer, FakeBooks, PaymentsServicer, WalletsServicer


@dataclass(frozen=True)
class Ran:
    """How a command ended: its exit status, what it printed, and what it complained of in one line."""

    status: int
    printed: str
    complaint: str


Queqiao = Callable[..., Awaitable[Ran]]


@pytest.fixture(scope="module")
async def _service() -> AsyncIterator[tuple[FakeBooks, str]]:
    books = FakeBooks()
    server = GrpcServer(
        host="127.0.0.1", port=0, drain_s=0, metrics=RpcMetrics(CollectorRegistry()), telemetry=Telemetry(None)
    )
    # Commands ask for a part of the service; the generated bases refuse the rest.
    billing_pb2_grpc.add_BillingServiceServicer_to_server(WalletsServicer(books), server.grpc)  # type: ignore[abstract]
    payments_pb2_grpc.add_PaymentServiceServicer_to_server(PaymentsServicer(books), server.grpc)  # type: ignore[abstract]
    books_pb2_grpc.add_BooksServiceServicer_to_server(BooksServicer(books), server.grpc)
    await server.start()
    # A command's output is read from this process's standard output, where the server would log as well.
    with capture_logs():
        yield books, f"127.0.0.1:{server.port}"
        await server.drain()


@pytest.fixture
def books(_service: tuple[FakeBooks, str], monkeypatch: pytest.MonkeyPatch) -> FakeBooks:
    """A service that knows nothing yet, at BILLING_TARGET."""
    books, target = _service
    books.__init__()  # type: ignore[misc]  # the server keeps this very object
    monkeypatch.setenv("BILLING_TARGET", target)
    return books


@pytest.fixture
def queqiao() -> Queqiao:
    """Run a command, which has an event loop of its own, beside ours."""

    async def run(*arguments: str) -> Ran:
        result = await asyncio.to_thread(CliRunner().invoke, app, list(arguments), env={"COLUMNS": "300"})
        # What `main` makes one sentence of; everything else is a bug.
        if isinstance(result.exception, ServiceError):
            return Ran(1, result.stdout, result.exception.message)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Ran(result.exit_code, result.stdout, " ".join(result.stderr.replace("│", " ").split()))

    return run
