"""`queqiao lexicon show`, `get`, `delete`, `add`, `remove`, `allow`, `versions`, `restore`, `explain`; and `load`."""

import getpass
from typing import Annotated, NoReturn

import typer
from queqiao.moderation.v1 import lexicon_pb2

from services.moderation.commands import lists
from services.moderation.commands.client import Moderation, run
from services.moderation.commands.lists import Author, Label, Reason
from services.moderation.commands.texts import facts, moment, printable, table, word
from services.moderation.errors import InvalidListError
from services.moderation.lexicon.entries import NEAR_WORDS_MAX, WITHIN_DEFAULT, WITHIN_MAX, Evasion, Tier
from services.runtime.errors import ServiceError

app = typer.Typer()
lexicon = typer.Typer(help="The word lists by which texts are judged.", no_args_is_help=True)
app.add_typer(lexicon, name="lexicon")
lexicon.command()(lists.load)

_PAGE_MAX = 1_000
_GRAMS_SHOWN = 6

Name = Annotated[str, typer.Argument(metavar="NAME", help="A stored list, as `queqiao lexicon show` names it.")]


@lexicon.command()
def show() -> None:
    """Show which lists are in force; the exit status is 1 while something cannot be taken up."""
    request = lexicon_pb2.GetLexiconRequest()
    found = run(lambda moderation: moderation.call(moderation.lexicon.GetLexicon, request))
    typer.echo(
        facts(
            ("lexicon", found.version),
            ("stored version", str(found.stored_version)),
            ("entries", str(found.entries)),
            ("in force since", moment(found, "load_time")),
        )
    )
    rows = [
        (
            one.name,
            "stored" if one.stored else "file",
            str(one.entries),
            one.author or "-",
            moment(one, "update_time"),
        )
        for one in found.lists
    ]
    typer.echo("\n" + table(("list", "from", ">entries", "author", "time"), rows))
    if found.problem:
        typer.echo(f"\nThe newest state is not in force: {printable(found.problem)}")
        raise typer.Exit(1)


@lexicon.command()
def get(name: Name) -> None:
    """Print a stored list as it was stored."""
    request = lexicon_pb2.GetListRequest(name=name)
    typer.echo(run(lambda moderation: moderation.call(moderation.lexicon.GetList, request)).content, nl=False)


@lexicon.command()
def delete(name: Name, author: Author = "", reason: Reason = "") -> None:
    """Remove a stored list; `restore` brings it back."""
    request = lexicon_pb2.DeleteListRequest(name=name, author=author or getpass.getuser(), reason=reason)
    done = run(lambda moderation: moderation.call(moderation.lexicon.DeleteList, request))
    typer.echo(f"{name} is deleted, in version {done.stored_version} of the stored lists.")


@lexicon.command()
def add(
    words: Annotated[list[str], typer.Argument(metavar="WORD…", help="What to look for, taken literally.")],
    label: Label = 0,
    tier: Annotated[Tier, typer.Option(help="What a word does that is found.")] = Tier.BLOCK,
    also: Annotated[
        list[Evasion] | None, typer.Option(help="A further way of writing them that is recognised; may be repeated.")
    ] = None,
    near: Annotated[
        list[str] | None,
        typer.Option(help=f"They count only near one of these words; may be repeated, {NEAR_WORDS_MAX} times at most."),
    ] = None,
    within: Annotated[int, typer.Option(min=1, max=WITHIN_MAX, help="How near, in characters.")] = WITHIN_DEFAULT,
    author: Author = "",
    reason: Reason = "",
) -> None:
    """Add words; one that was added before is replaced."""
    template = lexicon_pb2.Entry(
        label=label,
        tier=lexicon_pb2.Tier.Value(f"TIER_{tier.name}"),
        also=[lexicon_pb2.Evasion.Value(f"EVASION_{evasion.name}") for evasion in also or ()],
        near=near or (),
        within_characters=within,
    )
    version = _add(words, template, author, reason)
    typer.echo(f"{_words(words)} in force, in version {version} of the stored lists.")


@lexicon.command()
def remove(
    words: Annotated[list[str], typer.Argument(metavar="WORD…", help="Words that `add` or `allow` added.")],
    author: Author = "",
    reason: Reason = "",
) -> None:
    """Remove words that were added; those of other lists change with `load`."""
    request = lexicon_pb2.RemoveEntriesRequest(words=words, author=author or getpass.getuser(), reason=reason)
    done = run(lambda moderation: moderation.call(moderation.lexicon.RemoveEntries, request))
    typer.echo(f"{_words(words)} removed, in version {done.stored_version} of the stored lists.")


