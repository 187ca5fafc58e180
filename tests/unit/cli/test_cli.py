"""The command line: every command is there, and what is wrong is one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def queqiao(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run it as a person would, without any of this machine's configuration."""
    clean = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        env=clean | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_services_commands() -> None:
    shown = queqiao("--help").stdout
    commands = {words[1] for line in shown.splitlines() if len(words := line.split()) > 1}
    assert commands >= {"serve", "keys", "credit", "wallet", "turns", "receipt", "usage", "statement"}
    assert commands >= {"ledger", "costs", "prices", "orders"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("serve", "teapot"), "there is no service 'teapot'"),
        (("serve", "billing"), "DATABASE_URL is not set"),
        (("credit", "grant", "--user", "u", "--yuan", "a lot", "--request-id", "r"), "yuan"),
        (("costs",), "The billing service does not answer"),
        (("orders", "list", "--state", "lost"), "--state"),
        (("prices", "rate", "--cny", "seven", "--source", "s"), "'seven' is no number such as 7.10"),
        (("statement", "--user", "u", "--month", "November"), "'November' is no month, such as 2026-11"),
        (("--env-file", "nowhere.env", "keys", "issue", "--user", "u", "--name", "n"), "There is no file nowhere.env"),
        (("keys", "issue", "--user", "u", "--name", "n"), "DATABASE_URL"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_a_failing_status(arguments: tuple[str, ...], sentence: str) -> None:
    ran = queqiao(*arguments, PORT="1", BILLING_TARGET="127.0.0.1:1", COLUMNS="200")
    assert ran.returncode != 0
    assert sentence in " ".join(ran.stderr.replace("│", " ").split())
    assert "Traceback" not in ran.stderr


def test_an_env_file_fills_in_what_the_environment_lacks(tmp_path: Path) -> None:
    file = tmp_path / "mesh.env"
    # An address that cannot be tried, so that nobody waits for a server to start there.
    file.write_text("DATABASE_URL=postgresql://nobody@127.0.0.1:1/none?sslmode=perhaps\nPORT=not-a-port\n")
    ran = queqiao("--env-file", str(file), "serve", "billing", PORT="1")
    assert ran.returncode == 1
    assert "PostgreSQL at 127.0.0.1 refuses us" in ran.stderr
