"""One pod: started, probed, taken out of the endpoints, stopped in the time that it has."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from k8s.rolling.manifest import Plan, Probe
from k8s.rolling.names import Endpoints
from k8s.rolling.runner import Runner
from sandbox.ports import listens
from sandbox.processes import PartError, Process


class RunningPod:
    """A pod on an address of its own, and the kubelet's work with it."""

    def __init__(
        self, plan: Plan, name: str, address: str, process: Process, *, runner: Runner, endpoints: Endpoints
    ) -> None:
        """Wrap what was started."""
        self.name = name
        self.address = address
        self._plan = plan
        self._process = process
        self._runner = runner
        self._endpoints = endpoints
        self._watching: list[asyncio.Task[None]] = []

    @classmethod
    async def start(
        cls,
        plan: Plan,
        name: str,
        address: str,
        env: Mapping[str, str],
        *,
        runner: Runner,
        log: Path,
        endpoints: Endpoints,
    ) -> "RunningPod":
        """Start it and wait until its probes let traffic in.

        Raises:
            PartError: It did not come up in the time of its startup probe, or is not ready as long again.
        """
        process = await Process.start(name, runner.command(plan, name, env), log=log, env=env)
        pod = cls(plan, name, address, process, runner=runner, endpoints=endpoints)
        try:
            for probe in (plan.startup, plan.readiness):
                await pod._passes(probe, within_s=plan.startup.period_s * plan.startup.failures)
        except BaseException:
            await pod._kill()
            raise
        endpoints.add(plan.service, address)
        pod._watching = [asyncio.create_task(pod._watch_readiness()), asyncio.create_task(pod._watch_liveness())]
        return pod

    async def _passes(self, probe: Probe, *, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s):
                while not await answers(probe, self.address):
                    if self._process.ended:
                        raise await self._process.died()
                    await asyncio.sleep(probe.period_s)
        except TimeoutError:
            raise PartError(f"{self.name} was not up after {within_s:g} s: its log is {self._process.log}.") from None

    async def _watch_readiness(self) -> None:
        """Keep it among the endpoints while it is ready."""
        failed = 0
        while True:
            await asyncio.sleep(self._plan.readiness.period_s)
            failed = 0 if await answers(self._plan.readiness, self.address) else failed + 1
            if failed == 0:
                self._endpoints.add(self._plan.service, self.address)
            elif failed >= self._plan.readiness.failures:
                self._endpoints.remove(self._plan.service, self.address)

    async def _watch_liveness(self) -> None:
        """Raise what a kubelet would start it again for.

        Raises:
            PartError: It answers nothing any more.
        """
        failed = 0
        while failed < self._plan.liveness.failures:
            await asyncio.sleep(self._plan.liveness.period_s)
            failed = 0 if await answers(self._plan.liveness, self.address) else failed + 1
        raise PartError(f"{self.name} failed its liveness probe: its log is {self._process.log}.")

    async def delete(self) -> float:
        """What Kubernetes does with a pod that is deleted; answers the seconds from its SIGTERM to its end.

        Raises:
            PartError: It did not end in its time, or badly, or was unwell before.
        """
        self._endpoints.remove(self._plan.service, self.address)
        await self._unwatched()
        await asyncio.sleep(self._plan.pre_stop_s)
        told_at = time.monotonic()
        # The grace runs from the deletion on, preStop included.
        await self._process.stop(grace_s=self._plan.grace_s - self._plan.pre_stop_s)
        if (status := await self._process.finished()) == -signal.SIGKILL:
            await self._kill()
            raise PartError(f"{self.name} did not end in its grace of {self._plan.grace_s:g} s and was killed.")
        if status:
            raise await self._process.died()
        return time.monotonic() - told_at

    async def _unwatched(self) -> None:
        for task in self._watching:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def end(self) -> None:
        """Stop at once: nobody is there any more.

        Raises:
            PartError: It was unwell.
        """
        for task in self._watching:
            task.cancel()
        await self._kill()
        await self._process.finished()
        await self._unwatched()

    async def _kill(self) -> None:
        self._process.kill()
        await self._runner.remove(self.name)


async def answers(probe: Probe, address: str) -> bool:
    """Whether a pod passes a probe, asked as the kubelet asks."""
    if probe.path is not None:
        timeout = aiohttp.ClientTimeout(total=probe.timeout_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as http,
                http.get(f"http://{address}:{probe.port}{probe.path}") as answer,
            ):
                return 200 <= answer.status < 400
        except (aiohttp.ClientError, TimeoutError):
            return False
    if not await listens(address, probe.port):
        return False
    async with grpc.aio.insecure_channel(f"{address}:{probe.port}") as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(  # type: ignore[attr-defined]  # the stubs forget it
                health_pb2.HealthCheckRequest(service=probe.grpc_service), timeout=probe.timeout_s
            )
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
