"""What was measured, for people (two tables) and for machines (one JSON file)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.runner import Measured

SERVICES = ("gateway", "chat", "moderation", "billing")


def added_ms(measured: Measured, baseline: Measured) -> dict[str, float] | None:
    """What the mesh adds to the first text: its percentiles minus the median of asking the provider directly.

    Every percentile loses the same median: a slow outlier of the direct run must not make the mesh look better.
    None when either side has no answer.
    """
    mesh, direct = measured.load["first_content_ms"], baseline.load["first_content_ms"]
    if not isinstance(mesh, dict) or not isinstance(direct, dict):
        return None
    return {name: round(mesh[name] - direct["p50"], 2) for name in ("p50", "p90", "p99")}


def services_cpu_ms(measured: Measured) -> float:
    """CPU milliseconds a chat of the four services together."""
    return sum(measured.cpu_ms_per_chat.get(name, 0.0) for name in SERVICES)


def render(results: Sequence[Measured], baselines: Mapping[str, Measured]) -> str:
    """The tables."""
    speed: list[tuple[str, ...]] = [
        ("window", "QPS", "chats", "errors", "first p50", "first p99", "+ p50", "+ p99", "stolen", "remarks")
    ]
    speed += [_speed_row(measured, baselines) for measured in results]
    parts = list(dict.fromkeys(name for measured in results for name in measured.cpu_ms_per_chat))
    cpu: list[tuple[str, ...]] = [("window", *parts, "generator", "services")]
    cpu += [_cpu_row(measured, parts) for measured in results]
    memory: list[tuple[str, ...]] = [("memory, MB", *parts)]
    memory += [
        (_title(measured), *(f"{measured.memory_mb[name]:.0f}" if name in measured.memory_mb else "" for name in parts))
        for measured in results
        if not measured.window.direct
    ]
    sections = (
        ("Time to the first text, ms; + is what the mesh adds to asking the provider directly", speed),
        ("CPU-ms a chat", cpu),
        ("Memory at the window's end", memory),
    )
    return "\n\n".join(f"{title}\n{table(rows)}" for title, rows in sections)


def write(path: Path, content: Mapping[str, object]) -> None:
    """Writes the results' file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _title(measured: Measured) -> str:
    window = measured.window
    rate = f" {window.qps:g}/s" if window.qps is not None else ""
    return f"{'direct' if window.direct else 'mesh'} {window.shape}{rate}"


def _speed_row(measured: Measured, baselines: Mapping[str, Measured]) -> tuple[str, ...]:
    load, window = measured.load, measured.window
    first = load["first_content_ms"]
    shown = [f"{first[name]:.1f}" if isinstance(first, dict) else "-" for name in ("p50", "p99")]
    baseline = baselines.get(window.shape)
    added = None if window.direct or baseline is None else added_ms(measured, baseline)
    shown += [f"{added[name]:+.1f}" if added else "" for name in ("p50", "p99")]
    errors = load["errors"]
    assert isinstance(errors, dict)
    stolen = f"{measured.steal_share:.1%}"
    figures = (f"{load['qps']}", f"{load['completed']}", str(sum(errors.values())), *shown, stolen)
    return (_title(measured), *figures, "; ".join(_remarks(measured)))


def _remarks(measured: Measured) -> list[str]:
    remarks = []
    errors, generator, texts = (measured.load[name] for name in ("errors", "generator", "sampled_texts"))
    assert isinstance(errors, dict)
    assert isinstance(generator, dict)
    if measured.disturbed:
        remarks.append("DISTURBED: do not use")
    if generator["was_the_bottleneck"]:
        remarks.append("generator late or busy")
    if isinstance(texts, int) and texts > 1:
        remarks.append("answers differ")
    remarks += [f"{count} x {kind}" for kind, count in errors.items()]
    example = measured.load["error_example"]
    return [*remarks, str(example)] if example else remarks


def _cpu_row(measured: Measured, parts: Sequence[str]) -> tuple[str, ...]:
    generator = measured.load["generator"]
    assert isinstance(generator, dict)
    cells = [f"{measured.cpu_ms_per_chat[name]:.2f}" if name in measured.cpu_ms_per_chat else "" for name in parts]
    services = "" if measured.window.direct else f"{services_cpu_ms(measured):.2f}"
    return (_title(measured), *cells, f"{generator['cpu_ms_per_chat']:.2f}", services)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of as many cells each, the first row as a head, as aligned text."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join((first, *rest)).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)