@lexicon.command()
def allow(
    phrases: Annotated[list[str], typer.Argument(metavar="PHRASE…", help="What is innocent, as it is written.")],
    author: Author = "",
    reason: Reason = "",
) -> None:
    """Make phrases innocent: a listed word within one of them is none."""
    version = _add(phrases, lexicon_pb2.Entry(tier=lexicon_pb2.TIER_ALLOW), author, reason)
    typer.echo(f"{_words(phrases)} allowed, in version {version} of the stored lists.")


@lexicon.command()
def versions(limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50) -> None:
    """List what was changed, the newest first."""
    found = run(lambda moderation: _newest(moderation, limit + 1))
    rows = [
        (str(one.stored_version), moment(one, "create_time"), one.author, one.change, one.reason or "-")
        for one in found[:limit]
    ]
    typer.echo(table((">version", "time", "author", "change", "reason"), rows))
    if len(found) > limit:
        typer.echo(f"\nThere are more than {limit}: say --limit.")


@lexicon.command()
def restore(
    version: Annotated[int, typer.Argument(metavar="VERSION", min=0, help="0 is the state without stored lists.")],
    author: Author = "",
    reason: Reason = "",
) -> None:
    """Make the stored lists what they were in a version, as a new version."""
    request = lexicon_pb2.RestoreVersionRequest(
        stored_version=version, author=author or getpass.getuser(), reason=reason
    )
    done = run(lambda moderation: moderation.call(moderation.lexicon.RestoreVersion, request))
    typer.echo(f"The stored lists are those of version {version} again, in version {done.stored_version}.")


@lexicon.command()
def explain(text: Annotated[str, typer.Argument(help="What to look at.")]) -> None:
    """Say everything that the lexicon finds in a text, and its scores; remote layers are not asked."""
    request = lexicon_pb2.ExplainTextRequest(text=text)
    found = run(lambda moderation: moderation.call(moderation.lexicon.ExplainText, request))
    verdict = "refused" if found.refused else "referred to the remote layers" if found.referred else "accepted"
    typer.echo(f"By the lexicon the text is {verdict}.")
    rows = [
        (
            hit.entry.word,
            word(hit.entry, "tier"),
            str(hit.entry.label),
            hit.list,
            hit.evasion,
            f"{hit.start}–{hit.end}",
            hit.found,
        )
        for hit in found.hits
    ]
    if rows:
        typer.echo("\n" + table(("word", "tier", ">label", "list", "written", "characters", "as"), rows))
    scores = [
        (
            str(score.label),
            f"{score.score:.3f}",
            _does(score),
            " ".join(f"{gram.gram} {gram.weight:+.1f}" for gram in score.grams[:_GRAMS_SHOWN]),
        )
        for score in found.scores
    ]
    if scores:
        typer.echo("\n" + table((">label", ">score", "so it is", "n-grams that weighed"), scores))


def _does(score: lexicon_pb2.LearnedScore) -> str:
    if score.block_from and score.score >= score.block_from:
        return "refused"
    return "referred" if score.refer_from and score.score >= score.refer_from else "accepted"


def _add(words: list[str], template: lexicon_pb2.Entry, author: str, reason: str) -> int:
    request = lexicon_pb2.AddEntriesRequest(author=author or getpass.getuser(), reason=reason)
    for each in words:
        entry = request.entries.add()
        entry.CopyFrom(template)
        entry.word = each
    try:
        return run(lambda moderation: moderation.call(moderation.lexicon.AddEntries, request)).stored_version
    except ServiceError as error:
        if error.wire_reason != InvalidListError.reason or not error.fields:
            raise
        _complain(error, words)


def _complain(error: ServiceError, words: list[str]) -> NoReturn:
    named = {f"entries[{index}]": each for index, each in enumerate(words)}
    for place, why in error.fields.items():
        typer.echo(f"{printable(named.get(place, place))}: {printable(why)}", err=True)
    typer.echo("Nothing is changed.", err=True)
    raise typer.Exit(1)


def _words(words: list[str]) -> str:
    named = ", ".join(map(printable, words[:10]))
    if len(words) > 10:
        named += f" and {len(words) - 10} more"
    return f"{named} {'is' if len(words) == 1 else 'are'}"


async def _newest(moderation: Moderation, limit: int) -> list[lexicon_pb2.Version]:
    found: list[lexicon_pb2.Version] = []
    request = lexicon_pb2.ListVersionsRequest()
    while len(found) < limit:
        request.page_size = min(limit - len(found), _PAGE_MAX)
        page = await moderation.call(moderation.lexicon.ListVersions, request)
        found += page.versions
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    return found
