"""`make roll`: replace every pod of each service, one service after the other, while people ask.

python -m k8s.rolling [overlay] [--containers | --processes]
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from bench.simulator_process import SimulatorProcess
from k8s.checks.objects import RenderError, render
from k8s.images import image
from k8s.rolling.cluster import SERVICES, Cluster
from k8s.rolling.load import Load
from k8s.rolling.manifest import plans
from k8s.rolling.runner import Containers, Processes, Runner, chosen
from sandbox.processes import PartError

# Whoever asks here is a few people who ask all the time.
GIVEN = {"OPENAI_API_KEY": "sk-simulated", "RATE_LIMIT_TRIAL_PER_MINUTE": "100000"}


async def _run(overlay: str, folder: Path, pods: str) -> int:
    begin = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - begin:6.1f} s  {what}")  # noqa: T201  # said to the person who rolls

    runner = await _runner(pods)
    deployments = plans(render(overlay, Path(sys.executable).with_name("kubectl")))
    async with (
        SimulatorProcess() as simulator,
        Cluster(deployments, folder, given=GIVEN | {"OPENAI_BASE_URL": simulator.url}, runner=runner) as cluster,
    ):
        tell(f"two replicas of each service serve, as {runner}")
        load = Load(cluster.url, cluster.trust)
        async with load.running():
            for service in SERVICES:
                longer_s = deployments[service].pre_stop_s + 10
                streams = [asyncio.create_task(load.listen(longer_s))]
                old = await cluster.roll(service)
                tell(f"{service}: new pods are ready, old ones are deleted")
                streams.append(asyncio.create_task(load.listen(longer_s)))
                drained_s = await old
                await asyncio.gather(*streams)
                ends = " and ".join(f"{seconds:.1f} s" for seconds in drained_s)
                tell(f"{service}: old pods ended {ends} after SIGTERM; {len(load.failed)} turns failed")
    for turn in load.failed:
        print(turn)  # noqa: T201  # said to the person who rolls
    cut = sum(1 for turn in load.long if turn.resumed)
    tell(f"{len(load.short)} short turns; {len(load.long)} streams longer than the preStop, {cut} cut and resumed")
    return 1 if load.failed else 0


async def _runner(pods: str) -> Runner:
    name = image(os.environ)  # noqa: TID251  # a tool of ours, no service
    match pods:
        case "containers":
            return Containers(name)
        case "processes":
            return Processes()
        case _:
            return await chosen(name)


def main() -> None:
    """Roll; exit status 1 when a turn failed, or with a sentence when something is in the way."""
    parser = argparse.ArgumentParser(prog="make roll", description="Replace every pod of each service under load.")
    parser.add_argument("overlay", nargs="?", default="dev")
    kinds = parser.add_mutually_exclusive_group()
    for kind, told in (("containers", "pods are containers of the built image"), ("processes", "pods are processes")):
        kinds.add_argument(f"--{kind}", dest="pods", action="store_const", const=kind, default="", help=told)
    asked = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            sys.exit(asyncio.run(_run(asked.overlay, Path(folder), asked.pods)))
    except (PartError, RenderError) as error:
        sys.exit(f"✗ {error}")


if __name__ == "__main__":
    main()
