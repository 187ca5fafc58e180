"""One simulated provider for all tests of the bench."""

from collections.abc import AsyncIterator

import pytest

from bench.simulator_process import SimulatorProcess


@pytest.fixture(scope="session")
async def simulator() -> AsyncIterator[SimulatorProcess]:
    """A simulator of 16 deltas without any pause."""
    async with SimulatorProcess("--deltas", "16", "--first-token-ms", "0", "--interval-ms", "0") as process:
        yield process
