import os
import subprocess
import sys
from dataclasses import replace

import pytest

from bench import targets
from bench.machine import CpuClock, describe, usage
from bench.report import added_ms, render
from bench.runner import Measured, Runner, Side, Window, WindowError
from bench.simulator_process import SimulatorProcess

FIRST = {"p50": 300.0, "p90": 305.0, "p99": 350.0, "max": 400.0}


def measured(direct: bool, first: dict[str, float] | None, steal_share: float = 0.0) -> Measured:
    load: dict[str, object] = {
        "qps": 25.0,
        "completed": 200,
        "errors": {} if first else {"HTTP 503": 3},
        "error_example": "" if first else "unavailable",
        "first_content_ms": first,
        "sampled_texts": 1 if first else 2,
        "generator": {"cpu_ms_per_chat": 0.5, "was_the_bottleneck": False},
    }
    cpu = {"simulator": 1.0} if direct else {"gateway": 1.5, "chat": 2.0, "postgres": 4.0}
    return Measured(Window("realistic", direct, 8, qps=25), load, cpu, cpu, steal_share)


def test_what_the_mesh_adds_is_counted_from_the_direct_median() -> None:
    mesh = measured(direct=False, first={name: value + 10 for name, value in FIRST.items()})
    assert added_ms(mesh, measured(direct=True, first=FIRST)) == {"p50": 10, "p90": 15, "p99": 60}


def test_nothing_is_added_where_nothing_was_answered() -> None:
    assert added_ms(measured(direct=False, first=None), measured(direct=True, first=FIRST)) is None


def test_the_tables_show_speed_cost_and_what_went_wrong() -> None:
    baseline = measured(direct=True, first=FIRST)
    fine = measured(direct=False, first=FIRST)
    broken = measured(direct=False, first=None, steal_share=0.06)
    tables = render([baseline, fine, broken], {"realistic": baseline})
    assert "+50.0" in tables
    assert "3 x HTTP 503; unavailable" in tables
    assert "DISTURBED" in tables
    assert tables.count("answers differ") == 1
    cost = next(line for line in tables.splitlines() if line.startswith("mesh realistic 25/s") and "4.00" in line)
    assert cost.split()[-1] == "3.50"  # gateway and chat; what is not ours is not in the sum


def lines(results: list[Measured], baselines: dict[str, Measured]) -> dict[str, str]:
    """Each figure's line, its cells in one space."""
    return {line.split("  ")[0]: " ".join(line.split()) for line in targets.render(results, baselines).splitlines()}


def test_what_was_measured_stands_beside_what_is_wanted() -> None:
    baseline = measured(direct=True, first=FIRST)
    fine = measured(direct=False, first={name: value + 20 for name, value in FIRST.items()})
    slow = replace(
        measured(direct=False, first={name: value + 80 for name, value in FIRST.items()}),
        window=Window("realistic", direct=False, seconds=8, qps=400),
    )
    found = lines([baseline, fine, slow], {"realistic": baseline})
    assert found["realistic chats a second, + 50 ms at most"].endswith(" 25 ≥ 200 ≥ 400 MISSED")
    assert found["CPU-ms of a realistic chat, all services"].endswith(" 3.5 ≤ 8 ≤ 4 as wanted")
    assert found["answers of the cache (hits), QPS"].endswith(" - ≥ 3000 ≥ 20000 not measured")


def test_stolen_time_is_a_share_of_all_time() -> None:
    assert CpuClock(30.0, 2.0).steal_share_since(CpuClock(10.0, 1.0)) == pytest.approx(0.05)
    assert CpuClock(10.0, 1.0).steal_share_since(CpuClock(10.0, 1.0)) == 0


def test_a_process_is_charged_for_its_children() -> None:
    before = usage(os.getpid())
    subprocess.run([sys.executable, "-c", "sum(i * i for i in range(2_000_000))"], check=True)
    after = usage(os.getpid())
    assert after.cpu_s - before.cpu_s >= 0.05
    assert after.memory_bytes > 1_000_000


def test_the_machine_says_what_is_needed_to_repeat_a_measurement() -> None:
    assert {"cores", "cpu", "load_average", "python", "libraries", "commit"} <= describe().keys()


async def test_a_window_gives_load_cost_and_memory(simulator: SimulatorProcess) -> None:
    runner = Runner(Side(simulator.url, ("sk-any",), {"simulator": simulator.pid}), None, seed=1)
    result = await runner.measure(Window("burst", direct=True, seconds=0.5, concurrency=4))
    assert result.load["errors"] == {}
    assert result.cpu_ms_per_chat["simulator"] > 0
    assert result.memory_mb["simulator"] > 5
    with pytest.raises(WindowError, match="no mesh"):
        await runner.measure(Window("burst", direct=False, seconds=0.5, concurrency=4))


async def test_a_load_generator_that_fails_is_a_sentence() -> None:
    runner = Runner(Side("http://192.0.2.1/v1", ("sk-any",), {}), None, seed=1)
    with pytest.raises(WindowError, match="load generator failed"):
        await runner.measure(Window("idle", direct=True, seconds=0.5))


async def test_a_disturbed_window_is_measured_once_more(
    simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = iter([0.5, 0.01])
    monkeypatch.setattr(CpuClock, "steal_share_since", lambda self, earlier: next(shares))
    runner = Runner(Side(simulator.url, ("sk-any",), {"simulator": simulator.pid}), None, seed=1)
    result = await runner.measure(Window("idle", direct=True, seconds=0.05))
    assert result.repeated
    assert not result.disturbed
    assert [discarded.steal_share for discarded in runner.discarded] == [0.5]


async def test_the_middle_one_of_three_runs_counts(
    simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = iter([50.0, 10.0, 30.0])

    async def load(self: Runner, window: Window, side: Side) -> dict[str, object]:
        return {"qps": next(rates), "completed": 1, "scheduled": 1, "first_content_ms": FIRST}

    monkeypatch.setattr(Runner, "_load", load)
    runner = Runner(Side(simulator.url, ("sk-any",), {"simulator": simulator.pid}), None, seed=1)
    result = await runner.median(Window("burst", direct=True, seconds=0.05, concurrency=1), 3)
    assert result.qps == 30
    assert {other.qps for other in runner.others} == {10, 50}


async def test_a_rate_that_is_not_kept_up_with_is_run_once(
    simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def load(self: Runner, window: Window, side: Side) -> dict[str, object]:
        return {"qps": 40.0, "completed": 1, "scheduled": 100, "first_content_ms": FIRST}

    monkeypatch.setattr(Runner, "_load", load)
    runner = Runner(Side(simulator.url, ("sk-any",), {"simulator": simulator.pid}), None, seed=1)
    result = await runner.median(Window("realistic", direct=True, seconds=1, qps=100), 3)
    assert not result.kept_up
    assert runner.others == []
