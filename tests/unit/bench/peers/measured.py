"""Windows as they would be measured."""

from collections.abc import Mapping

from bench.peers.figures import Figures, Round
from bench.runner import Measured, Window

FIRST_MS = 300.0


def window(
    shape: str,
    added: float = 0.0,
    *,
    rate: float | None = None,
    cpu: float = 1.0,
    steal: float = 0.0,
    load: Mapping[str, object] | None = None,
) -> Measured:
    """A window whose first text came so many milliseconds later than the provider's own; `load` says what differs."""
    first = {name: FIRST_MS + added * factor for name, factor in (("p50", 1), ("p90", 2), ("p99", 3), ("max", 4))}
    told: dict[str, object] = {
        "qps": rate or 100.0,
        "scheduled": (rate or 0) * 5,
        "completed": 10,
        "errors": {},
        "first_content_ms": first,
        "events_per_chat": 67.0,
        "generator": {"cpu_ms_per_chat": 0.5},
        **(load or {}),
    }
    return Measured(Window(shape, False, 5, qps=rate), told, {"own": cpu, "simulator": 9.0}, {}, steal)


def figures(name: str, *rounds: Round, **more: object) -> Figures:
    """A peer's figures, over a provider that adds nothing."""
    baselines = {shape: window(shape) for shape in ("idle", "realistic", "burst")}
    found = Figures(name, "1.0", baselines, own=["own"], rounds=list(rounds))
    for field, value in more.items():
        setattr(found, field, value)
    return found


def round_of(*, burst: float, idle: float, cpu: dict[float, float], held: float = 0, hits: float = 0) -> Round:
    """A round with these bursts a second, milliseconds added when idle, and CPU-ms a chat by rate."""
    return Round(
        window("idle", idle),
        window("burst", load={"qps": burst}),
        window("hits", load={"qps": hits}) if hits else None,
        {rate: window("realistic", 10, rate=rate, cpu=value) for rate, value in cpu.items()},
        held,
    )
