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
    for command in ("serve", "keys", "credit", "wallet"):
        assert command in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("serve", "teapot"), "there is no service 'teapot'"),
        (("serve", "billing"), "DATABASE_URL is not set"),
        (("credit", "grant", "--user", "u", "--yuan", "a lot", "--request-id", "r"), "yuan"),
        (("--env-file", "nowhere.env", "keys", "issue", "--user", "u", "--name", "n"), "There is no file nowhere.env"),
        (("keys", "issue", "--user", "u", "--name", "n"), "DATABASE_URL"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_a_failing_status(arguments: tuple[str, ...], sentence: str) -> None:
    ran = queqiao(*arguments, PORT="1")
    assert ran.returncode != 0
    assert sentence in " ".join(ran.stderr.replace("│", " ").split())
    assert "Traceback" not in ran.stderr


def test_an_env_file_fills_in_what_the_environment_lacks(tmp_path: Path) -> None:
    file = tmp_path / "mesh.env"
    file.write_text("DATABASE_URL=postgresql://nobody@127.0.0.1:1/none\nPORT=not-a-port\n")
    ran = queqiao("--env-file", str(file), "serve", "billing", PORT="1")
    assert ran.returncode == 1
    assert "PostgreSQL at 127.0.0.1 does not answer" in ran.stderr
