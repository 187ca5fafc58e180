from pathlib import Path

import pytest

from bench.machine import usage
from bench.native import load
from bench.native.programs import Programs, compiled
from bench.plan import Plan
from bench.simulator_process import SimulatorProcess


def test_programs_are_compiled_once(tmp_path: Path) -> None:
    said: list[str] = []
    first = compiled(tmp_path, said.append)
    assert first.simulator is not None
    written = first.simulator.stat().st_mtime_ns
    assert compiled(tmp_path, said.append) == first
    assert first.simulator.stat().st_mtime_ns == written
    assert said == []


async def test_the_programs_cost_less_than_those_in_python(programs: Programs) -> None:
    """A chat of 64 deltas over 1.5 seconds, at 40 a second; how fast the machine is does not count."""
    provider, generator = await cpu_ms_of(programs, programs.simulator)
    in_python, _ = await cpu_ms_of(programs, None)
    assert provider < 0.7 * in_python
    assert generator < 0.7 * in_python


async def cpu_ms_of(programs: Programs, simulator: Path | None) -> tuple[float, float]:
    """What a chat costs this provider and the generator, in milliseconds of CPU time."""
    assert programs.load is not None
    async with SimulatorProcess(program=simulator) as provider:
        before = usage(provider.pid).cpu_s
        report = await load.run(programs.load, Plan(provider.url, ("k",), qps=40, seconds=1))
        provider_ms = (usage(provider.pid).cpu_s - before) * 1000 / 40
    generator = report["generator"]
    assert isinstance(generator, dict)
    assert report["completed"] == report["scheduled"]
    return provider_ms, float(generator["cpu_ms_per_chat"])


def test_without_a_compiler_those_in_python_must_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    assert compiled(tmp_path / "programs", said.append) == Programs(None, None)
    assert "no C compiler" in said[0]


def test_a_compiler_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho no headers here >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    assert compiled(tmp_path / "programs", said.append) == Programs(None, None)
    assert "no headers here" in said[0]
