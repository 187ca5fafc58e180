"""`make quantize MODEL=model-f16.gguf`: 4-bit weights that a laptop can serve, and what they cost in fidelity."""

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sandbox import model
from sandbox.quantize.fidelity import Report, compare, measure
from sandbox.quantize.weights import Sizes, WeightsError, quantise

_POSITIONS = 96
_MEGABYTE = 1_000_000


def _shrink(source: Path, target: Path, console: Console) -> Sizes:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("quantising", total=None)

        def tell(name: str, number: int, of: int) -> None:
            bar.update(task, completed=number, total=of)

        return quantise(source, target, tell)


def _told(sizes: Sizes, report: Report) -> str:
    before, after = sizes.before_bytes / _MEGABYTE, sizes.after_bytes / _MEGABYTE
    return "\n".join(
        (
            f"  size             {before:,.1f} MB → {after:,.1f} MB ({sizes.bits_per_weight:.2f} bits a weight)",
            f"  perplexity       {report.perplexity_before:.2f} → {report.perplexity_after:.2f}"
            f" over {report.positions} tokens of English prose",
            f"  same next token  {report.same_first:.0%} of the time",
            f"  log-probability  {report.mean_difference:.3f} nats apart on average",
        )
    )


async def _fidelity(source: Path, target: Path) -> Report:
    # One after the other: both at once would need the memory of both.
    before = await measure(source, _POSITIONS)
    return compare(before, await measure(target, _POSITIONS))


def main() -> None:
    """Quantise, compare, say how to serve the result."""
    parser = argparse.ArgumentParser(prog="make quantize", description=__doc__)
    parser.add_argument("model", nargs="?", type=Path, help="a GGUF file, f16 or f32; none: the laptop's own model")
    parser.add_argument("--out", type=Path, help="where to write; none: beside the model, or in .run for the laptop's")
    arguments = parser.parse_args()
    console = Console()
    try:
        source = arguments.model or model.weights()
        folder = Path(".run") if arguments.model is None else source.parent
        target = arguments.out or folder / f"{source.stem}.q4_0.gguf"
        if target.resolve() == source.resolve():
            sys.exit("quantize: the result would replace the model itself: choose another --out.")
        target.parent.mkdir(parents=True, exist_ok=True)
        sizes = _shrink(source, target, console)
        console.print("comparing with the original …")
        report = asyncio.run(_fidelity(source, target))
    except (WeightsError, OSError, RuntimeError) as error:
        sys.exit(f"quantize: {error}")
    print(f"{target}\n{_told(sizes, report)}\nServe it: LOCAL_MODEL={target} make run")


if __name__ == "__main__":
    main()
