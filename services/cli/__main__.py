"""`queqiao serve chat`, `queqiao keys issue …`, `queqiao statement …`."""

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from services.cli.commands import Commands
from services.runtime.config import use_env_file
from services.runtime.errors import ConfigurationError, ServiceError, StartupError

SERVICES = ("billing", "chat", "gateway", "moderation")

app = typer.Typer(
    cls=Commands,
    help="鹊桥 Queqiao: serve a service, issue keys, keep the books, moderate. Configured by the environment.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def configure(
    env_file: Annotated[
        Path | None,
        typer.Option(help="File of NAME=value lines to add to the environment, such as .run/mesh.env of a laptop."),
    ] = None,
) -> None:
    """Read the configuration that the commands need."""
    if env_file is not None:
        use_env_file(env_file)


@app.command()
def serve(service: Annotated[str, typer.Argument(help=f"One of: {', '.join(SERVICES)}; or all of them.")]) -> None:
    """Run one service in this process until it is stopped (SIGTERM); all of them as processes beside this one."""
    # Imported late: a service's libraries are loaded only by the process that serves it.
    if service == "all":
        from services.cli.together import serve_all

        serve_all()
        return
    _demand_service(service)
    importlib.import_module(f"services.{service}.__main__").main()


@app.command()
def migrate(service: Annotated[str, typer.Argument(help=f"One of: {', '.join(SERVICES)}.")]) -> None:
    """Bring a service's schema up to date, at DATABASE_URL; services do so themselves when they start."""
    from services.cli.migrate import migrate as run_migrations

    _demand_service(service)
    names = run_migrations(service)
    typer.echo(f"The schema {service} is up to date: {names[-1]}.")


def _demand_service(name: str) -> None:
    if name not in SERVICES:
        raise typer.BadParameter(f"there is no service {name!r}; choose one of {', '.join(SERVICES)}.")


def main() -> None:
    """Run a command; what goes wrong is one sentence and exit status 1, or 2 where the configuration is wrong."""
    try:
        app()
    except (ServiceError, StartupError) as error:
        print(f"queqiao: {error}", file=sys.stderr)  # noqa: T201  # said to the person who typed the command
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)


if __name__ == "__main__":
    main()
