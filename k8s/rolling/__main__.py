"""`make roll`: replace every pod of each service, one service after the other, while people ask.

python -m k8s.rolling [overlay]
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from bench.simulator_process import SimulatorProcess
from k8s.checks.objects import RenderError, render
from k8s.rolling.cluster import SERVICES, Cluster
from k8s.rolling.load import Load
from k8s.rolling.manifest import plans
from sandbox.processes import PartError

# Whoever asks here is a few people who ask all the time.
GIVEN = {"OPENAI_API_KEY": "sk-simulated", "RATE_LIMIT_TRIAL_PER_MINUTE": "100000"}


async def _run(overlay: str, folder: Path) -> int:
    begin = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - begin:6.1f} s  {what}")  # noqa: T201  # said to the person who rolls

    deployments = plans(render(overlay, Path(sys.executable).with_name("kubectl")))
    async with (
        SimulatorProcess() as simulator,
        Cluster(deployments, folder, given=GIVEN | {"OPENAI_BASE_URL": simulator.url}) as cluster,
    ):
        tell("two replicas of each service serve")
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


def main() -> None:
    """Roll; exit status 1 when a turn failed, or with a sentence when something is in the way."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            sys.exit(asyncio.run(_run(sys.argv[1] if sys.argv[1:] else "dev", Path(folder))))
    except (PartError, RenderError) as error:
        sys.exit(f"✗ {error}")


if __name__ == "__main__":
    main()
