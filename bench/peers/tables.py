"""The peers side by side, as tables for a terminal and for a document."""

from collections.abc import Callable, Mapping, Sequence

from bench.peers.figures import Figures
from bench.report import SERVICES, table

Rows = list[tuple[str, ...]]


def sections(found: Mapping[str, Figures]) -> dict[str, Rows]:
    """Every table by its title, heads first."""
    return {
        "Side by side (medians)": side_by_side(found),
        "Realistic chats: added to the first text, p50 / p99 ms · CPU-ms a chat": by_rate(found),
        "The provider alone, before each": drift(found),
    }


def render(found: Mapping[str, Figures]) -> str:
    """The tables as text."""
    return "\n\n".join(f"{title}\n{table(rows)}" for title, rows in sections(found).items())


def markdown(title: str, rows: Rows) -> str:
    """A table as Markdown, its title above."""
    head, *others = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join((f"**{title}**", "", head, "|" + "---|" * len(rows[0]), *others, ""))


def side_by_side(found: Mapping[str, Figures]) -> Rows:
    """One column a peer."""
    lines: Sequence[tuple[str, Callable[[Figures], str]]] = (
        ("version", lambda f: f.version),
        ("bursts, QPS", lambda f: _number(f.burst_qps())),
        ("hits, QPS", lambda f: _number(f.hits_qps())),
        ("idle, first text added, p50 / p99 ms", lambda f: _pair(f.idle_added("p50"), f.idle_added("p99"))),
        ("highest realistic rate held, /s", lambda f: _number(f.held())),
        ("events a chat at 25/s", lambda f: _number(f.events(25))),
        ("memory, idle, MB", lambda f: _number(_memory(f.idle_mb))),
        ("memory with live streams, MB", lambda f: _number(_memory(f.live_mb))),
        ("of so many live streams", lambda f: str(f.live_streams or "")),
        ("rounds · discarded windows", lambda f: f"{len(f.rounds)} · {len(f.discarded)}"),
    )
    return [("", *found), *((name, *(line(figures) for figures in found.values())) for name, line in lines)]


def by_rate(found: Mapping[str, Figures]) -> Rows:
    """One line a rate that was measured; a rate that was not kept up with says what was reached."""
    rates = sorted({rate for figures in found.values() for rate in figures.rates()})
    return [("", *found), *((f"{rate:g}/s", *(_at(figures, rate) for figures in found.values())) for rate in rates)]


def drift(found: Mapping[str, Figures]) -> Rows:
    """Whether the machine stayed the same: the provider asked directly, before each peer."""
    rows: Rows = [("before", "bursts, QPS", "first text p50 ms", "provider, CPU-ms", "generator, CPU-ms", "stolen")]
    for name, figures in found.items():
        burst, realistic = figures.baselines["burst"], figures.baselines["realistic"]
        first, generator = realistic.load["first_content_ms"], realistic.load["generator"]
        assert isinstance(generator, dict)
        rows.append(
            (
                name,
                _number(burst.qps),
                f"{first['p50']:.1f}" if isinstance(first, dict) else "-",
                f"{realistic.cpu_ms_per_chat.get('simulator', 0):.2f}",
                f"{generator['cpu_ms_per_chat']:.2f}",
                f"{max(burst.steal_share, realistic.steal_share):.1%}",
            )
        )
    return rows


def _at(figures: Figures, rate: float) -> str:
    cpu, qps = figures.cpu_ms(rate), figures.qps(rate)
    if cpu is None or qps is None:
        return ""
    reached = "" if figures.kept_up(rate) else f" (reached {qps:.0f}/s)"
    return f"{_pair(figures.added(rate, 'p50'), figures.added(rate, 'p99'))} · {cpu:.1f}{reached}"


def _memory(by_process: Mapping[str, float]) -> float | None:
    """Of a mesh its services alone, of a peer everything."""
    named = [by_process[name] for name in SERVICES if name in by_process]
    return sum(named or by_process.values()) or None


def _pair(one: float | None, other: float | None) -> str:
    return f"{_number(one)} / {_number(other)}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
