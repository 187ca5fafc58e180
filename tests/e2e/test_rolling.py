"""A rolling update of every service by the manifests that ship, under load: commands, probes, preStop and grace."""

import asyncio
import sys
from pathlib import Path

import pytest

from bench.simulator_process import SimulatorProcess
from k8s.checks.objects import render
from k8s.rolling.__main__ import GIVEN
from k8s.rolling.cluster import Cluster
from k8s.rolling.load import Load
from k8s.rolling.manifest import plans

# The next service begins while old pods of the one before still wait in their preStop, as when all are applied at once.
ORDER = ("chat", "billing", "moderation", "gateway")


@pytest.mark.timeout(300)
async def test_every_service_is_rolled_without_a_failed_turn_and_long_streams_survive(
    simulator: SimulatorProcess, mesh_folder: Path
) -> None:
    deployments = plans(render("dev", Path(sys.executable).with_name("kubectl")))
    async with Cluster(deployments, mesh_folder, given=GIVEN | {"OPENAI_BASE_URL": simulator.url}) as cluster:
        load = Load(cluster.url, cluster.trust)
        going, streams = {}, []
        async with load.running():
            for service in ORDER:
                longer_s = deployments[service].pre_stop_s + 5
                # Before for those that are forgotten at once, after for those that are not.
                streams.append(asyncio.create_task(load.listen(longer_s + 5)))
                going[service] = await cluster.roll(service)
                streams.append(asyncio.create_task(load.listen(longer_s)))
            drained_s = {service: await old for service, old in going.items()}
            await asyncio.gather(*streams)
    assert load.failed == []
    assert len(load.short) > 100
    assert len(load.long) == 2 * len(streams)
    # Somebody still listened to the old ones when they were told to stop.
    assert max(drained_s["chat"]) > 1
    assert max(drained_s["gateway"]) > 1
