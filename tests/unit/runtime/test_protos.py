"""What callers were promised: v1 only grows, and whoever breaks it is told."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CHAT = Path("protos/queqiao/chat/v1/chat.proto")


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """The protos, to be changed."""
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    shutil.copytree(ROOT / "protos" / "queqiao", tmp_path / "protos" / "queqiao")
    return tmp_path


def breaking(module: Path) -> tuple[int, str]:
    """Compare with the last release, as `make check` does."""
    buf = Path(sys.executable).with_name("buf")
    released = ROOT / "protos" / "released.binpb"
    ran = subprocess.run(
        (buf, "breaking", "--against", released), cwd=module, capture_output=True, text=True, timeout=60, check=False
    )
    return ran.returncode, ran.stdout


def test_what_is_added_breaks_nobody(module: Path) -> None:
    text = (module / CHAT).read_text("utf-8")
    (module / CHAT).write_text(
        text.replace("  bool running = 1;\n", "  bool running = 1;\n  // New.\n  string why = 900;\n")
    )
    assert breaking(module) == (0, "")


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("  bool running = 1;\n", "", 'Previously present field "1" with name "running"'),
        ("  bool running = 1;", "  int32 running = 1;", "changed type"),
        ("rpc CancelTurn(", "rpc StopTurn(", 'Previously present RPC "CancelTurn"'),
    ],
)
def test_what_is_removed_or_changed_is_named(module: Path, before: str, after: str, complaint: str) -> None:
    text = (module / CHAT).read_text("utf-8")
    assert before in text
    (module / CHAT).write_text(text.replace(before, after, 1))
    status, said = breaking(module)
    assert status != 0
    assert complaint in said
