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


async def test_the_programs_cost_less_than_what_they_measure(programs: Programs) -> None:
    """A chat of 64 deltas over 1.5 seconds, at 40 a second."""
    assert programs.load is not None
    async with SimulatorProcess(program=programs.simulator) as provider:
        report = await load.run(programs.load, Plan(provider.url, ("k",), qps=40, seconds=1))
        provider_cpu_ms = usage(provider.pid).cpu_s * 1000 / 40
    generator = report["generator"]
    assert isinstance(generator, dict)
    assert report["completed"] == report["scheduled"]
    assert generator["cpu_ms_per_chat"] < 1.5
    assert provider_cpu_ms < 1.5


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
