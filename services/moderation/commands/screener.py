"""`queqiao screener show`, `train`, `load`, `versions`, `restore`."""

import getpass
from pathlib import Path
from typing import Annotated

import typer
from queqiao.moderation.v1 import screener_pb2

from services.moderation.commands.client import Moderation, run
from services.moderation.commands.lists import Author, Reason
from services.moderation.commands.texts import facts, moment, printable, table

app = typer.Typer()
screener = typer.Typer(help="The learned layer: the weights by which texts are scored.", no_args_is_help=True)
app.add_typer(screener, name="screener")

# Weights are tried on thousands of texts before they are stored.
_TIMEOUT_S = 120.0
_PAGE_MAX = 1_000

# What the service takes, and one more, which tells it that there are too many.
_BYTES_READ = 2_000_001

DryRun = Annotated[bool, typer.Option("--dry-run", help="Store nothing, only say what it would do.")]


@screener.command()
def show() -> None:
    """Show which weights are in force; the exit status is 1 while newer ones cannot be taken up."""
    request = screener_pb2.GetScreenerRequest()
    found = run(lambda moderation: moderation.call(moderation.screener.GetScreener, request))
    typer.echo(
        facts(
            ("weights", found.version),
            ("stored version", str(found.stored_version)),
            ("trained on", found.about),
            ("in force since", moment(found, "load_time")),
        )
    )
    if found.problem:
        typer.echo(f"\nThe newest weights are not in force: {printable(found.problem)}")
        raise typer.Exit(1)


@screener.command()
def train(
    from_audit: Annotated[
        bool, typer.Option("--from-audit", help="Add what this service refused, referred and granted on appeal.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=5_000, help="How many refusals to look through.")] = 2_000,
    out: Annotated[Path | None, typer.Option(help="Write the weights there, too.")] = None,
    dry_run: DryRun = False,
    author: Author = "",
    reason: Reason = "",
) -> None:
    """Train weights on the corpus that ships, compare them with those in force, and store them.

    Of what the audit adds, one text in five is kept for the comparison.
    """
    # Only this command needs numpy and scikit-learn.
    try:
        from services.moderation.learned import training
    except ModuleNotFoundError:
        typer.echo("Training needs scikit-learn, which services do not: `uv sync --group train` installs it.", err=True)
        raise typer.Exit(1) from None
    from services.moderation.learned.evaluation import measured, render
    from services.moderation.learned.features import Featurizer
    from services.moderation.learned.model import Screener, read_weights
    from services.moderation.learned.samples import (
        HELD_OUT,
        TRAINED,
        Sample,
        is_held_out,
        questions,
        read_samples,
    )

    found = run(lambda moderation: _training(moderation, limit if from_audit else 0))
    kept = [Sample(each.label, each.text) for each in found[1]]
    featurizer = Featurizer.shipped()
    corpus = read_samples(TRAINED)
    known = {sample.label for sample in corpus}
    learned = [sample for sample in kept if sample.label in known]
    added = [sample for sample in learned if not is_held_out(sample)]
    about = f"the corpus that ships and {len(added):,} texts of the audit"
    content = training.train([*corpus, *added], featurizer, questions=questions(), about=about)
    typer.echo(
        f"Trained on {len(corpus):,} sentences that ship and {len(added):,} texts of the audit; "
        f"{len(kept) - len(learned):,} have a label that the corpus does not know."
    )
    tried = [*read_samples(HELD_OUT), *filter(is_held_out, learned)]
    compared = {
        "in force": measured(Screener(read_weights(found[0]), featurizer), tried),
        "trained now": measured(Screener(read_weights(content), featurizer), tried),
    }
    typer.echo(render(compared))
    if out is not None:
        out.write_bytes(content)
    _put(content, dry_run=dry_run, author=author, reason=reason)


@screener.command()
def load(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A weights file.")],
    dry_run: DryRun = False,
    author: Author = "",
    reason: Reason = "",
) -> None:
    """Store a weights file, and say what it does to the texts that the audit keeps."""
    with file.open("rb") as opened:
        content = opened.read(_BYTES_READ)
    _put(content, dry_run=dry_run, author=author, reason=reason)


@screener.command()
def versions(limit: Annotated[int, typer.Option(min=1, max=_PAGE_MAX, help="How many at most.")] = 50) -> None:
    """List what was changed, the newest first."""
    request = screener_pb2.ListWeightsVersionsRequest(page_size=limit)
    found = run(lambda moderation: moderation.call(moderation.screener.ListWeightsVersions, request))
    rows = [
        (str(one.stored_version), moment(one, "create_time"), one.author, one.change, one.reason or "-")
        for one in found.versions
    ]
    typer.echo(table((">version", "time", "author", "change", "reason"), rows))
    if found.next_page_token:
        typer.echo(f"\nThere are more than {limit}: say --limit.")


@screener.command()
def restore(
    version: Annotated[int, typer.Argument(metavar="VERSION", min=0, help="0 is the file that ships.")],
    author: Author = "",
    reason: Reason = "",
) -> None:
    """Make the weights what they were in a version, as a new version."""
    request = screener_pb2.RestoreWeightsRequest(
        stored_version=version, author=author or getpass.getuser(), reason=reason
    )
    done = run(lambda moderation: moderation.call(moderation.screener.RestoreWeights, request))
    typer.echo(f"The weights are those of version {version} again, in version {done.stored_version}.")


async def _training(moderation: Moderation, limit: int) -> tuple[bytes, list[screener_pb2.TrainingText]]:
    """The weights in force, and kept texts of the newest `limit` refusals."""
    now = await moderation.call(moderation.screener.GetScreener, screener_pb2.GetScreenerRequest())
    if not limit:
        return now.content, []
    request = screener_pb2.ListTrainingTextsRequest(limit=limit)
    found = await moderation.call(moderation.screener.ListTrainingTexts, request, timeout_s=_TIMEOUT_S)
    return now.content, list(found.texts)


def _put(content: bytes, *, dry_run: bool, author: str, reason: str) -> None:
    request = screener_pb2.PutWeightsRequest(
        content=content, dry_run=dry_run, author=author or getpass.getuser(), reason=reason
    )
    done = run(lambda moderation: moderation.call(moderation.screener.PutWeights, request, timeout_s=_TIMEOUT_S))
    if done.texts:
        typer.echo(
            f"Of {done.texts:,} texts that the audit keeps {done.flagged_before:,} are referred or refused now, "
            f"{done.flagged_after:,} with these weights."
        )
    where = "Nothing is changed." if dry_run else f"They are version {done.stored_version} of the stored weights."
    typer.echo(f"The weights are {done.version}. {where}")
