"""A command is found without importing what it has nothing to do with."""

import importlib
import subprocess
import sys

import pytest
from typer.main import get_group

from services.cli.commands import MODULES


@pytest.mark.parametrize("module", MODULES)
def test_a_service_has_the_commands_that_are_looked_for_in_it(module: str) -> None:
    assert set(get_group(importlib.import_module(module).app).commands) == MODULES[module]


@pytest.mark.parametrize(("command", "services"), [("serve", set()), ("wallet", {"billing"})])
def test_only_the_service_of_a_command_is_imported(command: str, services: set[str]) -> None:
    script = f"""
import sys
from typer.main import get_command
from services.cli.__main__ import app
assert get_command(app).get_command(None, {command!r}) is not None
print(*{{name.split(".")[1] for name in sys.modules if name.startswith("services.")}} - {{"cli", "runtime"}})
"""
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert set(said.stdout.split()) == services
