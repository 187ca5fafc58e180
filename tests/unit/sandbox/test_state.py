"""The state folder: held by one launcher, with secrets that only their owner reads."""

from pathlib import Path

import pytest

from sandbox.processes import PartError
from sandbox.state import State


def test_a_second_launcher_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    state = State(tmp_path / "run")
    with state.open(), pytest.raises(PartError, match=r"already running from .*QUEQIAO_RUN_DIR"):
        State(tmp_path / "run").open()
    State(tmp_path / "run").open().close()


def test_launchers_on_different_folders_do_not_meet(tmp_path: Path) -> None:
    with State(tmp_path / "one").open(), State(tmp_path / "two").open():
        pass


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PartError, match="cannot be used"):
        State(tmp_path / "file" / "run").open()


def test_a_secret_is_made_once_and_differs_by_name(tmp_path: Path) -> None:
    first = State(tmp_path).secret("session")
    assert State(tmp_path).secret("session") == first
    assert State(tmp_path).secret("postgres") != first
    assert len(first) >= 32


def test_what_is_private_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.secret("session")
    state.write_private(state.api_key_file, "sk-1")
    state.write_private(state.api_key_file, "sk-2")
    assert state.api_key_file.read_text(encoding="utf-8") == "sk-2"
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o077 == 0
