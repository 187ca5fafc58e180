"""Every service's commands under one name; a service's are imported when one of them is asked for.

All of them together import a large part of every service, which a command, and `queqiao serve`, would wait for and keep
in memory.
"""

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from typer.core import TyperGroup
from typer.main import get_group

_GATEWAY = "services.gateway.identity.commands"
_BILLING = "services.billing.commands"
_MODERATION = "services.moderation.commands"
_CHAT = "services.chat.commands"
_DOCTOR = "services.gateway.doctor.commands"

# Where to look first; what is not said here is found as well, by importing them all.
MODULES: Mapping[str, frozenset[str]] = {
    _GATEWAY: frozenset({"keys"}),
    _BILLING: frozenset(
        {"credit", "wallet", "turns", "receipt", "usage", "statement", "prices", "ledger", "costs", "orders"}
    ),
    _MODERATION: frozenset({"audit", "lexicon", "screener"}),
    _CHAT: frozenset({"models"}),
    _DOCTOR: frozenset({"doctor"}),
}


class Commands(TyperGroup):
    """The commands that the command line has itself, and those of all services.

    Contexts and commands are of classes that typer keeps to itself.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all, each service's together."""
        self._import(MODULES)
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name; None when no service has it."""
        if cmd_name not in self.commands:
            self._import(module for module, names in MODULES.items() if cmd_name in names)
        if cmd_name not in self.commands:
            self._import(MODULES)
        return super().get_command(ctx, cmd_name)

    def _import(self, modules: Iterable[str]) -> None:
        for module in modules:
            for name, command in get_group(importlib.import_module(module).app).commands.items():
                self.commands.setdefault(name, command)
