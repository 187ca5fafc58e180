"""`queqiao doctor URL`."""

import ssl
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def doctor(
    url: Annotated[str, typer.Argument(help="The public address, as https://chat.example.com.")],
    key: Annotated[str, typer.Option(help="An API key: asks one short question, which is charged.")] = "",
    authority: Annotated[
        Path | None, typer.Option(help="PEM file of an authority to trust, for certificates of your own.")
    ] = None,
) -> None:
    """Examine a deployment from outside and say what to mend; exit status 1 when something is not well."""
    # Imported late: no other command needs them.
    import httpx

    from services.gateway.doctor.checks import Deployment, examine

    trust = ssl.create_default_context(cafile=None if authority is None else str(authority))
    well = True
    with httpx.Client(base_url=url.rstrip("/"), verify=trust, timeout=10.0) as http:
        for finding in examine(Deployment(url.rstrip("/"), key, trust, http)):
            well = well and finding.well
            typer.echo(f"{'✓' if finding.well else '✗'} {finding.check:<12} {finding.sentence}")
    if not well:
        raise typer.Exit(1)
