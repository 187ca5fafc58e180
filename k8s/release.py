"""`make release`: all of a release in one folder, the same bytes each time from the same commit.

    python -m k8s.release [folder]

`make release` builds the client and the bill of materials before. A mini-program has its owner's appid inside: each
builds their own.
"""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from k8s.checks.objects import OVERLAYS
from k8s.images import ROOT, context_paths, version

_BIN = Path(sys.executable).parent
SUMS = "SHA256SUMS"


class ReleaseError(Exception):
    """Nothing can be released; the message is one sentence that says what to do."""


def notes(changelog: str, number: str) -> str:
    """What the changelog says of a version.

    Raises:
        ReleaseError: Nothing.
    """
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)
    for section in sections:
        title, _, text = section.partition("\n")
        if title.startswith(f"[{number}] - ") and text.strip():
            return f"# {title}\n\n{text.strip()}\n"
    raise ReleaseError(f"CHANGELOG.md has no section “## [{number}] - date” with text: write what users see.")


def tracked(root: Path, paths: Iterable[str]) -> list[Path]:
    """The files of these paths that are in the repository, relative to its root."""
    listed = _run("git", "-C", str(root), "ls-files", "-z", "--", *paths).decode()
    return [Path(name) for name in listed.split("\0") if name]


def pack(archive: Path, folder: Path, files: Iterable[Path], epoch: int) -> None:
    """Pack files of a folder: in order, nobody's, of one time, so that the same files give the same bytes."""
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for file in sorted(files):
            entry = tar.gettarinfo(folder / file, arcname=file.as_posix())
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mtime = epoch
            entry.mode = 0o755 if entry.mode & 0o100 else 0o644
            with (folder / file).open("rb") as content:
                tar.addfile(entry, content)


def build_wheel(source: Path, folder: Path, epoch: int) -> None:
    """The wheel of all services, by the build backend that is pinned."""
    _run(
        "uv",
        "build",
        "--quiet",
        "--no-create-gitignore",
        "--wheel",
        "--out-dir",
        str(folder),
        str(source),
        SOURCE_DATE_EPOCH=str(epoch),
    )


def render_manifests(source: Path, folder: Path, number: str) -> None:
    """Each overlay as it would be applied."""
    for overlay in OVERLAYS:
        rendered = _run(str(_BIN / "kubectl"), "kustomize", str(source / "k8s" / "overlays" / overlay))
        (folder / f"queqiao-{number}-{overlay}.yaml").write_bytes(rendered)


def write_sums(folder: Path) -> None:
    """SHA256SUMS of everything in the folder, for `sha256sum --check`."""
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        for file in sorted(folder.iterdir())
        if file.name != SUMS
    ]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def release(root: Path, folder: Path) -> None:
    """Write a release of what is committed.

    Raises:
        ReleaseError: Something is missing, or not committed.
    """
    number = version()
    said = notes((root / "CHANGELOG.md").read_text(encoding="utf-8"), number)
    _demand_committed(root)
    epoch = int(_run("git", "-C", str(root), "log", "-1", "--format=%ct"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    name = f"queqiao-{number}"
    build_wheel(root, folder, epoch)
    render_manifests(root, folder, number)
    client = root / "miniprogram" / "dist" / "build" / "h5"
    pack(folder / f"{name}-h5.tar.gz", client, _files(client), epoch)
    pack(folder / f"{name}-image.tar.gz", root, tracked(root, context_paths()), epoch)
    (folder / f"{name}-changes.md").write_text(said, encoding="utf-8")
    shutil.copyfile(root / "protos" / "released.binpb", folder / f"{name}-protos.binpb")
    shutil.copyfile(root / "build" / "sbom.json", folder / f"{name}-sbom.json")
    write_sums(folder)


def _demand_committed(root: Path) -> None:
    if changed := _run("git", "-C", str(root), "status", "--porcelain").decode().splitlines():
        raise ReleaseError(f"{len(changed)} files are not committed, {changed[0][3:]} first: commit or remove them.")
    if told := [file.name for file in (root / "miniprogram").glob(".env*local")]:
        raise ReleaseError(f"miniprogram/{told[0]} would be built into the client: move it away.")
    fresh = _run(str(_BIN / "buf"), "build", str(root), "--exclude-source-info", "-o", "-#format=binpb")
    if fresh != (root / "protos" / "released.binpb").read_bytes():
        raise ReleaseError("protos/released.binpb is not what the protos say: run 'make protos-released' and commit.")


def _files(folder: Path) -> list[Path]:
    found = [file.relative_to(folder) for file in folder.rglob("*") if file.is_file()]
    if not found:
        raise ReleaseError(f"{folder} is empty: run 'make release', which builds it.")
    return found


def _run(*command: str, **env: str) -> bytes:
    """What a command prints.

    Raises:
        ReleaseError: It failed; the sentence is its own.
    """
    told: Mapping[str, str] = {**os.environ, "PATH": f"{_BIN}:{os.environ['PATH']}", **env}  # noqa: TID251  # no service
    ran = subprocess.run(command, env=told, capture_output=True, check=False)  # noqa: S603  # our own commands
    if ran.returncode:
        raise ReleaseError(f"{' '.join(command[:2])} failed: {ran.stderr.decode().strip()}")
    return ran.stdout


def main() -> None:
    """Release; exit status 1 and one sentence when it cannot be."""
    folder = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "dist"
    try:
        release(ROOT, folder)
    except ReleaseError as error:
        sys.exit(f"✗ {error}")
    print((folder / SUMS).read_text(encoding="utf-8"), end="")  # noqa: T201  # said to the person who releases


if __name__ == "__main__":
    main()
