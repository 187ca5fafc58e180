"""`queqiao audit refusals`, `show`, `appeal`."""

import getpass
import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToDict
from queqiao.moderation.v1 import audit_pb2, moderation_pb2

from services.moderation.commands.client import Moderation, run
from services.moderation.commands.texts import CHINA, facts, moment, printable, table, timestamp, word

app = typer.Typer()
audit = typer.Typer(help="What was refused, by what, and appeals against it.", no_args_is_help=True)
app.add_typer(audit, name="audit")

_PAGE_MAX = 1_000


class Layer(StrEnum):
    """Who judged, as it is typed."""

    LEXICON = "lexicon"
    LEARNED = "learned"
    WECHAT = "wechat"
    OPENAI = "openai"


class Direction(StrEnum):
    """What was judged, as it is typed."""

    INPUT = "input"
    OUTPUT = "output"


class Action(StrEnum):
    """What was done about it, as it is typed."""

    REFUSED = "refused"
    REFERRED = "referred"
    LOGGED = "logged"


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time, such as 2026-11-30 or 2026-11-30T08:00.") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=CHINA)


Id = Annotated[str, typer.Argument(metavar="ID", help="The refusal's id, as `queqiao audit refusals` says.")]


@audit.command()
def refusals(
    since: Annotated[
        datetime | None,
        typer.Option(parser=_time, metavar="TIME", help="From then on, in UTC+8: 2026-11-30, 2026-11-30T08:00."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(parser=_time, metavar="TIME", help="Before then, written in the same way.")
    ] = None,
    layer: Annotated[Layer | None, typer.Option(help="Only this layer's.", show_default="all")] = None,
    direction: Annotated[
        Direction | None, typer.Option(help="Only questions, or only answers.", show_default="both")
    ] = None,
    action: Annotated[Action | None, typer.Option(help="Only with this outcome.", show_default="all")] = None,
    label: Annotated[int, typer.Option(min=0, help="Only of this category: a WeChat label code.")] = 0,
    user: Annotated[str, typer.Option(help="Only this user's.", show_default="everybody's")] = "",
    request: Annotated[str, typer.Option(help="Only this turn's, by its request id.", show_default="all")] = "",
    text: Annotated[str, typer.Option(help="Only of exactly this text.", show_default="all")] = "",
    rule: Annotated[str, typer.Option(help="Only by this entry or remote rule.", show_default="all")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one refusal a line.")] = False,
) -> None:
    """List what was found in texts, the newest first; a text itself is never listed."""
    wanted = audit_pb2.ListRefusalsRequest(
        start_time=timestamp(since) if since else None,
        end_time=timestamp(until) if until else None,
        layer=moderation_pb2.Layer.Value(f"LAYER_{layer.name if layer else 'UNSPECIFIED'}"),
        direction=audit_pb2.Direction.Value(f"DIRECTION_{direction.name if direction else 'UNSPECIFIED'}"),
        action=audit_pb2.Action.Value(f"ACTION_{action.name if action else 'UNSPECIFIED'}"),
        label=label,
        user_id=user,
        request_id=request,
        text=text,
        rule=rule,
    )
    found = run(lambda moderation: _newest(moderation, wanted, limit + 1))
    if as_json:
        for refusal in found[:limit]:
            typer.echo(_json(refusal))
        return
    columns = (">id", "time", "action", "direction", "layer", ">label", "rule", "written", "user", "turn", "appeal")
    typer.echo(table(columns, map(_row, found[:limit])))
    if len(found) > limit:
        typer.echo(f"\nThere are more than {limit}: say --limit, or --until.")


@audit.command()
def show(refusal_id: Id) -> None:
    """Show a refusal, with its text where that was kept."""
    request = audit_pb2.GetRefusalRequest(refusal_id=refusal_id)
    response = run(lambda moderation: moderation.call(moderation.audit.GetRefusal, request))
    refusal = response.refusal
    typer.echo(
        facts(
            ("refusal", refusal.refusal_id),
            ("time", moment(refusal, "create_time")),
            ("action", word(refusal, "action")),
            ("direction", word(refusal, "direction")),
            ("layer", word(refusal, "layer")),
            ("rule", refusal.rule),
            ("label", str(refusal.label)),
            ("written", refusal.evasion or "-"),
            ("score", f"{refusal.score:.3f}" if refusal.score else "-"),
            ("n-grams", " ".join(refusal.grams) or "-"),
            ("where", f"characters {refusal.start} to {refusal.end}"),
            ("SHA-256", refusal.text_sha256),
            ("user", refusal.user_id or "-"),
            ("turn", refusal.request_id),
            ("trace", refusal.trace_id or "-"),
            ("version", refusal.version),
            ("appeal", moment(refusal, "appeal_time")),
        )
    )
    if response.text:
        typer.echo("\n" + "\n".join(map(printable, response.text.splitlines())))
    else:
        typer.echo("\nThe text was not kept.")


@audit.command()
def appeal(
    refusal_id: Id,
    phrase: Annotated[str, typer.Option(help="What is innocent: a phrase that contains the refused word.")],
    author: Annotated[str, typer.Option(help="Who grants it.", show_default="you")] = "",
    reason: Annotated[str, typer.Option(help="Why.")] = "",
) -> None:
    """Grant an appeal: from now on the phrase is innocent, wherever it stands."""
    request = audit_pb2.GrantAppealRequest(
        refusal_id=refusal_id, phrase=phrase, author=author or getpass.getuser(), reason=reason
    )
    response = run(lambda moderation: moderation.call(moderation.audit.GrantAppeal, request))
    typer.echo(
        f"{printable(phrase)} is allowed, in version {response.stored_version} of the stored lists; "
        f"refusal {refusal_id} is marked."
    )


async def _newest(
    moderation: Moderation, request: audit_pb2.ListRefusalsRequest, limit: int
) -> list[audit_pb2.Refusal]:
    found: list[audit_pb2.Refusal] = []
    while len(found) < limit:
        request.page_size = min(limit - len(found), _PAGE_MAX)
        page = await moderation.call(moderation.audit.ListRefusals, request)
        found += page.refusals
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    return found


def _row(refusal: audit_pb2.Refusal) -> tuple[str, ...]:
    return (
        refusal.refusal_id,
        moment(refusal, "create_time"),
        word(refusal, "action"),
        word(refusal, "direction"),
        word(refusal, "layer"),
        str(refusal.label),
        refusal.rule,
        refusal.evasion or "-",
        refusal.user_id or "-",
        refusal.request_id,
        moment(refusal, "appeal_time"),
    )


def _json(refusal: audit_pb2.Refusal) -> str:
    told = MessageToDict(refusal, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    for field in ("action", "direction", "layer"):
        told[field] = word(refusal, field)
    return json.dumps(told, ensure_ascii=False)
