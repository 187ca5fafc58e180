"""Billing's commands of `queqiao`, one file a topic; all of them talk to the service over gRPC."""

import typer

from services.billing.commands import books, orders, prices, statement, turns, wallets

app = typer.Typer()
for topic in (wallets, turns, statement, books, prices, orders):
    app.add_typer(topic.app)
