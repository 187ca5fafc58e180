"""`queqiao lexicon load`: a list from a file, stored or tried out."""

import getpass
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from queqiao.moderation.v1 import lexicon_pb2

from services.moderation.commands.client import run
from services.moderation.commands.texts import printable, table
from services.moderation.domain import LABELS
from services.moderation.errors import InvalidListError
from services.moderation.lexicon.entries import Tier
from services.moderation.lists.formats import BYTES_MAX, Form, Format, form_of_file, places, read
from services.runtime.errors import ServiceError

# A large list is compiled, and tried on thousands of texts, before it is stored.
_TIMEOUT_S = 120.0

# The service takes requests of 8 MiB; some of that is for what is not the list or a text.
_REQUEST_BYTES_MAX = 8 * 1024 * 1024 - 64 * 1024
_TEXTS_MAX = 10_000

Author = Annotated[str, typer.Option(help="Who changes it.", show_default="you")]
Reason = Annotated[str, typer.Option(help="Why.")]
Label = Annotated[int, typer.Option(min=0, help=f"A WeChat label code, one of {', '.join(map(str, LABELS))}.")]

File = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="LABEL[-TIER]-anything.txt or .csv.")
]


def load(
    file: File,
    name: Annotated[str, typer.Option(help="The list's name.", show_default="the file's without its end")] = "",
    label: Annotated[
        int, typer.Option(min=0, help="The label of words that name none.", show_default="the file name's")
    ] = 0,
    tier: Annotated[
        Tier | None, typer.Option(help="The tier of words that name none.", show_default="the file name's")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, only say what it would do.")] = False,
    against: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, readable=True, help="Texts to try it on, one a line, as UTF-8."),
    ] = None,
    author: Author = "",
    reason: Reason = "",
) -> None:
    """Store a list in the place of the one of its name, and say what it does; a file with a mistake changes nothing."""
    with file.open("rb") as opened:
        # A byte more than is allowed tells that there are too many.
        content = opened.read(BYTES_MAX + 1)
    form = _form(file, label, tier)
    try:
        read(content, form, list_name=file.name)
    except InvalidListError as error:
        _complain(places(error, file.name))
    request = lexicon_pb2.PutListRequest(
        name=name or _name(file),
        format=lexicon_pb2.ListFormat.Value(f"LIST_FORMAT_{form.format.name}"),
        content=content,
        label=form.label,
        tier=lexicon_pb2.Tier.Value(f"TIER_{form.tier.name}"),
        dry_run=dry_run,
        texts=_texts(against, _REQUEST_BYTES_MAX - len(content)) if against is not None else (),
        author=author or getpass.getuser(),
        reason=reason,
    )
    _report(request, _put(request, file.name))


def _put(request: lexicon_pb2.PutListRequest, file_name: str) -> lexicon_pb2.PutListResponse:
    try:
        return run(lambda moderation: moderation.call(moderation.lexicon.PutList, request, timeout_s=_TIMEOUT_S))
    except ServiceError as error:
        # A service that is newer or older than this command may judge otherwise.
        if error.wire_reason != InvalidListError.reason or not error.fields:
            raise
        _complain(places(error, file_name))


def _report(request: lexicon_pb2.PutListRequest, done: lexicon_pb2.PutListResponse) -> None:
    counts = f"{done.entries} entries, {done.added} of them new, {done.removed} are gone"
    if request.dry_run:
        typer.echo(f"{request.name} would have {counts}. Nothing is changed.")
    else:
        typer.echo(f"{request.name} has {counts}, in version {done.stored_version} of the stored lists.")
    trial = done.trial
    if not trial.texts:
        return
    typer.echo(
        f"Of {trial.texts} texts {trial.refused_before} were refused before, {trial.refused_after} with this list."
    )
    if trial.changes:
        rows = [("refused" if change.refused else "accepted", change.word, change.excerpt) for change in trial.changes]
        typer.echo("\n" + table(("now", "word", "text"), rows))


def _form(file: Path, label: int, tier: Tier | None) -> Form:
    try:
        form = form_of_file(file.name)
    except InvalidListError:
        # Its name says at least how it is written.
        if file.suffix.lower() not in (".txt", ".csv"):
            raise typer.BadParameter(f"{printable(file.name)} is neither .txt nor .csv.") from None
        form = Form(Format(file.suffix.lower()[1:]))
    return Form(form.format, label or form.label, tier or form.tier)


def _name(file: Path) -> str:
    name = re.sub(r"[^a-z0-9_-]+", "-", file.stem.lower()).strip("-")[:64]
    if not name:
        raise typer.BadParameter(f"{printable(file.name)} makes no name for a list: say --name.")
    return name


def _texts(file: Path, room_bytes: int) -> list[str]:
    if file.stat().st_size > room_bytes:
        raise typer.BadParameter(f"--against is too large: at most {room_bytes:,} bytes fit beside this list.")
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise typer.BadParameter("--against is not UTF-8: save the file as UTF-8.") from None
    texts = [line for line in map(str.strip, lines) if line]
    if len(texts) > _TEXTS_MAX:
        raise typer.BadParameter(f"--against has {len(texts):,} texts, and at most {_TEXTS_MAX:,} can be tried.")
    return texts


def _complain(complaints: Mapping[str, str]) -> NoReturn:
    for place, why in complaints.items():
        typer.echo(f"{printable(place)}: {printable(why)}", err=True)
    typer.echo("Nothing is changed.", err=True)
    raise typer.Exit(1)
