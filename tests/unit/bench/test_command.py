"""How a measurement ends: its status, what it says, and whether its state stays."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from bench.command import measure
from bench.runner import WindowError


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(("well", "status"), [(True, 0), (False, 1)])
def test_the_status_says_whether_all_was_well_and_nothing_stays(state: Path, well: bool, status: int) -> None:
    async def work() -> bool:
        return well

    with pytest.raises(SystemExit) as left:
        measure(work(), state)
    assert left.value.code == status
    assert not state.exists()


def test_a_failure_is_one_sentence_and_leaves_the_logs(state: Path) -> None:
    async def work() -> bool:
        raise WindowError("The load could not be sent.")

    with pytest.raises(SystemExit) as left:
        measure(work(), state)
    assert left.value.code == "bench: The load could not be sent."
    assert state.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_it_stop_what_it_started(state: Path, number: signal.Signals) -> None:
    stopped = []

    async def work() -> bool:
        try:
            os.kill(os.getpid(), number)
            await asyncio.sleep(10)
            return True
        finally:
            stopped.append(number)

    with pytest.raises(SystemExit) as left:
        measure(work(), state)
    assert left.value.code == 130
    assert stopped == [number]
    assert state.exists()
