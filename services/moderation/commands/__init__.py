"""Moderation's commands of `queqiao`, one file a topic; all of them talk to the service over gRPC."""

import typer

from services.moderation.commands import audit, lexicon, screener

app = typer.Typer()
for topic in (lexicon, audit, screener):
    app.add_typer(topic.app)
