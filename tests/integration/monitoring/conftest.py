"""A real Prometheus that scrapes a real mesh under load."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from queqiao.billing.v1 import payments_pb2, payments_pb2_grpc

from bench.simulator_process import SimulatorProcess
from sandbox.mesh import Mesh
from sandbox.observe import prometheus
from sandbox.observe.prometheus import Prometheus, targets_of
from sandbox.ports import free_ports
from sandbox.processes import minimal_env
from sandbox.supervisor import Supervisor
from tests.integration.monitoring.load import a_bad_day, a_good_day
from tests.server_folder import server_folder

UPSTREAMS = """
[[providers]]
name = "a"
base_url = "env:OPENAI_BASE_URL"
keys = ["env:OPENAI_API_KEY"]

[[providers]]
name = "b"
base_url = "env:OPENAI_BASE_URL"
keys = ["env:OPENAI_KEY_B"]

[breaker]
failures = 1000
"""


def require_prometheus() -> None:
    """Fail where everything must be tested, and say loudly what is missing elsewhere."""
    if prometheus.find() is not None:
        return
    if os.environ.get("CI"):
        pytest.fail(prometheus.MISSING)
    print(f"\nNOT TESTED: dashboards and alerts. {prometheus.MISSING}", file=sys.__stderr__)  # loud
    pytest.skip(prometheus.MISSING)


@dataclass(frozen=True)
class Watched:
    """A mesh that has seen a good and a bad day, and the Prometheus that looked on."""

    mesh: Mesh
    prometheus: Prometheus


@pytest.fixture(scope="session")
async def watched() -> AsyncIterator[Watched]:
    """Shared by the tests of dashboards, alerts and labels."""
    require_prometheus()
    with server_folder() as folder:
        supervisor = Supervisor()
        try:
            async with SimulatorProcess("--first-token-ms", "20", "--interval-ms", "10", "--deltas", "8") as simulator:
                async with Mesh(folder, given=minimal_env() | _given(simulator, folder), port=0) as mesh:
                    watcher = await Prometheus.start(
                        supervisor, folder / "prometheus", targets_of(mesh.env), port=free_ports(1)[0], interval="1s"
                    )
                    # What happens for the first time in a process has no rate yet: two days, each between two scrapes.
                    for _ in range(2):
                        await _scraped(watcher)
                        await asyncio.gather(a_good_day(mesh), a_bad_day(mesh))
                    await _reconcile(mesh)
                    await _scraped(watcher)
                    yield Watched(mesh, watcher)
        finally:
            await supervisor.stop()


async def _scraped(watcher: Prometheus) -> None:
    """Wait until every service has been scraped twice more, and rules were evaluated on that."""
    now = time.time()
    async with asyncio.timeout(30):
        while len(await watcher.query(f"timestamp(up) > {now + 2}")) < len(prometheus.SERVICES):
            await asyncio.sleep(0.2)


def _given(simulator: SimulatorProcess, folder: Path) -> dict[str, str]:
    (folder / "upstreams.toml").write_text(UPSTREAMS, encoding="utf-8")
    return {
        "OPENAI_BASE_URL": simulator.url,
        "OPENAI_API_KEY": "a",
        "OPENAI_KEY_B": "b",
        "UPSTREAMS_FILE": str(folder / "upstreams.toml"),
        # Few, so that somebody is refused and somebody waits.
        "CONCURRENT_TURNS_MAX": "2",
        "QUEUE_PER_USER_MAX": "2",
        "RATE_LIMIT_TRIAL_PER_MINUTE": "20",
        "OPENAI_MODERATION_BASE_URL": "",
    }


async def _reconcile(mesh: Mesh) -> None:
    """Compare yesterday, as the nightly job does."""
    yesterday = (datetime.now(UTC) + timedelta(hours=8) - timedelta(days=1)).date().isoformat()
    request = payments_pb2.ReconcileRequest(provider="wechatpay", day=yesterday)
    async with grpc.aio.insecure_channel(mesh.env["BILLING_TARGET"]) as channel:
        await payments_pb2_grpc.PaymentServiceStub(channel).Reconcile(request)
