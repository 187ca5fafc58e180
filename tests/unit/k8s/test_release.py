"""A release: the same bytes from the same sources, wherever and whenever it is made, and nothing unfinished in it."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from k8s.images import ROOT, context_paths, version
from k8s.release import ReleaseError, build_wheel, notes, pack, release, render_manifests, tracked, write_sums

EPOCH = 1_700_000_000


def made(source: Path, folder: Path) -> str:
    """The sums of what needs no Node."""
    folder.mkdir()
    build_wheel(source, folder, EPOCH)
    render_manifests(source, folder, version())
    files = [file for file in tracked(ROOT, context_paths()) if (ROOT / file).is_file()]
    pack(folder / "image.tar.gz", source, files, EPOCH)
    write_sums(folder)
    return (folder / "SHA256SUMS").read_text("utf-8")


def test_the_same_sources_give_the_same_bytes_in_another_folder_at_another_time(tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    for file in tracked(ROOT, ("k8s", *context_paths())):
        (other / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, other / file)
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700 if path.is_dir() or os.access(path, os.X_OK) else 0o600)
    first = made(ROOT, tmp_path / "first")
    assert made(other, tmp_path / "second") == first
    assert len(first.splitlines()) == 6
    subprocess.run(("sha256sum", "--check", "--quiet", "SHA256SUMS"), cwd=tmp_path / "second", check=True)


def test_the_wheel_serves(tmp_path: Path) -> None:
    build_wheel(ROOT, tmp_path, EPOCH)
    wheel = next(tmp_path.glob("*.whl"))
    assert wheel.name == f"queqiao-{version()}-py3-none-any.whl"
    code = "from services.cli.__main__ import SERVICES; import services; print(services.__path__[0], *SERVICES)"
    env = {"PYTHONPATH": str(wheel)}
    ran = subprocess.run((sys.executable, "-P", "-c", code), env=env, cwd=tmp_path, capture_output=True, check=True)
    assert ran.stdout.decode().split() == [f"{wheel}/services", "billing", "chat", "gateway", "moderation"]


def test_a_pack_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("2")
    (tmp_path / "a").write_text("1")
    pack(tmp_path / "x.tar.gz", tmp_path, [Path("b"), Path("a")], EPOCH)
    with tarfile.open(tmp_path / "x.tar.gz") as packed:
        entries = packed.getmembers()
    assert [(each.name, each.mode, each.uid, each.uname, each.mtime) for each in entries] == [
        ("a", 0o644, 0, "", EPOCH),
        ("b", 0o644, 0, "", EPOCH),
    ]


def test_a_version_has_notes_or_is_not_released() -> None:
    changelog = (
        "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-11-01\n\n- New.\n\n## [1.1.0] - 2026-10-01\n\n- Old.\n"
    )
    assert notes(changelog, "1.2.0") == "# [1.2.0] - 2026-11-01\n\n- New.\n"
    with pytest.raises(ReleaseError, match=r"no section “## \[1.3.0\] - date”"):
        notes(changelog, "1.3.0")
    assert notes((ROOT / "CHANGELOG.md").read_text("utf-8"), version())


def test_nothing_is_released_that_is_not_committed(tmp_path: Path) -> None:
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    subprocess.run(("git", "init", "-q", str(tmp_path)), check=True)
    with pytest.raises(ReleaseError, match=r"1 files are not committed, CHANGELOG\.md first"):
        release(tmp_path, tmp_path / "dist")
    assert not (tmp_path / "dist").exists()
