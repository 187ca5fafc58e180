"""A real nginx before the provider; what npm and uv install is started by the measurement itself."""

from pathlib import Path

from bench.load import Generator
from bench.peers import installed, started
from bench.plan import Plan
from bench.simulator_process import SimulatorProcess


async def test_nginx_passes_chats_on(simulator: SimulatorProcess, tmp_path: Path) -> None:
    async with started.nginx(simulator.url, tmp_path, tmp_path) as side:
        report = await Generator(Plan(side.url, tuple(side.api_keys), mode="burst", concurrency=4, seconds=0.3)).run()
    assert report["errors"] == {}
    assert report["sampled_texts"] == 1


def test_the_locks_say_which_versions_are_measured() -> None:
    assert set(installed.versions()) == {"Portkey", "LiteLLM"}
    assert all(version[0].isdigit() for version in installed.versions().values())
