"""Commands about API keys; they talk to PostgreSQL directly."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from services.gateway.config import KeySettings
from services.gateway.identity.accounts import MIGRATIONS, SCHEMA, Accounts
from services.gateway.identity.ids import digest, new_api_key, shown_prefix
from services.runtime.config import load
from services.runtime.postgres import postgres_pool

ResultT = TypeVar("ResultT")

_USER_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LABEL_CHARACTERS_MAX = 64

app = typer.Typer()
keys = typer.Typer(help="Issue and revoke API keys for programs.", no_args_is_help=True)
app.add_typer(keys, name="keys")

User = Annotated[str, typer.Option(help="The developer's name: letters, digits, _ . and -.")]
Label = Annotated[str, typer.Option("--name", help="What the key is for, to tell keys apart.")]


@keys.command()
def issue(
    user: User,
    label: Label,
    secret_only: Annotated[
        bool, typer.Option("--secret-only", "--print-secret-only", help="Print the key and nothing else.")
    ] = False,
) -> None:
    """Issue an API key, and create its user when there is none. The key is printed once and kept nowhere."""
    _demand_names(user, label)
    key = new_api_key()

    async def add(accounts: Accounts) -> str:
        user_id = await accounts.user_named(user)
        await accounts.add_key(user_id, label=label, sha256=digest(key), prefix=shown_prefix(key))
        return user_id

    user_id = _run(add)
    if secret_only:
        typer.echo(key)
    else:
        typer.echo(f"{key}\nThe key of {user} ({user_id}), shown this once. Send it as Authorization: Bearer <key>.")


@keys.command()
def revoke(user: User, label: Label) -> None:
    """Revoke all keys of a user that have this name; running gateways notice within 5 seconds."""
    _demand_names(user, label)
    revoked = _run(lambda accounts: accounts.revoke_keys(user_name=user, label=label))
    if not revoked:
        raise typer.BadParameter(f"{user} has no live key named {label}.")
    typer.echo(f"Revoked {', '.join(f'{prefix}…' for prefix in revoked)}.")


def _demand_names(user: str, label: str) -> None:
    if not _USER_NAME.fullmatch(user):
        raise typer.BadParameter("--user must be 1 to 64 letters, digits, _ . and -.")
    if not 1 <= len(label) <= _LABEL_CHARACTERS_MAX or not label.isprintable():
        raise typer.BadParameter(f"--name must be 1 to {_LABEL_CHARACTERS_MAX} printable characters.")


def _run(work: Callable[[Accounts], Awaitable[ResultT]]) -> ResultT:
    settings = load(KeySettings)

    async def connected() -> ResultT:
        url = settings.database_url.get_secret_value()
        pooled = settings.database_pooled
        async with postgres_pool(url, schema=SCHEMA, migrations=MIGRATIONS, connections_max=1, pooled=pooled) as pool:
            return await work(Accounts(pool))

    return asyncio.run(connected())
