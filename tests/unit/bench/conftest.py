"""One simulated provider for all tests of the bench, and the compiled programs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.native.programs import Programs, compiled
from bench.simulator_process import SimulatorProcess


@pytest.fixture(scope="session")
async def simulator() -> AsyncIterator[SimulatorProcess]:
    """A simulator of 16 deltas without any pause."""
    async with SimulatorProcess("--deltas", "16", "--first-token-ms", "0", "--interval-ms", "0") as process:
        yield process


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """The programs in C, compiled for these tests."""
    said: list[str] = []
    built = compiled(tmp_path_factory.mktemp("programs"), said.append)
    assert said == []
    return built


@pytest.fixture(scope="session")
def load_program(programs: Programs) -> Path:
    """The compiled load generator."""
    assert programs.load is not None
    return programs.load
